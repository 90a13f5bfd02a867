"""What a paper that uses a dataset should name, with the versions that made it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from tasks.library.manifest import Manifest, Step

_ARXIV: Final = "https://arxiv.org/abs/"
_DOI: Final = "https://doi.org/"


@dataclass(frozen=True)
class Reference:
    """Something to cite: for what, the reference in its short form, and its address."""

    what: str
    text: str
    link: str


@dataclass(frozen=True)
class Citing:
    """How to cite a dataset.

    Parameters
    ----------
    words : str
        Sentences for a paper, with all versions.
    references : tuple of Reference
        What they refer to.
    """

    words: str
    references: tuple[Reference, ...]


_MISSION: Final = (
    Reference("XRISM", "Tashiro et al. 2020, Proc. SPIE 11444, 1144422", f"{_DOI}10.1117/12.2565812"),
    Reference("Xtend's camera", "Noda et al. 2025, arXiv:2502.08030", f"{_ARXIV}2502.08030"),
    Reference("Xtend in orbit", "Uchida et al. 2025, arXiv:2503.20180", f"{_ARXIV}2503.20180"),
)
_ARCHIVES: Final = (
    Reference("HEASARC", "how to name its data", "https://heasarc.gsfc.nasa.gov/docs/heasarc/datasetid.html"),
    Reference("DARTS", "the archive of ISAS/JAXA", "https://darts.isas.jaxa.jp/"),
)
_PACKAGES: Final = {
    "heasoft": Reference("HEASoft", "NASA HEASARC 2014, ascl:1408.004", "https://ascl.net/1408.004"),
    "xspec": Reference(
        "XSPEC", "Arnaud 1996, ASP Conf. Ser. 101, 17", "https://heasarc.gsfc.nasa.gov/xanadu/xspec/"
    ),
    "sherpa": Reference(
        "Sherpa", "Freeman et al. 2001, Proc. SPIE 4477, 76", f"{_DOI}10.1117/12.447161"
    ),
    "numpy": Reference(
        "NumPy", "Harris et al. 2020, Nature 585, 357", f"{_DOI}10.1038/s41586-020-2649-2"
    ),
    "astropy": Reference(
        "Astropy", "Astropy Collaboration 2022, ApJ 935, 167", f"{_DOI}10.3847/1538-4357/ac7c74"
    ),
}  # fmt: skip
_NAMES: Final = {"caldb": "CALDB", "heasoftpy": "heasoftpy", "xtendflow": "xtendflow"}
_OWN: Final = ("native", "heasoft-engine")
"""Versions of the engines themselves, which nobody can cite."""


def citing(manifest: Manifest) -> Citing:
    """How to cite what a dataset holds."""
    versions = used_versions(manifest)
    used = [reference for name, reference in _PACKAGES.items() if name in versions]
    words = (
        "This work uses data of XRISM (Tashiro et al. 2020) taken with Xtend (Noda et al. 2025; Uchida et "
        f"al. 2025), ObsID {manifest.obsid}, data class {manifest.dataclass}, from the archives HEASARC of "
        f"NASA/GSFC and DARTS of ISAS/JAXA{_processing(manifest)}. They were reduced with "
        f"{', '.join(_versioned(versions)) or 'xtendflow'}."
    )
    return Citing(words, (*_MISSION, *_ARCHIVES, *used))


def used_versions(manifest: Manifest) -> dict[str, str]:
    """What the steps were done with, and its versions: several where steps were done at different times."""
    found: dict[str, dict[str, None]] = {}
    for record in manifest.steps.values():
        for name, version in record.versions.items():
            if name not in _OWN:
                found.setdefault(name, {})[version] = None
    fitted = manifest.steps[Step.FIT].facts.get("fit") if Step.FIT in manifest.steps else None
    if isinstance(fitted, dict) and isinstance(fitted.get("versions"), dict):
        for name, version in fitted["versions"].items():
            found.setdefault(str(name), {})[str(version)] = None
    return {name: " and ".join(versions) for name, versions in found.items()}


def _processing(manifest: Manifest) -> str:
    """The archive's own processing, as the events tell it."""
    record = manifest.steps.get(Step.PROCESSING)
    said = record.facts.get("archive") if record else None
    if not isinstance(said, dict):
        return ""
    parts = [
        f"{words} {said[key]}"
        for key, words in (("PROCVER", "processing"), ("CALDBVER", "calibration files"))
        if said.get(key)
    ]
    return f" ({', '.join(parts)})" if parts else ""


def _versioned(versions: Mapping[str, str]) -> Iterator[str]:
    """`HEASoft 6.36 (ascl:1408.004)`, the project itself first."""
    for name in sorted(versions, key=lambda name: name != "xtendflow"):
        reference = _PACKAGES.get(name)
        what = reference.what if reference else _NAMES.get(name, name)
        cited = f" ({reference.text.partition(', ')[0]})" if reference else ""
        yield f"{what} {versions[name]}{cited}"
