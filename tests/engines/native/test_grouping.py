"""Grouped copies of spectra: what stays in the file, and the groups of the real tools."""

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from tasks.core.errors import Permanent
from tasks.engines.native.grouping import Beside, write_grouped
from tasks.xtend.grouping import GroupingRule


def write_spectrum(path: Path, counts, **columns) -> Path:
    table = fits.BinTableHDU.from_columns(
        [
            fits.Column("CHANNEL", "J", array=np.arange(len(counts))),
            fits.Column("COUNTS", "J", array=counts, unit="count"),
            *[fits.Column(name, "I", array=values) for name, values in columns.items()],
        ],
        name="SPECTRUM",
    )
    table.header.update({"BACKSCAL": 0.002, "TLMIN1": 0, "QUALITY": 0, "GROUPING": 0, "OBS_ID": "900000001"})
    wmap = fits.PrimaryHDU(np.arange(6, dtype=np.float32).reshape(2, 3))
    gti = fits.BinTableHDU.from_columns([fits.Column("START", "D", array=[1.5])], name="GTI")
    region = fits.BinTableHDU.from_columns([fits.Column("SHAPE", "16A", array=["CIRCLE"])], name="REG00101")
    fits.HDUList([wmap, table, gti, region]).writeto(path)
    return path


def test_the_grouped_file_keeps_everything_else(tmp_path):
    counts = np.array([0, 3, 4, 0, 1])
    spectrum = write_spectrum(tmp_path / "s.pha", counts)
    write_grouped(tmp_path / "g.pha", spectrum, GroupingRule("min", 3), "none")
    with fits.open(tmp_path / "g.pha", checksum=True) as hdus:
        assert [hdu.name for hdu in hdus] == ["PRIMARY", "SPECTRUM", "GTI", "REG00101"]
        table = hdus["SPECTRUM"]
        assert table.columns.names == ["CHANNEL", "COUNTS", "QUALITY", "GROUPING"]
        assert table.columns.formats == ["J", "J", "I", "I"]
        assert table.data["COUNTS"].tolist() == counts.tolist()
        assert table.data["GROUPING"].tolist() == [1, -1, 1, 1, 1]
        assert table.data["QUALITY"].tolist() == [0, 0, 0, 2, 2]
        assert "QUALITY" not in table.header
        assert "GROUPING" not in table.header
        assert (table.header["BACKSCAL"], table.header["TUNIT2"], table.header["TLMIN1"]) == (
            0.002,
            "count",
            0,
        )
        assert "at least 3 counts" in str(table.header["HISTORY"])
        assert hdus[0].data.tolist() == [[0, 1, 2], [3, 4, 5]]
        assert hdus["GTI"].data["START"].tolist() == [1.5]
        assert hdus["REG00101"].data["SHAPE"].tolist() == ["CIRCLE"]


def test_a_grouped_spectrum_can_be_grouped_anew(tmp_path):
    spectrum = write_spectrum(tmp_path / "s.pha", np.array([1, 1]), QUALITY=[5, 5], GROUPING=[1, 1])
    write_grouped(tmp_path / "g.pha", spectrum, GroupingRule("min", 2), "none")
    with fits.open(tmp_path / "g.pha") as hdus:
        assert hdus["SPECTRUM"].columns.names == ["CHANNEL", "COUNTS", "QUALITY", "GROUPING"]
        assert hdus["SPECTRUM"].data["GROUPING"].tolist() == [1, -1]


def test_what_cannot_be_grouped_is_told(tmp_path):
    spectrum = write_spectrum(tmp_path / "s.pha", np.array([1, 1]))
    fits.PrimaryHDU().writeto(tmp_path / "no.pha")
    with pytest.raises(Permanent, match="needs a response matrix"):
        write_grouped(tmp_path / "g.pha", spectrum, GroupingRule("opt"), "none")
    with pytest.raises(Permanent, match="needs a response matrix"):
        write_grouped(tmp_path / "g.pha", spectrum, GroupingRule("optmin", 2), "none")
    with pytest.raises(Permanent, match="needs a background spectrum"):
        write_grouped(tmp_path / "g.pha", spectrum, GroupingRule("bmin", 2), "none")
    with pytest.raises(Permanent, match=r"no\.pha has no SPECTRUM"):
        write_grouped(tmp_path / "g.pha", tmp_path / "no.pha", GroupingRule("min", 1), "none")
    assert not (tmp_path / "g.pha").exists()


def test_a_minimum_of_background_counts_looks_at_the_background_alone(tmp_path):
    spectrum = write_spectrum(tmp_path / "s.pha", np.array([9, 0, 0, 9, 9]))
    background = write_spectrum(tmp_path / "b.pha", np.array([1, 1, 0, 2, 1]))
    write_grouped(
        tmp_path / "g.pha", spectrum, GroupingRule("bmin", 2), "none", Beside(background=background)
    )
    with fits.open(tmp_path / "g.pha") as hdus:
        table = hdus["SPECTRUM"]
        assert table.data["COUNTS"].tolist() == [9, 0, 0, 9, 9]
        assert table.data["GROUPING"].tolist() == [1, -1, 1, -1, 1]
        assert table.data["QUALITY"].tolist() == [0, 0, 0, 0, 2]
        assert "by the background spectrum, at least 2 counts a group" in str(table.header["HISTORY"])
        assert "the background takes these groups" in str(table.header["HISTORY"])


def test_a_background_of_other_channels_is_told(tmp_path):
    spectrum = write_spectrum(tmp_path / "s.pha", np.array([1, 1]))
    background = write_spectrum(tmp_path / "b.pha", np.array([1, 1, 1]))
    with pytest.raises(Permanent, match=r"b\.pha has 3 channels, s\.pha 2"):
        write_grouped(
            tmp_path / "g.pha", spectrum, GroupingRule("bmin", 1), "none", Beside(background=background)
        )


def test_both_at_once_are_as_coarse_as_the_resolution_and_the_minimum(tmp_path, alpha, extras):
    spectrum, rmf = alpha / "ref" / "spectrum_src.fits.gz", extras / "gauss.rmf.gz"
    flags = {}
    for rule in ("opt", "optmin:20"):
        path = tmp_path / f"{rule.partition(':')[0]}.pha"
        write_grouped(path, spectrum, GroupingRule.parse(rule), "none", Beside(rmf))
        flags[rule] = fits.getdata(path, "SPECTRUM")
    joined = flags["optmin:20"]
    assert set(np.flatnonzero(joined["GROUPING"] == 1)) < set(np.flatnonzero(flags["opt"]["GROUPING"] == 1))
    good = joined["QUALITY"] == 0
    sums = np.add.reduceat(joined["COUNTS"][good], np.flatnonzero(joined["GROUPING"][good] == 1))
    assert sums.min() >= 20


def test_a_response_of_other_channels_is_told(tmp_path, extras):
    spectrum = write_spectrum(tmp_path / "s.pha", np.array([1, 1]))
    with pytest.raises(Permanent, match="has 4096 channels"):
        write_grouped(
            tmp_path / "g.pha", spectrum, GroupingRule("opt"), "none", Beside(rmf=extras / "gauss.rmf.gz")
        )


@pytest.mark.parametrize(
    ("rule", "reference"),
    [
        ("min:1", "alpha/ref/grouped_min1"),
        ("min:25", "alpha/ref/grouped_min25"),
        ("min:1", "alpha-extras/ref/grouped_min1"),
        ("min:20", "alpha-extras/ref/grouped_min20"),
        ("opt", "alpha-extras/ref/grouped_opt"),
    ],
)
def test_groups_agree_with_the_tools(tmp_path, alpha, extras, rule, reference):
    spectrum = alpha / "ref" / "spectrum_src.fits.gz"
    rmf = extras / "gauss.rmf.gz"
    write_grouped(tmp_path / "g.pha", spectrum, GroupingRule.parse(rule), "none", Beside(rmf))
    ours, theirs = (
        fits.getdata(path, "SPECTRUM") for path in (tmp_path / "g.pha", alpha.parent / f"{reference}.fits.gz")
    )
    assert (ours["GROUPING"] == theirs["GROUPING"]).all()
    assert (ours["QUALITY"] == (theirs["QUALITY"] if "QUALITY" in theirs.names else 0)).all()
    assert (ours["COUNTS"] == theirs["COUNTS"]).all()
