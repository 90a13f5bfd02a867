from pathlib import Path
from typing import Any

import pytest
from astropy.table import MaskedColumn, Table

from tasks.archive.catalogue.interface import Query
from tasks.archive.catalogue.opening import FORMATS
from tasks.archive.catalogue.rows import COLUMNS, OPTIONAL
from tasks.archive.catalogue.table import TableCatalogue
from tasks.core.errors import BadInput

EMPTY: dict[str, Any] = {
    "name": None,
    "ra": None,
    "dec": None,
    "time": None,
    "xtd_expo": None,
    "status": None,
}


def masked_table(rows: list[dict[str, Any]]) -> Table:
    table = Table()
    for name in (*COLUMNS, *OPTIONAL):
        cells = [row[name] for row in rows]
        text = any(isinstance(cell, str) for cell in cells)
        table[name] = MaskedColumn(
            [("" if text else 0) if cell is None else cell for cell in cells],
            mask=[cell is None for cell in cells],
            dtype="U40" if text else float,
        )
    return table


@pytest.fixture
def rows(row: Any) -> list[dict[str, Any]]:
    return [
        row(1, obsid="000128000", name="N132D", xtd_dataclas1="31100010", xtd_dataclas2="32000010 "),
        row(
            2,
            obsid="300049010",
            name="SIM Star",
            ra=10.0,
            dec=20.0,
            xtd_dataclas1="31e00010",
            xtd_dataclas2="x",
        ),
        row(
            3,
            obsid="900001010",
            **(EMPTY | {"public_date": 88068, "xtd_dataclas1": None}),
        ),
    ]


@pytest.fixture(params=sorted(FORMATS))
def path(request: pytest.FixtureRequest, tmp_path: Path, rows: list[dict[str, Any]]) -> Path:
    path = tmp_path / f"catalogue{request.param}"
    masked_table(rows).write(path, format=FORMATS[request.param])
    return path


def test_every_format_says_the_same(path: Path) -> None:
    first, second, future = TableCatalogue(path).find(Query())
    assert first.obsid == "000128000"
    assert first.dataclasses == ("31100010", "32000010")
    assert (first.ra, first.dec, first.start_mjd, first.exposure) == (81.26, -69.64, 60300.5, 12000.0)
    assert (first.public_date, first.status, first.category) == (60700.0, "archived", "STARS")
    assert second.dataclasses == ("31e00010",)
    assert second.odd_dataclasses == ("x",)
    assert (future.name, future.position, future.start_mjd, future.exposure) == ("", None, None, 0.0)
    assert (future.dataclasses, future.public_date) == ((), 88068.0)


def test_the_same_queries_work(path: Path) -> None:
    catalogue = TableCatalogue(path)
    assert [found.obsid for found in catalogue.find(Query(target="n 132d"))] == ["000128000"]
    assert [found.obsid for found in catalogue.find(Query(target="sim_star"))] == ["300049010"]
    chosen = Query.model_validate({"obsids": ["900001010", "123456789"]})
    assert [found.obsid for found in catalogue.find(chosen)] == ["900001010"]
    assert catalogue.find(Query(ra=200.0, dec=0.0)) == ()
    with pytest.raises(BadInput, match=r"not known offline.*--position"):
        catalogue.find(Query(target="SIM Planet"))


def test_missing_columns_are_named(tmp_path: Path, rows: list[dict[str, Any]]) -> None:
    table = masked_table(rows)
    table.remove_columns(["public_date", "xtd_expo"])
    path = tmp_path / "short.ecsv"
    table.write(path)
    with pytest.raises(BadInput, match=r"short\.ecsv lacks xtd_expo, public_date"):
        TableCatalogue(path).find(Query())


def test_a_table_without_classes_of_targets_will_do(tmp_path: Path, rows: list[dict[str, Any]]) -> None:
    table = masked_table(rows)
    table.remove_columns(list(OPTIONAL))
    table.write(tmp_path / "plain.ecsv")
    found = TableCatalogue(tmp_path / "plain.ecsv").find(Query())
    assert [each.category for each in found] == ["", "", ""]


def test_upper_case_columns_are_the_same(tmp_path: Path, rows: list[dict[str, Any]]) -> None:
    table = masked_table(rows)
    table.rename_columns(table.colnames, [name.upper() for name in table.colnames])
    table.write(tmp_path / "upper.fits")
    assert len(TableCatalogue(tmp_path / "upper.fits").find(Query())) == 3


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"obsid": "128000"}, "row 1: '128000' is not an ObsID"),
        ({"obsid": "../../etc"}, "row 1: '../../etc' is not an ObsID"),
        ({"ra": "north"}, "row 1: ra is 'north', which is no number"),
    ],
)
def test_rows_that_are_no_observation_are_refused(
    tmp_path: Path, row: Any, changes: dict[str, Any], message: str
) -> None:
    path = tmp_path / "odd.csv"
    masked_table([row(1, **changes)]).write(path)
    with pytest.raises(BadInput, match=message):
        TableCatalogue(path).find(Query())


def test_rows_without_an_obsid_are_passed_over(tmp_path: Path, row: Any) -> None:
    path = tmp_path / "plans.ecsv"
    masked_table([row(1, obsid="   "), row(2)]).write(path)
    assert [found.obsid for found in TableCatalogue(path).find(Query())] == ["300000002"]


def test_an_empty_table_finds_nothing(tmp_path: Path, rows: list[dict[str, Any]]) -> None:
    masked_table(rows)[:0].write(tmp_path / "none.csv")
    assert TableCatalogue(tmp_path / "none.csv").find(Query(target="N132D")) == ()


@pytest.mark.parametrize("suffix", sorted(FORMATS))
@pytest.mark.parametrize(
    "content",
    [b"", b"\x00\xff\xfe\x80" * 50, b"<html><body>sorry</body></html>", b"# %ECSV 1.0\n# ---\n# x: [\na\n"],
)
@pytest.mark.filterwarnings("ignore::astropy.io.votable.exceptions.VOWarning")
@pytest.mark.filterwarnings("ignore::astropy.utils.exceptions.AstropyUserWarning")
def test_files_that_are_no_table_are_refused(tmp_path: Path, suffix: str, content: bytes) -> None:
    path = tmp_path / f"broken{suffix}"
    path.write_bytes(content)
    with pytest.raises(BadInput, match=rf"broken{suffix}"):
        TableCatalogue(path).find(Query())


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"gone\.ecsv cannot be read: No such file"):
        TableCatalogue(tmp_path / "gone.ecsv").find(Query())
