"""Grouped copies of spectra: what stays in the file, and the groups of the real tools."""

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from tasks.core.errors import Permanent
from tasks.engines.native.grouping import write_grouped


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
    write_grouped(tmp_path / "g.pha", spectrum, 3, None, "none")
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
    write_grouped(tmp_path / "g.pha", spectrum, 2, None, "none")
    with fits.open(tmp_path / "g.pha") as hdus:
        assert hdus["SPECTRUM"].columns.names == ["CHANNEL", "COUNTS", "QUALITY", "GROUPING"]
        assert hdus["SPECTRUM"].data["GROUPING"].tolist() == [1, -1]


def test_what_cannot_be_grouped_is_told(tmp_path):
    spectrum = write_spectrum(tmp_path / "s.pha", np.array([1, 1]))
    fits.PrimaryHDU().writeto(tmp_path / "no.pha")
    with pytest.raises(Permanent, match="needs a response matrix"):
        write_grouped(tmp_path / "g.pha", spectrum, None, None, "none")
    with pytest.raises(Permanent, match=r"no\.pha has no SPECTRUM"):
        write_grouped(tmp_path / "g.pha", tmp_path / "no.pha", 1, None, "none")
    assert not (tmp_path / "g.pha").exists()


def test_a_response_of_other_channels_is_told(tmp_path, extras):
    spectrum = write_spectrum(tmp_path / "s.pha", np.array([1, 1]))
    with pytest.raises(Permanent, match="has 4096 channels"):
        write_grouped(tmp_path / "g.pha", spectrum, None, extras / "gauss.rmf.gz", "none")


@pytest.mark.parametrize(
    ("minimum", "reference"),
    [
        (1, "alpha/ref/grouped_min1"),
        (25, "alpha/ref/grouped_min25"),
        (1, "alpha-extras/ref/grouped_min1"),
        (20, "alpha-extras/ref/grouped_min20"),
        (None, "alpha-extras/ref/grouped_opt"),
    ],
)
def test_groups_agree_with_the_tools(tmp_path, alpha, extras, minimum, reference):
    spectrum = alpha / "ref" / "spectrum_src.fits.gz"
    rmf = extras / "gauss.rmf.gz"
    write_grouped(tmp_path / "g.pha", spectrum, minimum, rmf, "none")
    ours, theirs = (
        fits.getdata(path, "SPECTRUM") for path in (tmp_path / "g.pha", alpha.parent / f"{reference}.fits.gz")
    )
    assert (ours["GROUPING"] == theirs["GROUPING"]).all()
    assert (ours["QUALITY"] == (theirs["QUALITY"] if "QUALITY" in theirs.names else 0)).all()
    assert (ours["COUNTS"] == theirs["COUNTS"]).all()
