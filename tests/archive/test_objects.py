import gc
import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tasks.archive.layout import ArchiveFile, datasets, needed
from tasks.archive.objects import Archive, open_archive
from tasks.archive.objects.directory import DirectoryArchive
from tasks.archive.objects.https import WebArchive
from tasks.archive.objects.s3 import PART_SIZE, S3Archive
from tasks.core.errors import BadInput, EnvironmentFault, Permanent, Transient
from tasks.core.identifiers import ObsID

OBSID = ObsID("300049010")
EVENTS = f"xtend/event_cl/xa{OBSID}xtd_p031100010_cl.evt.gz"


def fetch(archive: Archive, to: Path, name: str = EVENTS, size: int = 1) -> int:
    """Bytes that `on_bytes` heard of."""
    heard: list[int] = []
    archive.fetch(OBSID, ArchiveFile(name=name, size=size), to, heard.append)
    return sum(heard)


# ---------------------------------------------------------------------------------------------------------
# What holds in every place


def test_a_listing_holds_all_files_of_the_observation_and_no_siblings(place: Any, content: Any) -> None:
    with open_archive(place.url) as archive:
        files = archive.list(OBSID)
    assert [(file.name, file.size) for file in files] == sorted(
        (name, len(data)) for name, data in content.items()
    )
    assert sorted(datasets(OBSID, files)) == ["31100010", "32000010"]
    assert len(needed(datasets(OBSID, files))) == 6


def test_an_observation_that_is_not_there_has_no_files(place: Any) -> None:
    with open_archive(place.url) as archive:
        assert archive.list(ObsID("300049011")) == ()
        assert archive.list(ObsID("999999999")) == ()


def test_two_listings_are_equal_until_a_file_changes(place: Any) -> None:
    with open_archive(place.url) as archive:
        before = archive.list(OBSID)
        assert archive.list(OBSID) == before
        place.put(f"3/{OBSID}/{EVENTS}", b"new content")
        assert set(before) - set(archive.list(OBSID)) == {file for file in before if file.name == EVENTS}


def test_a_file_comes_as_it_is(place: Any, content: Any, tmp_path: Path) -> None:
    with open_archive(place.url + "/") as archive:
        assert fetch(archive, tmp_path / "here") == len(content[EVENTS])
    assert (tmp_path / "here").read_bytes() == content[EVENTS]


def test_a_file_that_vanished_since_the_listing_is_worth_another_try(place: Any, tmp_path: Path) -> None:
    with open_archive(place.url) as archive:
        place.remove(f"3/{OBSID}/{EVENTS}")
        with pytest.raises(Transient, match=r"_cl\.evt\.gz was replaced or withdrawn"):
            fetch(archive, tmp_path / "here")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_the_environments_fault(place: Any) -> None:
    with (
        open_archive(place.url) as archive,
        pytest.raises(EnvironmentFault, match="/dev/full cannot be written: No space"),
    ):
        fetch(archive, Path("/dev/full"))


# ---------------------------------------------------------------------------------------------------------
# Addresses


@pytest.mark.parametrize(
    "url",
    [
        "ftp://host/x",
        "gs://bucket/x",
        "http://example.org/archive",
        "s3://",
        "s3://UPPER/x",
        "s3://bucket/a b",
        "https://",
        "https://host/x?y=1",
        "https://user:secret@host/x",
        "https://user:sec/ret@host/x",
        "https://secret@host/x",
        "s3://key:secret@bucket/x",
        "http://user:secret@host/x",
        "https://host/x?token=secret",
    ],
)
def test_an_address_that_cannot_be_an_archive_is_bad_input(url: str) -> None:
    with pytest.raises(BadInput, match=r"^(?!.*(secret|ret@))"):
        open_archive(url)


def test_a_directory_that_cannot_be_read_is_the_environments_fault(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path / "missing", tmp_path / "file"):
        with pytest.raises(EnvironmentFault, match=f"{path} cannot be read"):
            open_archive(str(path))


def test_a_file_address_is_a_directory(tmp_path: Path) -> None:
    with open_archive(tmp_path.as_uri()) as archive:
        assert archive.list(OBSID) == ()


# ---------------------------------------------------------------------------------------------------------
# Directories


def test_links_are_followed_inside_the_directory_only(directory_place: Any, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("not for you")
    directory_place.put(f"3/{OBSID}/auxil/real", b"content")
    folder = tmp_path / "archive" / "3" / OBSID / "auxil"
    (folder / "inside").symlink_to(folder / "real")
    (folder / "outside").symlink_to(secret)
    (folder / "circle").symlink_to(folder)
    archive = DirectoryArchive(tmp_path / "archive")
    assert [file.name for file in archive.list(OBSID)] == ["auxil/inside", "auxil/real"]
    with pytest.raises(Permanent, match="leads out of the archive directory"):
        fetch(archive, tmp_path / "here", "auxil/outside")
    assert not (tmp_path / "here").exists()


def test_an_observation_that_is_a_link_out_is_refused(directory_place: Any, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "archive" / "3").mkdir()
    (tmp_path / "archive" / "3" / OBSID).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(EnvironmentFault, match="leads out"):
        DirectoryArchive(tmp_path / "archive").list(OBSID)


def test_names_that_cannot_be_used_are_left_out_with_a_word(
    directory_place: Any, caplog: pytest.LogCaptureFixture
) -> None:
    directory_place.put(f"3/{OBSID}/log/a b.txt", b"x")
    directory_place.put(f"3/{OBSID}/log/fine.txt", b"x")
    assert [file.name for file in DirectoryArchive(Path(directory_place.url)).list(OBSID)] == ["log/fine.txt"]
    assert "log/a b.txt" in caplog.text


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission_is_permanent(directory_place: Any, tmp_path: Path) -> None:
    directory_place.put(f"3/{OBSID}/{EVENTS}", b"x")
    (tmp_path / "archive" / "3" / OBSID / EVENTS).chmod(0)
    with pytest.raises(Permanent, match="cannot be read"):
        fetch(DirectoryArchive(tmp_path / "archive"), tmp_path / "here")


# ---------------------------------------------------------------------------------------------------------
# S3


def test_a_listing_goes_over_all_pages(s3_place: Any) -> None:
    s3_place.put_many(f"3/{OBSID}/log/{number:04}.txt" for number in range(1005))
    with open_archive(s3_place.url) as archive:
        files = archive.list(OBSID)
    assert len(files) == 1005
    assert sum(method == "GET" for method, _ in s3_place.server.requests) == 2


def test_objects_that_are_no_files_of_the_observation_are_left_out(s3_place: Any) -> None:
    for key in (f"3/{OBSID}", f"3/{OBSID}/", f"3/{OBSID}/log/", f"3/{OBSID}/../../x", f"3/{OBSID}//y"):
        s3_place.put(key, b"")
    with open_archive(s3_place.url) as archive:
        assert archive.list(OBSID) == ()
        s3_place.put(f"3/{OBSID}/log/real", b"x")
        assert [file.name for file in archive.list(OBSID)] == ["log/real"]


def test_a_large_object_comes_in_parts(s3_place: Any, tmp_path: Path) -> None:
    data = os.urandom(PART_SIZE) + b"the end"
    s3_place.put(f"3/{OBSID}/{EVENTS}", data)
    with open_archive(s3_place.url) as archive:
        assert fetch(archive, tmp_path / "here") == len(data)
    assert (tmp_path / "here").read_bytes() == data


def test_a_bucket_that_is_not_there_is_the_environments_fault(s3_place: Any) -> None:
    with (
        open_archive("s3://no-such-bucket-here/x") as archive,
        pytest.raises(EnvironmentFault, match="no such bucket"),
    ):
        archive.list(OBSID)


def test_an_object_that_is_not_public_is_refused(s3_place: Any, tmp_path: Path, content: Any) -> None:
    s3_place.fill(content)
    s3_place.server.faults = {EVENTS: [403], s3_place.url.split("/")[2]: [403]}
    with open_archive(s3_place.url) as archive:
        with pytest.raises(Permanent, match="refuses"):
            fetch(archive, tmp_path / "here")
        with pytest.raises(EnvironmentFault, match="refuses"):
            archive.list(OBSID)


def test_a_server_that_cannot_be_reached_is_worth_another_try(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")
    with (
        S3Archive("s3://bucket/x", timeout=0.5) as archive,
        pytest.raises(Transient, match="could not be read"),
    ):
        archive.list(OBSID)


def test_an_endpoint_that_is_no_address_is_the_environments_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "not an address")
    with pytest.raises(EnvironmentFault, match="S3 client cannot be set up"):
        S3Archive("s3://bucket/x")


def test_a_body_that_breaks_off_is_resumed(s3_place: Any, tmp_path: Path, content: Any) -> None:
    s3_place.fill(content)
    s3_place.server.faults = {EVENTS: ["cut"]}
    with open_archive(s3_place.url) as archive:
        fetch(archive, tmp_path / "here")
    assert (tmp_path / "here").read_bytes() == content[EVENTS]


def test_a_body_without_the_checksum_that_s3_keeps_is_refused(
    s3_place: Any, tmp_path: Path, content: Any
) -> None:
    s3_place.fill(content)
    s3_place.server.faults = {EVENTS: ["sum"]}
    with open_archive(s3_place.url) as archive, pytest.raises(Transient, match="checksum"):
        fetch(archive, tmp_path / "here")


@pytest.mark.filterwarnings("error::ResourceWarning")
def test_nothing_stays_open_when_it_is_closed(s3_place: Any, content: Any) -> None:
    s3_place.fill(content)
    archive = open_archive(s3_place.url)
    archive.list(OBSID)
    archive.close()
    archive.close()
    del archive
    gc.collect()


# ---------------------------------------------------------------------------------------------------------
# Both kinds of server


@pytest.fixture(params=["web", "s3"])
def server_place(request: pytest.FixtureRequest, content: Any) -> Any:
    filled = request.getfixturevalue(f"{request.param}_place")
    filled.fill(content)
    return filled


@pytest.fixture
def impatient(server_place: Any) -> Callable[[], Archive]:
    kind = S3Archive if server_place.url.startswith("s3:") else WebArchive
    return lambda: kind(server_place.url, timeout=0.3)


@pytest.mark.parametrize("fault", [500, 503, 429, "drop", "hang", "cut"])
def test_trouble_on_the_way_is_worth_another_try(
    server_place: Any, impatient: Callable[[], Archive], tmp_path: Path, fault: Any
) -> None:
    server_place.server.faults = {EVENTS: [fault] * 4}
    with impatient() as archive, pytest.raises(Transient, match=r"_cl\.evt\.gz"):
        fetch(archive, tmp_path / "here")


def test_a_slow_body_is_waited_for(
    server_place: Any, impatient: Callable[[], Archive], tmp_path: Path, content: Any
) -> None:
    server_place.server.faults = {EVENTS: ["slow"]}
    with impatient() as archive:
        fetch(archive, tmp_path / "here")
    assert (tmp_path / "here").read_bytes() == content[EVENTS]


@pytest.mark.parametrize("fault", [503, "drop", "hang", "page"])
def test_a_listing_that_fails_is_never_an_empty_one(
    server_place: Any, impatient: Callable[[], Archive], fault: Any
) -> None:
    server_place.server.faults = {"": [fault] * 4}
    with impatient() as archive, pytest.raises(Transient):
        archive.list(OBSID)


# ---------------------------------------------------------------------------------------------------------
# Web servers


def index(links: list[str]) -> bytes:
    anchors = "".join(f'<a href="{link}">x</a>' for link in links)
    return f"<html><head><title>Index of /</title></head><body>{anchors}</body></html>".encode()


@pytest.fixture
def respond_with(serve: Any) -> Callable[..., Any]:
    """A server with given pages: path → (status, headers, body)."""

    def answer(pages: dict[str, Any], path: str) -> SimpleNamespace:
        status, headers, body = pages.get(path, (404, {}, b""))
        return SimpleNamespace(status=status, headers=headers, body=body)

    def start(pages: dict[str, tuple[int, dict[str, str], bytes]]) -> Any:
        return serve(lambda method, path, headers: answer(pages, path))

    return start


def test_links_that_lead_elsewhere_are_not_followed(respond_with: Callable[..., Any]) -> None:
    folder = f"/3/{OBSID}/"
    links = [
        "../",
        "/etc/passwd",
        "//evil.example/x",
        "http://evil.example/x",
        "https://[broken",
        "file:///etc/passwd",
        "?C=M;O=A",
        "x?y=1",
        "x#y",
        "%2e%2e/",
        "..%2f..%2fx",
        "a/b",
        "./",
        "",
        "..\\x",
        "good.txt",
        f"{folder}also.txt",
        "good.txt",
    ]
    pages = {
        folder: (200, {}, index(links)),
        f"{folder}good.txt": (200, {}, b"1"),
        f"{folder}also.txt": (200, {}, b"2"),
    }
    server = respond_with(pages)
    with open_archive(f"http://127.0.0.1:{server.port}") as archive:
        assert [file.name for file in archive.list(OBSID)] == ["also.txt", "good.txt"]
    assert sorted({path for _, path in server.requests}) == sorted(pages)


def test_folders_without_end_are_given_up(serve: Any, respond_with: Callable[..., Any]) -> None:
    from types import SimpleNamespace

    server = serve(
        lambda method, path, headers: SimpleNamespace(status=200, headers={}, body=index(["deeper/"]))
    )
    with (
        open_archive(f"http://localhost:{server.port}") as archive,
        pytest.raises(Transient, match="more than 200 folders"),
    ):
        archive.list(OBSID)


@pytest.mark.parametrize(
    ("page", "error", "match"),
    [
        (
            (301, {"Location": "https://elsewhere.example/"}, b""),
            EnvironmentFault,
            "has moved to https://elsewhere",
        ),
        ((403, {}, b""), EnvironmentFault, "refuses .* 403 Forbidden"),
        ((200, {}, b"<html><title>Maintenance</title></html>"), Transient, "no directory index"),
        ((200, {}, b"\xff\xfe\x00"), Transient, "no directory index"),
    ],
)
def test_an_answer_that_is_no_index_is_an_error(
    respond_with: Callable[..., Any], page: Any, error: type[Exception], match: str
) -> None:
    server = respond_with({f"/3/{OBSID}/": page})
    with open_archive(f"http://127.0.0.1:{server.port}") as archive, pytest.raises(error, match=match):
        archive.list(OBSID)


def test_a_file_without_a_size_is_an_error(respond_with: Callable[..., Any]) -> None:
    folder = f"/3/{OBSID}/"
    nameless = (200, {"Content-Length": ""}, b"")
    server = respond_with({folder: (200, {}, index(["a.txt"])), f"{folder}a.txt": nameless})
    with (
        open_archive(f"http://127.0.0.1:{server.port}") as archive,
        pytest.raises((EnvironmentFault, Transient), match=r"a\.txt"),
    ):
        archive.list(OBSID)


def test_a_folder_that_vanishes_while_it_is_listed_is_not_an_empty_one(
    respond_with: Callable[..., Any],
) -> None:
    server = respond_with({f"/3/{OBSID}/": (200, {}, index(["xtend/"]))})
    with (
        open_archive(f"http://127.0.0.1:{server.port}") as archive,
        pytest.raises(Transient, match="withdrawn"),
    ):
        archive.list(OBSID)
