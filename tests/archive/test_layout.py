import logging
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from tasks.archive.layout import ArchiveFile, EventFile, datasets, listed, needed, observation_path, safe_name
from tasks.core.errors import NoData, Proprietary
from tasks.core.identifiers import DataClass, ObsID

OBSID = ObsID("300049010")

event_files = st.builds(
    EventFile,
    obsid=st.from_regex(r"[0-9]{9}", fullmatch=True),
    letter=st.sampled_from("psa"),
    split=st.integers(0, 99),
    dataclass=st.from_regex(r"[0-9a-f]{8}", fullmatch=True),
    level=st.sampled_from(["uf", "cl"]),
    gzipped=st.booleans(),
    encrypted=st.booleans(),
)


def cleaned(dataclass: str, split: int = 0, *, obsid: str = OBSID, suffix: str = ".gz") -> ArchiveFile:
    return ArchiveFile(
        name=f"xtend/event_cl/xa{obsid}xtd_p{split}{dataclass}_cl.evt{suffix}", size=10 + split
    )


def other(name: str) -> ArchiveFile:
    return ArchiveFile(name=name, size=5)


@given(event_files)
@settings(deadline=None)
def test_an_event_files_name_survives_the_round_trip(file: EventFile) -> None:
    assert EventFile.parse(file.name) == file


@given(event_files, st.data())
@settings(deadline=None)
def test_no_other_name_is_taken_for_an_event_file(file: EventFile, data: st.DataObject) -> None:
    position = data.draw(st.integers(0, len(file.name) - 1))
    changed = file.name[:position] + data.draw(st.characters()) + file.name[position + 1 :]
    parsed = EventFile.parse(changed)
    assert parsed is None or parsed.name == changed


@pytest.mark.parametrize(
    "name",
    [
        "xa300049010xtd_p030000010_cl.evt.gz",
        "xa300049010xtd_p0300000a0_cl.evt",
        "xa300049010xtd_s032000010_uf.evt.gz.gpg",
    ],
)
def test_names_of_the_archive_are_understood(name: str) -> None:
    parsed = EventFile.parse(name)
    assert parsed is not None
    assert parsed.name == name
    assert parsed.obsid == OBSID


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "/etc/passwd",
        "../x",
        "a/../b",
        "a/..",
        "a//b",
        "a/",
        "a b",
        "a\nb",
        "a\\b",
        "-rf",
        "é",
        "a/\0",
    ],
)
def test_names_that_must_not_become_paths_are_refused(name: str, caplog: pytest.LogCaptureFixture) -> None:
    assert not safe_name(name)
    with pytest.raises(ValidationError):
        ArchiveFile(name=name, size=1)
    with caplog.at_level(logging.WARNING):
        assert listed(name, 1, None, None) is None
    assert repr(name) in caplog.text


@given(st.text("ab./-_+~ \\", max_size=20))
@settings(deadline=None)
def test_a_safe_name_stays_below_its_folder(name: str) -> None:
    if safe_name(name):
        assert (Path("/top/folder") / name).resolve().is_relative_to("/top/folder")
        assert Path(name).as_posix() == name


def test_an_observation_lies_below_its_first_digit() -> None:
    assert observation_path(OBSID) == "3/300049010/"


def test_splits_are_one_dataset_in_order_of_their_number() -> None:
    files = [cleaned("30000010", split) for split in (10, 2, 0, 1)]
    found = datasets(OBSID, files)
    assert [file.size for file in found["30000010"].events] == [10, 11, 12, 20]


def test_only_cleaned_pointing_events_of_this_observation_make_a_dataset() -> None:
    base = f"xa{OBSID}xtd"
    files = [
        cleaned("31100010"),
        cleaned("32000010", obsid="300049011"),
        other(f"xtend/event_cl/{base}_s030000010_cl.evt.gz"),
        other(f"xtend/event_cl/{base}_a030000010_cl.evt.gz"),
        other(f"xtend/event_uf/{base}_p030000010_uf.evt.gz"),
        other(f"resolve/event_cl/{base}_p030000010_cl.evt.gz"),
    ]
    assert list(datasets(OBSID, files)) == ["31100010"]


def test_what_is_needed_is_events_bad_pixels_and_housekeeping_each_once() -> None:
    ehk = other(f"auxil/xa{OBSID}.ehk.gz")
    images = {
        dataclass: other(f"xtend/event_uf/xa{OBSID}xtd_p0{dataclass}.bimg.gz")
        for dataclass in ("31100010", "32000010")
    }
    events = [cleaned("31100010"), cleaned("31100010", 1), cleaned("32000010")]
    unneeded = [
        other(f"xtend/event_uf/xa{OBSID}xtd_p131100010.bimg.gz"),
        other(f"xtend/event_uf/xa{OBSID}xtd_p031100010_uf.evt.gz"),
        other(f"auxil/xa{OBSID}.mkf.gz"),
        other("auxil/xa300049011.ehk.gz"),
    ]
    found = datasets(OBSID, [*unneeded, ehk, *images.values(), *events])
    assert found["31100010"].bad_pixels == images["31100010"]
    assert found["32000010"].files == (events[2], images["32000010"], ehk)
    assert sorted(needed(found), key=str) == sorted([ehk, *images.values(), *events], key=str)


def test_missing_companions_are_none() -> None:
    dataset = datasets(OBSID, [cleaned("30000010")])["30000010"]
    assert (dataset.bad_pixels, dataset.ehk) == (None, None)
    assert len(dataset.files) == 1


def test_plain_files_are_accepted_and_gzipped_ones_preferred() -> None:
    plain = [cleaned("30000010", suffix=""), other(f"auxil/xa{OBSID}.ehk")]
    image = other(f"xtend/event_uf/xa{OBSID}xtd_p030000010.bimg")
    dataset = datasets(OBSID, [*plain, image])["30000010"]
    assert dataset.files == (plain[0], image, plain[1])
    both = datasets(OBSID, [*plain, image, cleaned("30000010"), other(f"{image.name}.gz")])["30000010"]
    assert both.files == (cleaned("30000010"), other(f"{image.name}.gz"), plain[1])


def test_an_encrypted_observation_is_proprietary() -> None:
    files = [cleaned("30000010", suffix=".gz.gpg"), other(f"auxil/xa{OBSID}.ehk.gz")]
    with pytest.raises(Proprietary, match=r"300049010: .*still encrypted \(\.gpg\)"):
        datasets(OBSID, files)


def test_a_class_with_one_encrypted_split_is_left_out_and_said_so(caplog: pytest.LogCaptureFixture) -> None:
    files = [cleaned("31100010"), cleaned("31100010", 1, suffix=".gz.gpg"), cleaned("32000010")]
    assert list(datasets(OBSID, files)) == ["32000010"]
    assert "31100010" in caplog.text
    assert list(datasets(OBSID, [*files, cleaned("31100010", 1)])) == ["31100010", "32000010"]


def test_an_observation_without_cleaned_events_has_no_data() -> None:
    with pytest.raises(NoData, match="300049010: the archive holds no files"):
        datasets(OBSID, [])
    with pytest.raises(NoData, match="none of the 1 files"):
        datasets(OBSID, [other(f"auxil/xa{OBSID}.ehk.gz")])


def test_a_download_for_the_pipeline_holds_what_it_reads_once() -> None:
    stem = f"xtend/event_uf/xa{OBSID}xtd_"
    gti = other(f"{stem}tel.gti.gz")
    read = [
        other(f"auxil/xa{OBSID}.att.gz"),
        other(f"auxil/xa{OBSID}.ehk.gz"),
        other(f"{stem}p031100010_uf.evt.gz"),
        other(f"{stem}p032000010_uf.evt.gz"),
        gti,
    ]
    unread = [
        other(f"{stem}tel.gti"),
        other(f"{stem}s031100010_uf.evt.gz"),
        other(f"{stem}a031100010.fpix.gz"),
        other(f"auxil/xa{OBSID}.tim.gz"),
        other("auxil/xa300049011.att.gz"),
    ]
    events = cleaned("31100010")
    listing = [*unread, *reversed(read), events]
    found = datasets(OBSID, listing, pipeline=True)
    assert found["31100010"].pipeline == tuple(read)
    # The extended housekeeping serves exposure maps as well.
    assert needed(found) == (events, read[1], read[0], *read[2:])
    assert datasets(OBSID, listing)["31100010"].pipeline == ()


def response(name: str, *, obsid: str = OBSID, suffix: str = ".gz") -> ArchiveFile:
    return other(f"xtend/products/xa{obsid}{name}.rmf{suffix}")


@pytest.mark.parametrize(
    ("there", "taken"),
    [
        ([response("xtd_src")], "xtd_src"),
        ([response("xtd_p031100010_src"), response("xtd_p032000010_src")], "xtd_p031100010_src"),
        ([response("xtd_p032000010_src"), response("xtd_src")], "xtd_src"),
        ([response("xtd_p032000010_src")], "xtd_p032000010_src"),
        ([response("xtd_b"), response("xtd_a")], "xtd_a"),
    ],
)
def test_the_response_is_that_of_the_class_or_one_of_no_class(there: list[ArchiveFile], taken: str) -> None:
    found = datasets(OBSID, [cleaned("31100010"), *there], rmf=True)["31100010"]
    assert found.rmf is not None
    assert found.rmf.name == f"xtend/products/xa{OBSID}{taken}.rmf.gz"
    assert found.rmf in needed({DataClass("31100010"): found})


def test_the_gzipped_response_is_taken() -> None:
    files = [cleaned("30000010"), response("xtd_src", suffix=""), response("xtd_src")]
    found = datasets(OBSID, files, rmf=True)["30000010"].rmf
    assert found is not None
    assert found.name.endswith(".rmf.gz")


@pytest.mark.parametrize(
    "name",
    [
        f"xtend/products/xa{OBSID}xtd_src.rmf.gz.gpg",
        f"xtend/products/xa{OBSID}rsl_src.rmf.gz",
        f"resolve/products/xa{OBSID}xtd_src.rmf.gz",
        "xtend/products/xa300049011xtd_src.rmf.gz",
        f"xtend/products/xa{OBSID}xtd_src.arf.gz",
        f"xtend/products/old/xa{OBSID}xtd_src.rmf.gz",
    ],
)
def test_other_files_are_no_response(name: str) -> None:
    assert datasets(OBSID, [cleaned("30000010"), other(name)], rmf=True)["30000010"].rmf is None


def test_a_response_is_left_where_one_is_made() -> None:
    found = datasets(OBSID, [cleaned("30000010"), response("xtd_src")])["30000010"]
    assert found.rmf is None
    assert len(found.files) == 1


def test_both_classes_may_share_a_response() -> None:
    files = [cleaned("31100010"), cleaned("32000010"), response("xtd_src")]
    found = datasets(OBSID, files, rmf=True)
    assert found["31100010"].rmf == found["32000010"].rmf
    assert len(needed(found)) == 3
