"""The simulated catalogue against the files it speaks of."""

import pytest
from astropy.io import fits
from astropy.table import Table

COLUMNS = {
    "__row", "obsid", "name", "ra", "dec", "time", "end_time", "duration", "exposure", "xtd_expo",
    "subject_category", "status", "public_date", "rsl_datamode", "rsl_fil_be", "rsl_fil_fe55", "rsl_fil_nd",
    "rsl_fil_open", "rsl_fil_poly", "rsl_fil_undef", "xtd_datamode1", "xtd_datamode2", "xtd_dataclas1",
    "xtd_dataclas2",
}  # fmt: skip


@pytest.fixture
def rows(simulated):
    table = Table.read(simulated / "xrismmastr.ecsv", format="ascii.ecsv").filled("")
    return {row["obsid"]: row for row in table}


def test_columns_are_those_of_the_real_table(rows):
    assert set(rows["900001010"].colnames) == COLUMNS
    assert [row["__row"] for row in rows.values()] == [str(n) for n in range(1, 16)]


def test_exposures_and_positions_are_those_of_the_files(simulated, rows):
    for obsid, row in rows.items():
        path = next((simulated / "9" / obsid).glob("xtend/event_cl/*_cl.evt.gz"), None)
        if path is None or obsid == "900005010":
            continue
        header = fits.getheader(path)
        assert (row["ra"], row["dec"]) == (header["RA_OBJ"], header["DEC_OBJ"])
        assert row["xtd_expo"] == pytest.approx(header["EXPOSURE"], abs=0.06)
        assert row["name"] == header["OBJECT"]
        assert row["time"] <= 58484 + header["TSTART"] / 86400 <= row["end_time"]


def test_classes_are_listed_with_one_disagreement(simulated, rows):
    differ = []
    for obsid, row in rows.items():
        listed = {row["xtd_dataclas1"].strip(), row["xtd_dataclas2"].strip()} - {""}
        folder = simulated / "9" / obsid
        there = {path.name[17:25] for path in folder.glob("xtend/event_cl/*_cl.evt.gz*")}
        if listed != there:
            differ.append(obsid)
    assert differ == ["900006010"]


def test_one_name_of_a_class_ends_in_blanks(simulated):
    assert '"30000010  "' in (simulated / "xrismmastr.ecsv").read_text()


def test_release_dates_tell_public_from_not(rows):
    assert rows["900007010"]["public_date"] == 75000
    assert rows["900009010"]["public_date"] == 0
    assert rows["900010010"]["public_date"] == 88068
    for obsid in ("900009010", "900010010"):
        assert rows[obsid]["exposure"] == rows[obsid]["xtd_expo"] == 0
    released = {obsid for obsid, row in rows.items() if 0 < row["public_date"] < 61000}
    assert released == set(rows) - {"900007010", "900009010", "900010010"}
