"""Checks of what tools leave: each file that a tool may get wrong is found out, and right ones pass."""

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.core.errors import SoftwareFault
from tasks.engines.heasoft.checks import counts_agree, covers, ebounds, region_applied, weighted_map
from tasks.engines.heasoft.verification import (
    check_counts_agree,
    check_covers,
    check_ebounds,
    check_region_applied,
    check_weighted_map,
    verify,
)

REFERENCE = Path(__file__).resolve().parents[3].parent / "shared" / "data" / "heasoft-reference" / "alpha"
needs_reference = pytest.mark.skipif(not REFERENCE.is_dir(), reason="the reference data are not here")


def table(name: str, **columns: tuple[str, object]) -> fits.BinTableHDU:
    defined = [fits.Column(key, form, array=np.asarray(value)) for key, (form, value) in columns.items()]
    return fits.BinTableHDU.from_columns(defined, name=name)


def write(path: Path, *hdus: fits.BinTableHDU, image: object = None) -> Path:
    fits.HDUList([fits.PrimaryHDU(image), *hdus]).writeto(path, overwrite=True)
    return path


def spectrum(
    path: Path, counts: list[int], total: int, backscal: float = 0.1, *, region: bool = True
) -> Path:
    made = table("SPECTRUM", COUNTS=("J", counts))
    made.header.update({"TOTCTS": total, "BACKSCAL": backscal})
    extras = [table("REG00101", SHAPE=("8A", ["CIRCLE"]))] if region else []
    return write(path, made, *extras, image=np.ones((2, 2), np.float32))


def arf(path: Path, edges: np.ndarray, area: np.ndarray) -> Path:
    return write(
        path, table("SPECRESP", ENERG_LO=("E", edges[:-1]), ENERG_HI=("E", edges[1:]), SPECRESP=("E", area))
    )


def rmf(path: Path, channels: int = 4096, width: float = 6.0, first: int = 0, lowest: float = 0.0) -> Path:
    edges = np.arange(channels + 1) * width / 1000
    low = edges[:-1].copy()
    low[0] = lowest
    number = np.arange(first, first + channels)
    return write(path, table("EBOUNDS", CHANNEL=("J", number), E_MIN=("E", low), E_MAX=("E", edges[1:])))


def test_a_product_of_a_region_passes(tmp_path):
    path = spectrum(tmp_path / "a.pha", [1, 2], 3)
    check_region_applied(path)
    check_counts_agree(path)


def test_the_whole_field_does_not_pass_for_a_region(tmp_path):
    with pytest.raises(SoftwareFault, match=r"region was not applied to a.pha: the whole field"):
        check_region_applied(spectrum(tmp_path / "a.pha", [1], 1, 1.0, region=False))
    with pytest.raises(SoftwareFault, match=r"region was not applied to b.pha: its BACKSCAL is that"):
        check_region_applied(spectrum(tmp_path / "b.pha", [1], 1, 1.0))


@settings(deadline=None, max_examples=25)
@given(counts=st.lists(st.integers(0, 1000), min_size=1, max_size=20), off=st.integers(-3, 3))
def test_counts_of_a_spectrum_agree_or_not(tmp_path_factory, counts, off):
    path = spectrum(tmp_path_factory.mktemp("counts") / "a.pha", counts, sum(counts) + off)
    if off == 0:
        check_counts_agree(path)
        return
    with pytest.raises(SoftwareFault, match=rf"a.pha holds {sum(counts)} counts, and its header tells of"):
        check_counts_agree(path)


def test_a_spectrum_without_its_map_tells_no_total(tmp_path):
    made = table("SPECTRUM", COUNTS=("J", [5]))
    made.header["TOTCTS"] = 0
    check_counts_agree(write(tmp_path / "a.pha", made))


def test_a_spectrum_must_have_its_map(tmp_path):
    check_weighted_map(spectrum(tmp_path / "a.pha", [5], 5))
    made = table("SPECTRUM", COUNTS=("J", [5]))
    for name, image in (("none.pha", None), ("row.pha", np.ones(4, np.float32))):
        with pytest.raises(SoftwareFault, match=rf"{name} has no weighted map in its primary HDU"):
            check_weighted_map(write(tmp_path / name, made, image=image))


@pytest.mark.parametrize(("total", "right"), [(1000, True), (1005, True), (999, False), (1100, False)])
def test_an_image_may_hold_slightly_less(tmp_path, total, right):
    hdu = fits.PrimaryHDU(np.full((10, 10), 10, np.int32))
    hdu.header["TOTCTS"] = total
    hdu.writeto(tmp_path / "a.fits")
    if right:
        check_counts_agree(tmp_path / "a.fits")
        return
    with pytest.raises(SoftwareFault, match=r"a.fits holds 1000 counts"):
        check_counts_agree(tmp_path / "a.fits")


def test_an_arf_has_to_cover_the_fit(tmp_path):
    edges = np.linspace(0.2, 12.0, 119)
    area = np.full(118, 100.0)
    path = arf(tmp_path / "a.arf", edges, area)
    check_covers(path, 0.5, 10.0)
    with pytest.raises(SoftwareFault, match=r"a.arf covers 0.2–12 keV, not 0.1–10 keV"):
        check_covers(path, 0.1, 10.0)
    with pytest.raises(SoftwareFault, match=r"not 0.5–13 keV"):
        check_covers(path, 0.5, 13.0)


@pytest.mark.parametrize("bad", [0.0, -1.0, np.nan, np.inf])
def test_an_area_that_is_none_is_found_where_it_matters(tmp_path, bad):
    edges = np.linspace(0.2, 12.0, 119)
    area = np.full(118, 100.0)
    area[0] = bad
    check_covers(arf(tmp_path / "a.arf", edges, area), 0.5, 10.0)
    area[50] = bad
    with pytest.raises(SoftwareFault, match=r"has no area at 5.2 keV, within 0.5–10 keV"):
        check_covers(arf(tmp_path / "b.arf", edges, area), 0.5, 10.0)


def test_an_empty_arf_covers_nothing(tmp_path):
    with pytest.raises(SoftwareFault, match="covers nothing"):
        check_covers(arf(tmp_path / "a.arf", np.zeros(1), np.zeros(0)), 0.5, 10.0)


def test_channels_of_an_rmf(tmp_path):
    check_ebounds(rmf(tmp_path / "a.rmf"))
    check_ebounds(rmf(tmp_path / "b.rmf", lowest=1e-4))
    for name, path in {
        "few": rmf(tmp_path / "few.rmf", channels=4095),
        "first": rmf(tmp_path / "first.rmf", first=1),
    }.items():
        with pytest.raises(SoftwareFault, match=rf"{name}.rmf has not the channels 0 to 4095"):
            check_ebounds(path)
    with pytest.raises(SoftwareFault, match=r"has not 6 eV per channel"):
        check_ebounds(rmf(tmp_path / "wide.rmf", width=6.01))


@pytest.mark.parametrize("check", [lambda p: check_covers(p, 1, 2), check_ebounds])
def test_another_file_is_no_response(tmp_path, check):
    with pytest.raises(SoftwareFault, match="what should be checked is not there"):
        check(spectrum(tmp_path / "a.pha", [1], 1))


def test_a_broken_file_is_the_tools_fault(tmp_path):
    path = spectrum(tmp_path / "a.pha", [1], 1)
    path.write_bytes(path.read_bytes()[:4000])
    with pytest.raises(SoftwareFault, match=r"what should be checked is not there: a.pha"):
        check_region_applied(path)


def test_each_check_reads_its_file(tmp_path):
    for name in ("a.pha", "b.pha"):
        spectrum(tmp_path / name, [1], 1)
    rmf(tmp_path / "a.rmf")
    arf(tmp_path / "a.arf", np.array([0.1, 20.0]), np.ones(1))
    short = covers("a.arf", 0.01, 10)
    checks = (
        region_applied("a.pha"),
        counts_agree("a.pha"),
        weighted_map("b.pha"),
        covers("a.arf", 0.5, 10),
        ebounds("a.rmf"),
    )
    for check in checks:
        verify(check, tmp_path)
    spectrum(tmp_path / "a.pha", [1], 2, region=False)
    write(tmp_path / "b.pha", table("SPECTRUM", COUNTS=("J", [1])))
    rmf(tmp_path / "a.rmf", width=6.01)
    for check in (short, *(check for check in checks if check.file != short.file)):
        with pytest.raises(SoftwareFault):
            verify(check, tmp_path)


@needs_reference
@pytest.mark.parametrize("path", sorted((REFERENCE / "ref").glob("*.fits.gz")), ids=lambda path: path.name)
def test_what_real_tools_left_passes(path):
    if not path.name.startswith(("exp", "lc_net")):
        check_counts_agree(path)
    if path.name.startswith("spectrum"):
        check_weighted_map(path)
    if "_src" in path.name or "_back" in path.name or path.name.startswith("region"):
        check_region_applied(path)
    if path.name in ("spectrum_field.fits.gz", "image_bin3.fits.gz"):
        with pytest.raises(SoftwareFault, match="region was not applied"):
            check_region_applied(path)
