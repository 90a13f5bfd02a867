"""Ray-traced events: used again by their key alone, counted around their middle, kept where too few."""

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from tasks.core.errors import SoftwareFault, Transient
from tasks.engines.heasoft.raytrace import ENOUGH_PHOTONS, count, generate, photons_within, reusable
from tasks.engines.interface import StepInputs
from tasks.library.call import Report
from tasks.library.manifest import Kind, Manifest, Product, Role, Step
from tasks.xtend.cautions import Severity

SHA = "0" * 64
MM_PER_ARCMIN = 0.048 / (0.000491106681541 * 60)
"""0.048 mm is a pixel, 0.000491… degrees."""


@pytest.fixture
def traced(tmp_path):
    """Writes ray-traced photons: for each energy as many in the core as asked for, and ten far away."""

    def write(counts, centre=(3.0, -7.0), energies=None, name="raytrace.fits"):
        random = np.random.default_rng(1)
        rows = [
            (energy, centre[0] + radius * np.cos(angle), centre[1] + radius * np.sin(angle))
            for energy, number in counts.items()
            for radius, angle in [
                *zip(
                    random.uniform(0, 1.9 * MM_PER_ARCMIN, number), random.uniform(0, 7, number), strict=True
                ),
                *((2.1 * MM_PER_ARCMIN, angle) for angle in np.linspace(0, 2 * np.pi, 10, endpoint=False)),
            ]
        ]
        columns = np.array(rows).T if rows else np.empty((3, 0))
        photons = fits.BinTableHDU.from_columns(
            [
                fits.Column(key, "D", array=values)
                for key, values in zip(("ENERGY", "FINALXPOS", "FINALYPOS"), columns, strict=True)
            ]
        )
        given = sorted({*counts, *(energies or ())})
        asked = fits.BinTableHDU.from_columns(
            [fits.Column("ENERGY", "D", array=np.array([*given, *given])), fits.Column("NUMPHOTONS", "J")],
            name="INPUTPHOTONS",
        )
        path = tmp_path / name
        fits.HDUList([fits.PrimaryHDU(), photons, *([asked] if energies is not None else [])]).writeto(path)
        return path

    return write


def test_photons_are_counted_around_the_middle(traced):
    assert photons_within(traced({1.0: 500, 2.5: 300, 8.0: 20}), 2.0) == {1.0: 500, 2.5: 300, 8.0: 20}


def test_a_larger_circle_holds_them_all(traced):
    assert photons_within(traced({1.0: 500, 2.5: 300}), 2.2) == {1.0: 510, 2.5: 310}


def test_the_place_on_the_focal_plane_does_not_matter(traced):
    here = photons_within(traced({1.0: 400}, (0, 0), name="a.fits"), 2.0)
    assert photons_within(traced({1.0: 400}, (25.0, 11.0), name="b.fits"), 2.0) == here


def test_many_photons_are_counted_in_parts(traced, monkeypatch):
    path = traced({1.0: 500, 2.5: 300})
    monkeypatch.setattr("tasks.engines.heasoft.raytrace._ROWS_AT_ONCE", 64)
    assert photons_within(path, 2.0) == {1.0: 500, 2.5: 300}


def test_an_energy_of_which_none_arrives_is_counted_as_none(traced):
    assert photons_within(traced({1.0: 500}, energies=[1.0, 15.0]), 2.0) == {1.0: 500, 15.0: 0}


def test_a_list_without_a_photon(traced):
    assert photons_within(traced({}, energies=[1.0, 2.0]), 2.0) == {1.0: 0, 2.0: 0}


def test_what_is_no_list_of_photons(tmp_path):
    path = tmp_path / "raytrace.fits"
    fits.PrimaryHDU().writeto(path)
    with pytest.raises(SoftwareFault, match=r"raytrace\.fits is no list of ray-traced photons"):
        photons_within(path, 2.0)
    path.write_text("nothing")
    with pytest.raises(SoftwareFault, match=r"raytrace\.fits is no list"):
        photons_within(path, 2.0)


@pytest.mark.parametrize(
    ("counts", "energies", "said"),
    [
        ({1.0: ENOUGH_PHOTONS, 8.0: ENOUGH_PHOTONS}, None, None),
        ({1.0: ENOUGH_PHOTONS, 8.0: ENOUGH_PHOTONS - 1}, None, "only 4999 at 8 keV"),
        ({1.0: ENOUGH_PHOTONS, 15.0: 3}, None, None),
        ({1.0: ENOUGH_PHOTONS}, [1.0, 9.0], "only 0 at 9 keV"),
        ({15.0: ENOUGH_PHOTONS}, None, "none"),
    ],
)
def test_few_photons_within_the_band_are_told(traced, monkeypatch, counts, energies, said):
    path = traced(counts, energies=energies)
    monkeypatch.chdir(path.parent)
    told = count(path.name, "long.arf", 2.0, (0.5, 10.0))
    assert told.facts["photons"][0] == [min(counts), counts[min(counts)]]
    if said is None:
        assert not told.file_cautions
    else:
        [caution] = told.file_cautions["long.arf"]
        assert caution.id == "arf-few-photons"
        assert said in caution.sentence


def test_what_cannot_be_counted_is_a_caution_on_the_arf(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("raytrace.fits").write_text("nothing")
    told = count("raytrace.fits", "long.arf", 2.0, (0.5, 10.0))
    [caution] = told.file_cautions["long.arf"]
    assert (caution.id, caution.severity) == ("arf-photons-uncounted", Severity.CAUTION)
    assert "raytrace.fits is no list of ray-traced photons" in caution.sentence
    assert not told.facts


def test_where_the_region_is_no_circle_nothing_is_counted(traced, monkeypatch):
    path = traced({1.0: 10})
    monkeypatch.chdir(path.parent)
    told = count(path.name, "long.arf", None, (0.5, 10.0))
    [notice] = told.file_cautions["long.arf"]
    assert (notice.id, notice.severity) == ("arf-photons-uncounted", Severity.NOTICE)
    assert not told.facts


PARAMETERS = {"outfile": "source.arf", "xrtevtfile": "raytrace.fits", "minphoton": 100}


@pytest.fixture
def xaarfgen(tmp_path, monkeypatch):
    """Has the tool fail after it left what the test says; calls of it are listed."""
    monkeypatch.chdir(tmp_path)
    calls = []

    def run(**given):
        calls.append(given)
        raise SoftwareFault("xaarfgen ended well but did not make source.arf")

    monkeypatch.setattr("tasks.engines.heasoft.tool.run", run)
    return calls


def asked(radius=2.0):
    return generate(PARAMETERS, radius, tool="xaarfgen", outputs=["source.arf", "raytrace.fits"])


def test_an_arf_of_too_few_photons_is_not_made(traced, xaarfgen):
    traced({1.0: 500, 8.0: 99})
    assert asked().not_made == {
        "source.arf": "only 99 ray-traced photons reach the source circle at 8 keV, and xaarfgen makes no "
        "ARF of fewer than 100: in the recipe raise numphoton, or lower minphoton or the upper end of erange"
    }
    assert xaarfgen == [
        {"parameters": PARAMETERS, "tool": "xaarfgen", "outputs": ["source.arf", "raytrace.fits"]}
    ]


def test_enough_photons_are_no_excuse(traced, xaarfgen):
    traced({1.0: 500, 8.0: 100})
    with pytest.raises(SoftwareFault, match=r"did not make source\.arf"):
        asked()


def test_an_arf_that_is_there_and_wrong_is_a_fault(traced, xaarfgen):
    traced({1.0: 500, 8.0: 99})
    Path("source.arf").write_text("wrong")
    with pytest.raises(SoftwareFault, match=r"source\.arf"):
        asked()


def test_without_a_circle_nobody_knows(traced, xaarfgen):
    traced({1.0: 500, 8.0: 99})
    with pytest.raises(SoftwareFault, match=r"source\.arf"):
        asked(None)


@pytest.mark.parametrize("left", ["nothing", "half", "other"])
def test_events_that_are_not_whole_are_no_excuse(traced, xaarfgen, left):
    path = traced({1.0: 500, 8.0: 99})
    if left == "half":
        path.write_bytes(path.read_bytes()[:-2880])
    else:
        path.unlink()
    if left == "other":
        fits.PrimaryHDU().writeto(path)
    with pytest.raises(SoftwareFault, match=r"source\.arf"):
        asked()


def test_a_tool_that_works_is_left_alone(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    report = Report(facts={"defaults": {}})
    monkeypatch.setattr("tasks.engines.heasoft.tool.run", lambda **given: report)
    assert asked() == report


def test_a_tool_that_was_killed_is_tried_again(traced, monkeypatch, tmp_path):
    def run(**given):
        raise Transient("xaarfgen was ended by SIGKILL")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tasks.engines.heasoft.tool.run", run)
    traced({1.0: 500, 8.0: 99})
    with pytest.raises(Transient):
        asked()


def an_input(key, locate):
    """A step's inputs where events of a key are published."""
    product = Product(
        step=Step.RESPONSES, kind=Kind.RAYTRACE, role=Role.SOURCE, name="the-same-name.fits",
        entry={"key": key}, path="x/the-same-name.fits", size=1, sha256=SHA, fingerprint=SHA,
    )  # fmt: skip
    manifest = Manifest(obsid="900000001", dataclass="30000010", recipe="any", products=(product,))
    return StepInputs(None, manifest, Path(), locate)


def test_the_key_decides_and_not_the_name():
    inputs = an_input("mine", lambda product: Path("/store") / product.path)
    assert reusable(inputs, "mine") == "/store/x/the-same-name.fits"
    assert reusable(inputs, "another") is None


def test_events_that_are_gone_are_made_again():
    def gone(product):
        raise Transient("gone from the store")

    assert reusable(an_input("mine", gone), "mine") is None
