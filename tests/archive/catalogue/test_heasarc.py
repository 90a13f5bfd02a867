import logging
from typing import Any

import pytest

from tasks.archive.catalogue.adql import conditions, page
from tasks.archive.catalogue.heasarc import HeasarcCatalogue
from tasks.archive.catalogue.interface import Query
from tasks.core.errors import BadInput, EnvironmentFault

SILENT = ("hang", "stall")


def catalogue(tap: Any, fault: str = "") -> HeasarcCatalogue:
    """Impatient only where the server falls silent."""
    return HeasarcCatalogue(url=tap.url, read_seconds=0.5 if fault in SILENT else 60.0, backoff=0.01)


def obsids(tap: Any, query: Query, fault: str = "") -> list[str]:
    return [found.obsid for found in catalogue(tap, fault).find(query)]


def test_rows_become_observations(tap: Any, row: Any) -> None:
    tap.hold([row(2), row(1, obsid="000128000", xtd_dataclas1="31100010", xtd_dataclas2="bad")])
    first, second = catalogue(tap).find(Query())
    assert (first.obsid, second.obsid) == ("000128000", "300000002")
    assert (first.dataclasses, first.odd_dataclasses) == (("31100010",), ("bad",))
    assert second.dataclasses == ("30000010",)
    assert (second.public_date, second.exposure, second.start_mjd) == (60700.0, 12000.0, 60300.5)
    assert second.category == "STARS"


def test_columns_are_named(tap: Any, row: Any) -> None:
    tap.hold([row(1)])
    catalogue(tap).find(Query())
    assert not any("*" in query.replace("COUNT(*)", "") for query in tap.queries)
    assert "xtd_dataclas1,xtd_dataclas2" in tap.queries[-1]


def test_an_empty_result_is_empty(tap: Any) -> None:
    assert catalogue(tap).find(Query()) == ()
    assert catalogue(tap).find(Query(ra=10, dec=10)) == ()


def test_masked_cells_are_missing(tap: Any, row: Any) -> None:
    blank = dict.fromkeys(["ra", "dec", "time", "xtd_expo", "public_date", "status", "xtd_dataclas1"])
    tap.hold([row(1, **blank)])
    (found,) = catalogue(tap).find(Query())
    assert (found.position, found.start_mjd, found.exposure) == (None, None, 0.0)
    assert (found.public_date, found.status, found.dataclasses) == (None, "", ())


@pytest.mark.parametrize("kind", [int, str])
def test_all_pages_are_read_in_order(tap: Any, row: Any, kind: type) -> None:
    tap.types["__row"] = kind
    tap.hold([row(number, __row=kind(number)) for number in range(2500, 0, -1)])
    assert len(obsids(tap, Query())) == 2500
    assert len(tap.queries) == 4


def test_a_server_limit_below_the_page_is_walked_around(tap: Any, row: Any) -> None:
    tap.row_limit = 30
    tap.hold([row(number) for number in range(1, 101)])
    assert len(obsids(tap, Query())) == 100
    tap.silent = True
    assert len(obsids(tap, Query())) == 100


def test_a_result_that_cannot_be_completed_is_an_error(tap: Any, row: Any) -> None:
    tap.row_limit, tap.unordered = 30, True
    tap.hold([row(number) for number in range(1, 101)])
    with pytest.raises(EnvironmentFault, match="counts 100 rows and hands out 30"):
        catalogue(tap).find(Query())


def test_the_cone_is_exact_and_the_target_is_resolved(tap: Any, row: Any) -> None:
    near, edge, far = (row(n, dec=-69.644 + offset / 60) for n, offset in ((1, 14.99), (2, 15.01), (3, 40)))
    tap.hold([near, edge, far, row(4, ra=None)])
    assert obsids(tap, Query(target="N132D")) == ["300000001"]
    assert obsids(tap, Query(target="N132D", radius_arcmin=34)) == ["300000001", "300000002"]
    assert "CONTAINS" in tap.queries[-1]
    assert len(obsids(tap, Query(ra=0, dec=0, radius_arcmin=180 * 60))) == 3


def test_obsids_and_days_select(tap: Any, row: Any) -> None:
    tap.hold([row(1, obsid="000128000"), row(2, time=60370.0), row(3, time=60371.9), row(4, time=60372.0)])
    assert obsids(tap, Query.model_validate({"obsids": ["000128000", "999999999"]})) == ["000128000"]
    days = Query.model_validate({"since": "2024-03-01", "until": "2024-03-02"})
    assert obsids(tap, days) == ["300000002", "300000003"]
    many = Query.model_validate({"obsids": [f"{300000000 + number}" for number in range(450)]})
    assert len(obsids(tap, many)) == 3


def test_no_text_of_the_user_reaches_the_server(tap: Any, row: Any) -> None:
    tap.hold([row(1)])
    with pytest.raises(BadInput):
        catalogue(tap).find(Query(target="x' OR 1=1 --;"))
    catalogue(tap).find(Query(target="O'Brien's star", ra=81.26, dec=-69.64))
    assert not any("Brien" in query or "OR 1" in query for query in tap.queries)
    query = Query.model_validate({"ra": 1e-7, "dec": -1e-9, "radius_arcmin": 1e-3, "obsids": ["000128000"]})
    (condition,) = conditions(query)
    assert "e-" not in condition
    assert page("xrismmastr", condition, "5").endswith("AND __row > 5 ORDER BY __row")


def test_two_master_catalogues_are_not_guessed_between(tap: Any) -> None:
    tap.catalogues["xrismxmaster"] = "another XRISM table"
    with pytest.raises(EnvironmentFault, match=r"one master .* XRISM and has xrismmastr, xrismxmaster"):
        catalogue(tap).find(Query())


def test_no_master_catalogue_is_said(tap: Any) -> None:
    tap.catalogues = {"numaster": "NuSTAR", "xrismplan": "XRISM plans"}
    with pytest.raises(EnvironmentFault, match="XRISM and has none"):
        catalogue(tap).find(Query())


def test_a_catalogue_name_is_checked_before_it_is_used(tap: Any) -> None:
    tap.catalogues = {"xrismmastr; DROP TABLE x": "XRISM"}
    with pytest.raises(EnvironmentFault, match="one master catalogue"):
        catalogue(tap).find(Query())
    assert tap.queries == []


def test_a_missing_column_is_an_environment_fault(tap: Any, row: Any) -> None:
    del tap.types["xtd_expo"]
    tap.hold([row(1)])
    with pytest.raises(EnvironmentFault, match=r"refuses the query: .*xtd_expo"):
        catalogue(tap).find(Query())


def test_rows_that_cannot_be_read_are_left_out_aloud(
    tap: Any, row: Any, caplog: pytest.LogCaptureFixture
) -> None:
    tap.hold([row(1, obsid="../../etc"), row(2), row(3, obsid="  ")])
    with caplog.at_level(logging.WARNING):
        assert obsids(tap, Query()) == ["300000002"]
    assert [record.getMessage() for record in caplog.records] == [
        "left out of the catalogue xrismmastr: row 1: '../../etc' is not an ObsID "
        "(nine digits, such as 000128000)"
    ]


@pytest.mark.parametrize("before", [0, 1, 2])
def test_a_burst_of_503_is_waited_out(tap: Any, row: Any, before: int) -> None:
    tap.hold([row(1)])
    tap.faults.extend(["none"] * before + ["503", "503", "429"])
    assert obsids(tap, Query()) == ["300000001"]


@pytest.mark.parametrize("before", [0, 1, 2])
@pytest.mark.parametrize("fault", ["cut", "stall", "hang", "html"])
def test_an_answer_that_broke_off_is_asked_for_again(tap: Any, row: Any, before: int, fault: str) -> None:
    tap.hold([row(1)])
    tap.faults.extend(["none"] * before + [fault])
    assert obsids(tap, Query(), fault) == ["300000001"]


@pytest.mark.parametrize("before", [0, 1, 2])
@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("503", "answers with HTTP status 503"),
        ("404", "answers with HTTP status 404"),
        ("html", "answers with something that is no table"),
        ("xhtml", "answers with something that is no table"),
        ("cut", "breaks off its answer"),
        ("hang", "does not answer in time"),
        ("stall", "does not answer in time"),
    ],
)
def test_a_server_that_fails_is_an_environment_fault(
    tap: Any, row: Any, before: int, fault: str, message: str
) -> None:
    tap.hold([row(1)])
    tap.faults.extend(["none"] * before + [fault] * 20)
    with pytest.raises(EnvironmentFault, match=message) as caught:
        catalogue(tap, fault).find(Query())
    assert str(caught.value).startswith(f"the catalogue server {tap.url} ")
    assert "\n" not in str(caught.value)


def test_tables_described_one_by_one_have_the_time_limit_too(tap: Any, row: Any) -> None:
    tap.bare = True
    tap.hold([row(1)])
    assert obsids(tap, Query()) == ["300000001"]
    tap.faults.extend(["none"] + ["hang"] * 5)
    with pytest.raises(EnvironmentFault, match="does not answer in time"):
        catalogue(tap, "hang").find(Query())


def test_nobody_listening_is_an_environment_fault() -> None:
    nowhere = HeasarcCatalogue(url="http://127.0.0.1:9/xamin/vo", backoff=0.01)
    with pytest.raises(EnvironmentFault, match=r"cannot be reached: .*[Cc]onnection refused"):
        nowhere.find(Query())
