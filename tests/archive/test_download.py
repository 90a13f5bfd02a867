import hashlib
import shutil
import signal
import subprocess
import sys
from collections import namedtuple
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tasks.archive.download import download, fetch_observation
from tasks.archive.layout import datasets, needed
from tasks.archive.local import clear_leftovers, part_file
from tasks.archive.objects import open_archive
from tasks.archive.objects.s3 import S3Archive
from tasks.core.errors import EnvironmentFault, NoData, Permanent, Proprietary, Transient
from tasks.core.identifiers import ObsID
from tasks.library.manifest import InputFile

OBSID = ObsID("300049010")
EVENTS = f"xtend/event_cl/xa{OBSID}xtd_p031100010_cl.evt.gz"
SECOND = f"xtend/event_cl/xa{OBSID}xtd_p131100010_cl.evt.gz"
AT_ONCE = (0.0, 0.0, 0.0)
FETCH = "import sys; from tasks.archive.download import fetch_observation; fetch_observation(*sys.argv[1:])"


@pytest.fixture(autouse=True)
def working_directory(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the runner gives a child one of its own."""
    monkeypatch.chdir(tmp_path_factory.mktemp("cwd"))


def run(place: Any, to: Path, *, progress: list[tuple[int, int]] | None = None) -> tuple[InputFile, ...]:
    """List, choose, download: at once, without waiting between tries."""
    told = [] if progress is None else progress
    with open_archive(place.url) as archive:
        files = needed(datasets(OBSID, archive.list(OBSID)))
        return download(
            archive, OBSID, files, to, on_progress=lambda *state: told.append(state), delays=AT_ONCE
        )


def strays(folder: Path) -> list[Path]:
    """Everything that is neither a verified file nor its record."""
    files = {path for path in folder.rglob("*") if path.is_file()}
    records = {path for path in files if path.name.endswith(".verified.json")}
    kept = {path.with_name(path.name.removesuffix(".verified.json")) for path in records}
    return sorted(files - records - kept)


@pytest.fixture
def s3(s3_place: Any, content: Any) -> Any:
    s3_place.fill(content)
    return s3_place


@pytest.fixture
def web(web_place: Any, content: Any) -> Any:
    web_place.fill(content)
    return web_place


def test_what_is_needed_comes_verified(place: Any, content: Any, tmp_path: Path) -> None:
    progress: list[tuple[int, int]] = []
    copies = run(place, tmp_path / "here", progress=progress)
    assert len(copies) == 6
    for copy in copies:
        data = content[copy.name]
        assert (copy.size, copy.sha256) == (len(data), hashlib.sha256(data).hexdigest())
        assert (tmp_path / "here" / copy.name).read_bytes() == data
    assert strays(tmp_path / "here") == []
    total = sum(copy.size for copy in copies)
    assert progress[0] == (0, total)
    assert progress[-1] == (total, total)
    assert progress == sorted(progress)


def test_a_second_run_fetches_nothing(place: Any, tmp_path: Path) -> None:
    first = run(place, tmp_path)
    before = {copy.name: (tmp_path / copy.name).stat().st_mtime_ns for copy in first}
    if place.server:
        place.server.requests.clear()
    progress: list[tuple[int, int]] = []
    assert run(place, tmp_path, progress=progress) == first
    assert {copy.name: (tmp_path / copy.name).stat().st_mtime_ns for copy in first} == before
    assert progress == [(sum(copy.size for copy in first),) * 2]
    assert place.server is None or place.server.gets(".gz") == 0


def test_only_what_changed_in_the_archive_comes_again(place: Any, content: Any, tmp_path: Path) -> None:
    run(place, tmp_path)
    place.put(f"3/{OBSID}/{EVENTS}", content[SECOND])
    if place.server:
        place.server.requests.clear()
    run(place, tmp_path)
    assert (tmp_path / EVENTS).read_bytes() == content[SECOND]
    assert place.server is None or place.server.gets(".gz") == 1


@pytest.mark.parametrize("damage", ["cut", "touched", "gone", "no record", "bad record", "other record"])
def test_a_copy_that_changed_here_comes_again(web: Any, content: Any, tmp_path: Path, damage: str) -> None:
    run(web, tmp_path)
    copy, record = tmp_path / EVENTS, tmp_path / f"{EVENTS}.verified.json"
    match damage:
        case "cut":
            copy.write_bytes(content[EVENTS][:100])
        case "touched":
            copy.write_bytes(content[EVENTS])
        case "gone":
            copy.unlink()
        case "no record":
            record.unlink()
        case "bad record":
            record.write_text("{")
        case "other record":
            shutil.copyfile(tmp_path / f"{SECOND}.verified.json", record)
    web.server.requests.clear()
    run(web, tmp_path)
    assert copy.read_bytes() == content[EVENTS]
    assert (web.server.gets(EVENTS), web.server.gets(".gz")) == (1, 1)


@pytest.mark.parametrize(
    "faults",
    [[503, 503, 503], ["drop", 500], ["cut", "cut"], ["short"], ["page", "page"], ["flip"], ["slow"]],
)
def test_passing_trouble_is_overcome(s3: Any, content: Any, tmp_path: Path, faults: list[Any]) -> None:
    s3.server.faults = {EVENTS: list(faults)}
    run(s3, tmp_path)
    assert (tmp_path / EVENTS).read_bytes() == content[EVENTS]
    assert s3.server.faults[EVENTS] == []
    assert strays(tmp_path) == []


@pytest.mark.parametrize("fault", [503, "drop", "short", "page"])
def test_lasting_trouble_is_transient(s3: Any, tmp_path: Path, fault: Any) -> None:
    s3.server.faults = {EVENTS: [fault] * 50}
    with pytest.raises(Transient, match=r"p031100010_cl\.evt\.gz"):
        run(s3, tmp_path)
    assert not (tmp_path / EVENTS).exists()
    assert strays(tmp_path) == []


def test_a_body_that_stops_is_transient(s3: Any, tmp_path: Path) -> None:
    s3.server.faults = {EVENTS: ["hang"] * 50}
    with S3Archive(s3.url, timeout=0.2) as archive:
        files = [file for file in archive.list(OBSID) if file.name == EVENTS]
        with pytest.raises(Transient, match="could not be read"):
            download(archive, OBSID, files, tmp_path, on_progress=lambda *_: None, delays=())


def test_the_same_bad_bytes_twice_are_permanent(s3: Any, tmp_path: Path) -> None:
    s3.server.faults = {EVENTS: ["flip"] * 50}
    with pytest.raises(Permanent, match=r"p031100010_cl\.evt\.gz: .*MD5"):
        run(s3, tmp_path)
    assert s3.server.gets(EVENTS) == 2
    assert not (tmp_path / EVENTS).exists()


def test_bytes_that_are_bad_in_another_way_each_time_are_transient(s3: Any, tmp_path: Path) -> None:
    s3.server.faults = {EVENTS: ["flip", "flip elsewhere"]}
    with pytest.raises(Transient, match="MD5 that the archive states; two copies differ"):
        run(s3, tmp_path)
    assert s3.server.gets(EVENTS) == 2
    assert strays(tmp_path) == []
    run(s3, tmp_path)
    assert (tmp_path / EVENTS).exists()


@pytest.mark.parametrize("damage", ["flip", "cut"])
def test_a_file_that_is_damaged_in_the_archive_is_permanent(
    directory_place: Any, content: Any, tmp_path: Path, damage: str
) -> None:
    data = bytearray(content[EVENTS])
    data[len(data) // 2] ^= 1
    directory_place.fill(content | {EVENTS: bytes(data) if damage == "flip" else content[EVENTS][:-9]})
    with pytest.raises(Permanent, match=r"p031100010_cl\.evt\.gz: its gzip compression is damaged"):
        run(directory_place, tmp_path / "here")
    assert strays(tmp_path / "here") == []


def test_what_was_complete_before_an_error_is_not_fetched_again(s3: Any, tmp_path: Path) -> None:
    s3.server.faults = {EVENTS: [500] * 50}
    with pytest.raises(Transient):
        run(s3, tmp_path)
    complete = len(list(tmp_path.rglob("*.verified.json")))
    s3.server.faults.clear()
    s3.server.requests.clear()
    run(s3, tmp_path)
    assert s3.server.gets(".gz") == 6 - complete


@pytest.mark.parametrize("change", ["same size", "other size", "withdrawn"])
def test_a_file_replaced_between_listing_and_download_is_transient(
    s3: Any, content: Any, tmp_path: Path, change: str
) -> None:
    with open_archive(s3.url) as archive:
        files = [file for file in archive.list(OBSID) if file.name == EVENTS]
        if change == "withdrawn":
            s3.remove(f"3/{OBSID}/{EVENTS}")
        else:
            data = content[EVENTS][::-1] if change == "same size" else content[EVENTS][:-5]
            s3.put(f"3/{OBSID}/{EVENTS}", data)
        with pytest.raises(Transient, match=r"replaced or withdrawn|bytes came"):
            download(archive, OBSID, files, tmp_path, on_progress=lambda *_: None, delays=AT_ONCE)
    assert not (tmp_path / EVENTS).exists()


def test_progress_falls_back_when_a_file_comes_twice(s3: Any, tmp_path: Path) -> None:
    s3.server.faults = {EVENTS: ["flip"]}
    progress: list[tuple[int, int]] = []
    run(s3, tmp_path, progress=progress)
    assert all(0 <= done <= total for done, total in progress)
    assert progress != sorted(progress)
    assert progress[-1][0] == progress[-1][1]


# ---------------------------------------------------------------------------------------------------------
# Disk, leftovers, other processes


def test_too_little_room_is_noticed_before_anything_comes(
    s3: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10_000, 9_900, 100))
    with pytest.raises(EnvironmentFault, match=r"needs [\d,]+ bytes in .*, which has 100 left"):
        run(s3, tmp_path)
    assert s3.server.gets(".gz") == 0


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 16 KiB."""
    folder = tmp_path / "tiny"
    folder.mkdir()
    mount = shutil.which("mount")
    done = mount and subprocess.run(
        [mount, "-t", "tmpfs", "-o", "size=16k", "tmpfs", folder], capture_output=True, check=False
    )
    if not done or done.returncode:
        pytest.skip("mounting a small file system is not permitted here")
    yield folder
    subprocess.run(["umount", folder], check=True)  # noqa: S607


def test_a_disk_that_fills_up_on_the_way_is_the_environments_fault(
    s3: Any, tiny_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(EnvironmentFault, match="which has"):
        run(s3, tiny_disk)
    monkeypatch.setattr("tasks.archive.download.require_space", lambda *_: None)
    with pytest.raises(EnvironmentFault, match="cannot be written: No space left"):
        run(s3, tiny_disk)
    assert strays(tiny_disk) == []


def test_a_directory_that_cannot_be_made_is_the_environments_fault(s3: Any, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(EnvironmentFault, match="cannot be used for downloads"):
        run(s3, tmp_path / "file" / "below")


def test_leftovers_are_cleared_and_files_under_way_are_not(s3: Any, tmp_path: Path) -> None:
    left = tmp_path / f"{EVENTS}.0123456789abcdef.part"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"half")
    with part_file(tmp_path / EVENTS) as under_way:
        clear_leftovers(tmp_path)
        assert under_way.exists()
        assert not left.exists()
        run(s3, tmp_path)
        assert under_way.exists()
    assert strays(tmp_path) == []


def start(place: Any, to: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", FETCH, place.url, OBSID, str(to)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_two_processes_at_once_end_with_the_same_whole_files(web: Any, content: Any, tmp_path: Path) -> None:
    pair = [start(web, tmp_path), start(web, tmp_path)]
    for process in pair:
        out, err = process.communicate()
        assert (process.returncode, err) == (0, "")
        lines = out.splitlines()
        assert all(line.startswith("::progress ") for line in lines)
        done, total = map(int, lines[-1].split()[1:])
        assert done == total > 0
    for copy in run(web, tmp_path):
        assert (tmp_path / copy.name).read_bytes() == content[copy.name]
    assert strays(tmp_path) == []


def test_a_killed_download_leaves_nothing_that_looks_complete(web: Any, content: Any, tmp_path: Path) -> None:
    web.server.faults = {EVENTS: ["hang"]}
    process = start(web, tmp_path)
    assert process.stdout is not None
    while not (line := process.stdout.readline()) or not list(tmp_path.rglob(f"{Path(EVENTS).name}.*.part")):
        assert line, process.communicate()[1]
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not (tmp_path / EVENTS).exists()
    assert strays(tmp_path) != []
    run(web, tmp_path)
    assert (tmp_path / EVENTS).read_bytes() == content[EVENTS]
    assert strays(tmp_path) == []


# ---------------------------------------------------------------------------------------------------------
# The runner's function


def test_an_observation_is_fetched_and_described(place: Any, content: Any, tmp_path: Path) -> None:
    report = fetch_observation(place.url, OBSID, str(tmp_path))
    facts = report.facts
    assert facts["datasets"]["31100010"]["events"] == [EVENTS, SECOND]
    other = facts["datasets"]["32000010"]
    assert other["bad_pixels"] == f"xtend/event_uf/xa{OBSID}xtd_p032000010.bimg.gz"
    assert other["ehk"] == f"auxil/xa{OBSID}.ehk.gz"
    assert [one["name"] for one in other["inputs"]] == [*other["events"], other["bad_pixels"], other["ehk"]]
    for one in other["inputs"]:
        data = content[one["name"]]
        assert one == {"name": one["name"], "size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    sizes = {one["name"]: one["size"] for found in facts["datasets"].values() for one in found["inputs"]}
    assert facts["bytes"] == sum(sizes.values())


def test_unfiltered_events_come_only_for_the_pipeline(
    directory_place: Any, content: Any, tmp_path: Path
) -> None:
    unfiltered = f"xtend/event_uf/xa{OBSID}xtd_p031100010_uf.evt.gz"
    directory_place.fill(content)
    fetch_observation(directory_place.url, OBSID, str(tmp_path))
    assert not (tmp_path / unfiltered).exists()
    facts = fetch_observation(directory_place.url, OBSID, str(tmp_path), pipeline=True).facts
    assert (tmp_path / unfiltered).read_bytes() == content[unfiltered]
    # The pipeline runs for the whole observation, so what it reads belongs to all datasets.
    for found in facts["datasets"].values():
        names = [one["name"] for one in found["inputs"]]
        assert names == [*found["events"], found["bad_pixels"], found["ehk"], unfiltered]


def test_the_archives_response_comes_only_where_it_is_taken(
    directory_place: Any, content: Any, tmp_path: Path
) -> None:
    name = f"xtend/products/xa{OBSID}xtd_src.rmf.gz"
    directory_place.fill(content | {name: content[EVENTS]})
    without = fetch_observation(directory_place.url, OBSID, str(tmp_path)).facts["datasets"]
    assert {found["rmf"] for found in without.values()} == {None}
    assert not (tmp_path / name).exists()
    facts = fetch_observation(directory_place.url, OBSID, str(tmp_path), rmf=True).facts
    assert (tmp_path / name).read_bytes() == content[EVENTS]
    for found in facts["datasets"].values():
        assert found["rmf"] == name
        assert found["inputs"][-1] == {
            "name": name, "size": len(content[EVENTS]),
            "sha256": hashlib.sha256(content[EVENTS]).hexdigest(),
        }  # fmt: skip


def test_a_missing_companion_is_null(directory_place: Any, content: Any, tmp_path: Path) -> None:
    directory_place.fill({EVENTS: content[EVENTS]})
    report = fetch_observation(directory_place.url, OBSID, str(tmp_path / "here"))
    dataset = report.facts["datasets"]["31100010"]
    assert (dataset["bad_pixels"], dataset["ehk"], dataset["rmf"]) == (None, None, None)
    assert report.facts["bytes"] == len(content[EVENTS])


def test_progress_is_printed(
    directory_place: Any, content: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    directory_place.fill({EVENTS: content[EVENTS]})
    fetch_observation(directory_place.url, OBSID, str(tmp_path / "here"))
    size = len(content[EVENTS])
    assert capsys.readouterr().out.splitlines() == [f"::progress 0 {size}", f"::progress {size} {size}"]


def test_nothing_is_made_where_there_is_nothing_to_fetch(
    directory_place: Any, tmp_path: Path, content: Any
) -> None:
    here: Callable[[], Any] = lambda: fetch_observation(directory_place.url, OBSID, str(tmp_path / "here"))  # noqa: E731
    with pytest.raises(NoData):
        here()
    directory_place.put(f"3/{OBSID}/{EVENTS}.gpg", b"secret")
    with pytest.raises(Proprietary):
        here()
    assert not (tmp_path / "here").exists()
