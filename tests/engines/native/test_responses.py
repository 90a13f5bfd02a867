"""Response matrices: channels of a band, resolution, and what is no response."""

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from tasks.core.errors import BadInput, Permanent
from tasks.engines.native.responses import EBounds, channels_of_band, read_ebounds, read_fwhm


def write_rmf(path: Path, rows, size=20, first=0, tlmin=True, name="MATRIX", fixed=False) -> Path:
    """A response whose row i, of energies i to i + 1 keV, holds groups of (first channel, values)."""
    most = max(len(groups) for groups in rows)

    def padded(values):
        return [*values, *[0] * (most - len(values))]

    flat = [np.concatenate([np.asarray(values, np.float32) for _, values in groups]) for groups in rows]
    width = max(len(values) for values in flat)
    if fixed:
        matrix = fits.Column("MATRIX", f"{width}E", array=np.array([np.resize(v, width) for v in flat]))
    else:
        store = np.empty(len(flat), object)
        store[:] = flat
        matrix = fits.Column("MATRIX", "PE()", array=store)
    starts = np.array([padded([start for start, _ in groups]) for groups in rows])
    lengths = np.array([padded([len(values) for _, values in groups]) for groups in rows])
    kind = "I" if most == 1 else f"{most}I"
    table = fits.BinTableHDU.from_columns(
        [
            fits.Column("ENERG_LO", "E", array=np.arange(len(rows))),
            fits.Column("ENERG_HI", "E", array=np.arange(len(rows)) + 1),
            fits.Column("N_GRP", "I", array=[len(groups) for groups in rows]),
            fits.Column("F_CHAN", kind, array=starts.squeeze(1) if most == 1 else starts),
            fits.Column("N_CHAN", kind, array=lengths.squeeze(1) if most == 1 else lengths),
            matrix,
        ],
        name=name,
    )
    if tlmin:
        table.header["TLMIN4"] = first
    step = len(rows) / size
    bounds = fits.BinTableHDU.from_columns(
        [
            fits.Column("CHANNEL", "J", array=np.arange(size) + first),
            fits.Column("E_MIN", "E", array=np.arange(size) * step),
            fits.Column("E_MAX", "E", array=(np.arange(size) + 1) * step),
        ],
        name="EBOUNDS",
    )
    fits.HDUList([fits.PrimaryHDU(), bounds, table]).writeto(path)
    return path


GRID = EBounds(np.arange(4096), np.arange(4096) * 0.006, np.arange(1, 4097) * 0.006)


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0.601, 1.999, (100, 333)), (0.0, 0.001, (0, 0)), (20.0, 99.0, (3333, 4095))],
)
def test_a_band_takes_every_channel_that_it_touches(low, high, expected):
    assert channels_of_band(GRID, low, high) == expected


def test_channel_numbers_need_not_start_at_zero_nor_energies_rise():
    falling = EBounds(np.array([1, 2, 3]), np.array([3.0, 2.0, 1.0]), np.array([4.0, 3.0, 2.0]))
    assert channels_of_band(falling, 1.2, 2.5) == (2, 3)


def test_a_band_outside_is_told():
    with pytest.raises(BadInput, match="holds no channel"):
        channels_of_band(GRID, 30, 40)


@pytest.mark.parametrize("fixed", [False, True])
@pytest.mark.parametrize(("first", "tlmin"), [(0, True), (1, True), (1, False)])
def test_width_runs_between_the_first_channels_below_half(tmp_path, fixed, first, tlmin):
    rows = [
        [(first + 5, [1, 6, 10, 6, 1])],  # at half or above: 3 channels, so 4 between those below
        [(first + 3, [1, 1]), (first + 8, [4, 10, 9, 9, 8, 2])],  # two groups
    ]
    fwhm = read_fwhm(write_rmf(tmp_path / "x.rmf", rows, first=first, tlmin=tlmin, fixed=fixed))
    assert fwhm.tolist() == [4] * 10 + [5] * 10


def test_a_line_at_the_end_of_the_channels_is_twice_its_open_side(tmp_path):
    rows = [[(0, [10, 9, 6, 1])], [(16, [1, 6, 8, 10])], [(0, [1] * 20)], [(0, [0])]]
    fwhm = read_fwhm(write_rmf(tmp_path / "x.rmf", rows))
    assert fwhm[::5].tolist() == [6, 6, 20, 20]


def test_energies_above_the_matrix_take_its_last_row(tmp_path):
    path = write_rmf(tmp_path / "x.rmf", [[(5, [1, 9, 1])], [(5, [1, 9, 9, 1])]])
    with fits.open(path, mode="update") as hdus:
        hdus["EBOUNDS"].data["E_MIN"] += 50
        hdus["EBOUNDS"].data["E_MAX"] += 50
    assert set(read_fwhm(path).tolist()) == {3}


def test_the_matrix_goes_by_its_other_name_too(tmp_path):
    rows = [[(5, [1, 9, 1])]]
    assert read_fwhm(write_rmf(tmp_path / "x.rsp", rows, name="SPECRESP MATRIX"))[0] == 2


def test_what_is_no_response_is_told(tmp_path):
    fits.PrimaryHDU().writeto(tmp_path / "empty.rmf")
    other = write_rmf(tmp_path / "other.rmf", [[(5, [1, 9, 1])]], name="SPECRESP")
    outside = write_rmf(tmp_path / "outside.rmf", [[(18, [1, 9, 1])]])
    for path, reason in (
        (tmp_path / "empty.rmf", "no extension EBOUNDS"),
        (other, "no response matrix"),
        (outside, "outside of its channels in row 1"),
    ):
        with pytest.raises(Permanent, match=f"{path.name} has.*{reason}|{path.name} holds.*{reason}"):
            read_fwhm(path)


def test_a_gaussian_response_has_the_width_of_its_lines(extras):
    path = extras / "gauss.rmf.gz"
    bounds, fwhm = read_ebounds(path), read_fwhm(path)
    assert (bounds.channel[0], bounds.channel[-1]) == (0, 4095)
    assert channels_of_band(bounds, 0.601, 1.999) == (100, 333)
    assert (fwhm.size, fwhm[0], fwhm[2400], fwhm[3000]) == (4096, 10, 35, 37)


def test_a_real_ccd_response_sharpens_with_falling_energy(xmm_response):
    bounds, fwhm = read_ebounds(xmm_response), read_fwhm(xmm_response)
    energy = (bounds.low + bounds.high) / 2
    width = fwhm * (bounds.high - bounds.low)
    at = [int(np.abs(energy - kev).argmin()) for kev in (1.0, 6.4)]
    assert 0.05 < width[at[0]] < 0.13
    assert 0.1 < width[at[1]] < 0.25
