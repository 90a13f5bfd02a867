import errno
import hashlib
import os
import shutil
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.core.errors import BadInput, EnvironmentFault, SoftwareFault, Transient
from tasks.library.directory_store import DirectoryStore
from tasks.library.keys import check_key
from tasks.library.store import open_store


class _BreaksOff(BaseHTTPRequestHandler):
    """Hangs up in the middle of every answer."""

    def do_HEAD(self):
        self.send_response(200)
        self.send_header("ETag", '"0123"')
        self.send_header("Last-Modified", "Sat, 21 Nov 2026 05:00:00 GMT")
        self.send_header("Content-Length", "100")
        self.end_headers()

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "100")
        self.end_headers()
        self.wfile.write(b"half of it")

    def log_message(self, *said):
        pass


@pytest.fixture
def product(tmp_path):
    path = tmp_path / "image.fits"
    path.write_bytes(b"counts" * 1000)
    return path


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_reads_what_was_replaced(store):
    assert store.read("a/b.json") is None
    store.replace("a/b.json", b"one")
    assert store.read("a/b.json") == b"one"
    store.replace("a/b.json", b"")
    assert store.read("a/b.json") == b""


def test_swaps_only_what_is_expected(store):
    assert not store.swap("m", b"old", b"new")
    assert store.read("m") is None
    assert store.swap("m", None, b"first")
    assert not store.swap("m", None, b"second")
    assert not store.swap("m", b"other", b"second")
    assert store.read("m") == b"first"
    assert store.swap("m", b"first", b"second")
    assert store.read("m") == b"second"


def test_one_of_many_swaps_of_nothing_wins(store):
    store.read("warm-up")
    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(lambda n: store.swap("m", None, f"{n}".encode()), range(8)))
    assert sum(won) == 1
    assert store.read("m") == f"{won.index(True)}".encode()


def test_a_published_file_is_never_overwritten(store, product, tmp_path):
    store.put("o/d/image.fits", product)
    other = tmp_path / "other.fits"
    other.write_bytes(b"something else")
    with pytest.raises(SoftwareFault, match="published already"):
        store.put("o/d/image.fits", other)
    assert store.read("o/d/image.fits") == product.read_bytes()
    assert store.sizes() == {"o/d/image.fits": 6000}


def test_sizes_are_those_of_the_folder_and_not_of_its_neighbours(store):
    store.replace("300049010/a/x", b"12")
    store.replace("3000490100/a/x", b"123")
    store.replace("300049010x", b"1234")
    assert store.sizes("300049010") == {"300049010/a/x": 2}
    assert store.sizes("300049010/a") == {"300049010/a/x": 2}
    assert store.sizes("300049010/b") == {}
    named = ["300049010/a/x", "300049010/a/x/below", "300049010/nothing"]
    assert store.sizes_of(named) == {"300049010/a/x": 2}
    assert store.sizes_of([]) == {}
    assert store.sizes() == {"300049010/a/x": 2, "3000490100/a/x": 3, "300049010x": 4}


def test_an_empty_store_has_no_sizes_and_nothing_to_delete(store):
    assert store.sizes() == {}
    store.delete([])
    store.delete(["not/there"])
    assert store.sizes() == {}


def test_deletes_what_is_named(store):
    for key in ("a/1", "a/2", "a/3"):
        store.replace(key, b"x")
    store.delete(["a/1", "a/3", "a/4"])
    assert store.sizes() == {"a/2": 1}


def test_local_gives_the_content_and_url_the_place(store, product, tmp_path):
    store.put("o/image.fits", product)
    directory = tmp_path / "for" / "reading"
    for _ in range(2):
        path = store.local("o/image.fits", directory, sha256(product))
        assert path.read_bytes() == product.read_bytes()
    assert store.url("o/image.fits").endswith("/o/image.fits")
    assert store.url("o/image.fits").startswith(("file:///", "s3://"))


def test_local_of_what_is_gone_is_worth_another_try(store, tmp_path):
    with pytest.raises(Transient, match="gone"):
        store.local("o/image.fits", tmp_path, "0" * 64)
    assert list(tmp_path.rglob("*.fits")) == []


def test_check_leaves_nothing(store):
    store.check()
    assert store.sizes() == {}
    store.replace("a", b"x")
    store.check()
    assert store.sizes() == {"a": 1}


@pytest.mark.parametrize(
    "key",
    [
        "",
        "/etc/passwd",
        "../x",
        "a/../../x",
        "a//b",
        "a/",
        "./a",
        "a/.",
        ".results/x",
        "a\\b",
        "a\nb",
        "a\0b",
    ],
)
def test_a_key_stays_in_the_store(store, product, tmp_path, key):
    for use in (
        lambda: store.read(key),
        lambda: store.replace(key, b""),
        lambda: store.swap(key, None, b""),
        lambda: store.put(key, product),
        lambda: store.delete([key]),
        lambda: store.local(key, tmp_path, ""),
        lambda: store.url(key),
    ):
        with pytest.raises(SoftwareFault, match="no key"):
            use()


@settings(deadline=None)
@given(st.text(st.sampled_from("ab./\\~ \n"), max_size=12))
def test_a_key_that_passes_never_leaves_its_root(text):
    root = Path("/some/store")
    try:
        key = check_key(text)
    except SoftwareFault:
        return
    assert Path(os.path.normpath(root / key)).is_relative_to(root)
    assert (root / key).relative_to(root).as_posix() == key


@pytest.mark.parametrize(
    "url",
    ["", " ", "gs://bucket/x", "s3://", "s3://B/x", "s3://bucket/../x", "s3://k:secret@b/x", "file:///x"],
)
def test_a_store_that_cannot_be_meant(url):
    with pytest.raises(BadInput) as caught:
        open_store(url)
    assert "secret" not in str(caught.value)


class TestDirectory:
    """What only a directory can be put through."""

    def test_nothing_is_left_of_writing(self, directory_store, product):
        directory_store.put("o/image.fits", product)
        directory_store.replace("o/m", b"1")
        directory_store.swap("o/m", b"1", b"2")
        directory_store.swap("o/m", b"1", b"3")
        names = {path.name for path in directory_store.root.rglob("*") if path.is_file()}
        assert names == {"image.fits", "m"}

    def test_a_published_file_shares_nothing_with_a_file_that_has_other_names(
        self, directory_store, product, tmp_path
    ):
        (tmp_path / "cache.fits").hardlink_to(product)
        directory_store.put("image.fits", product)
        (tmp_path / "cache.fits").write_bytes(b"flipped")
        assert directory_store.read("image.fits") == b"counts" * 1000

    def test_a_link_as_source_is_followed(self, directory_store, product, tmp_path):
        (tmp_path / "link.fits").symlink_to(product)
        directory_store.put("image.fits", tmp_path / "link.fits")
        product.unlink()
        assert directory_store.read("image.fits") == b"counts" * 1000

    @pytest.mark.parametrize("code", [errno.EXDEV, errno.EPERM, errno.EMLINK])
    def test_without_hard_links_it_copies(self, directory_store, product, tmp_path, monkeypatch, code):
        def refuse(self, target):
            raise OSError(code, os.strerror(code))

        monkeypatch.setattr(Path, "hardlink_to", refuse)
        directory_store.put("image.fits", product)
        assert directory_store.read("image.fits") == product.read_bytes()
        with pytest.raises(SoftwareFault, match="published already"):
            directory_store.put("image.fits", product)
        assert directory_store.swap("m", None, b"1")
        assert not directory_store.swap("m", None, b"2")
        assert directory_store.sizes() == {"image.fits": 6000, "m": 1}

    def test_from_another_file_system(self, product, tmp_path):
        other = Path("/dev/shm")
        if not os.access(other, os.W_OK) or other.stat().st_dev == tmp_path.stat().st_dev:
            pytest.skip("there is no second file system to write to")
        root = other / f"store-{os.getpid()}"
        try:
            store = DirectoryStore(root)
            store.put("o/image.fits", product)
            assert store.read("o/image.fits") == product.read_bytes()
            assert list((root / ".partial").iterdir()) == []
        finally:
            shutil.rmtree(root)

    def test_an_emptied_folder_goes(self, directory_store):
        directory_store.replace("o/step-1/x", b"1")
        directory_store.replace("o/step-1/y", b"1")
        directory_store.delete(["o/step-1/x"])
        assert (directory_store.root / "o/step-1").is_dir()
        directory_store.delete(["o/step-1/y"])
        assert not (directory_store.root / "o/step-1").exists()
        assert (directory_store.root / "o").is_dir()

    def test_hidden_files_are_not_listed(self, directory_store):
        directory_store.replace("o/x", b"1")
        for name in (".nfs0001", ".results/a"):
            path = directory_store.root / name
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(b"1")
        assert directory_store.sizes() == {"o/x": 1}

    def test_check_makes_no_directory(self, tmp_path):
        DirectoryStore(tmp_path / "a/b/store").check()
        assert list(tmp_path.iterdir()) == []

    def test_checks_at_once_do_not_trip_each_other_up(self, tmp_path):
        """As when two sweeps begin over a store that is not there yet."""
        store = DirectoryStore(tmp_path / "a/b/store")
        with ThreadPoolExecutor(8) as together:
            for checked in [together.submit(store.check) for _ in range(200)]:
                checked.result()
        assert list(tmp_path.iterdir()) == []

    def test_check_clears_what_was_left_long_ago(self, directory_store):
        directory_store.replace("x", b"1")
        partial = directory_store.root / ".partial"
        (partial / "old").write_bytes(b"half")
        (partial / "young").write_bytes(b"half")
        os.utime(partial / "old", (0, 0))
        directory_store.check()
        assert [path.name for path in partial.iterdir()] == ["young"]

    @pytest.mark.parametrize("below", ["", "/store", "/deeper/store"])
    def test_a_file_in_the_way_is_said_so(self, tmp_path, product, below):
        store = DirectoryStore(Path(f"{product}{below}"))
        for use in (store.check, lambda: store.replace("a", b""), lambda: store.put("a", product)):
            with pytest.raises(EnvironmentFault, match=r"cannot be written: .*(exists|[Nn]ot a directory)"):
                use()
        assert store.read("a") is None
        assert product.read_bytes() == b"counts" * 1000

    def test_a_read_only_place_is_said_so(self):
        if not Path("/proc/self").is_dir():
            pytest.skip("there is no /proc to be refused by")
        with pytest.raises(EnvironmentFault, match="/proc/xtendflow"):
            DirectoryStore(Path("/proc/xtendflow")).check()

    def test_a_full_disk_leaves_the_old_state(self, directory_store, product, monkeypatch):
        directory_store.replace("m", b"old")
        full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        monkeypatch.setattr(os, "fsync", lambda handle: (_ for _ in ()).throw(full))
        for use in (
            lambda: directory_store.replace("m", b"new"),
            lambda: directory_store.swap("m", b"old", b"new"),
            lambda: directory_store.put("image.fits", product),
            directory_store.check,
        ):
            with pytest.raises(EnvironmentFault, match="No space left on device"):
                use()
        assert directory_store.sizes() == {"m": 3}
        assert directory_store.read("m") == b"old"
        assert list((directory_store.root / ".partial").iterdir()) == []

    def test_readers_see_the_old_or_the_new(self, directory_store):
        contents = [bytes([65 + n]) * 200_000 for n in range(2)]
        directory_store.replace("m", contents[0])
        done = threading.Event()

        def write():
            for n in range(40):
                directory_store.replace("m", contents[n % 2])
            done.set()

        writer = threading.Thread(target=write)
        writer.start()
        seen = set()
        while not done.is_set():
            seen.add(directory_store.read("m"))
        writer.join()
        assert seen <= set(contents)


class TestS3:
    """What only a bucket can be put through; the client and the server are real."""

    @pytest.fixture
    def s3(self, bucket):
        opened = open_store(f"s3://{bucket}/prefix")
        yield opened
        opened.close()

    def test_a_long_listing_is_whole(self, s3, bucket):
        from moto.s3.models import s3_backends

        backend = s3_backends["123456789012"]["aws"]
        for n in range(1003):  # past the server's door, for speed
            backend.put_object(bucket, f"prefix/o/{n:04}", b"x")
        assert s3.sizes("o") == {f"o/{n:04}": 1 for n in range(1003)}
        s3.delete(s3.sizes("o"))
        assert s3.sizes() == {}

    def test_another_prefix_is_another_store(self, s3, bucket):
        other = open_store(f"s3://{bucket}/prefix2")
        s3.replace("a", b"1")
        other.replace("b", b"22")
        assert (s3.sizes(), other.sizes()) == ({"a": 1}, {"b": 2})
        other.close()

    def test_the_bucket_itself_can_be_a_store(self, bucket):
        store = open_store(f"s3://{bucket}")
        store.replace("a/b", b"1")
        assert store.sizes() == {"a/b": 1}
        assert store.url("a/b") == f"s3://{bucket}/a/b"
        store.close()

    @pytest.mark.parametrize(
        ("name", "kind"),
        [
            ("index.html", "text/html; charset=utf-8"),
            ("log.txt", "text/plain; charset=utf-8"),
            ("image.png", "image/png"),
            ("manifest.json", "application/json"),
            ("no-such-ending", "application/octet-stream"),
        ],
    )
    def test_a_browser_is_told_what_a_file_is(self, s3, s3_endpoint, name, kind):
        s3.replace(f"report/{name}", b"what it says")
        told = s3._files.info(s3._path(f"report/{name}"))
        assert told["ContentType"] == kind

    def test_what_arrives_changed_is_not_used(self, s3, product, tmp_path):
        s3.put("image.fits", product)
        reading = tmp_path / "reading"
        reading.mkdir()
        with pytest.raises(Transient, match="another content"):
            s3.local("image.fits", reading, "0" * 64)
        assert list(reading.iterdir()) == []

    def test_a_wrong_copy_is_replaced(self, s3, product, tmp_path):
        s3.put("image.fits", product)
        reading = tmp_path / "reading"
        reading.mkdir()
        (reading / "image.fits").write_bytes(b"half")
        assert sha256(s3.local("image.fits", reading, sha256(product))) == sha256(product)

    def test_a_put_whose_answer_was_lost_may_come_again(self, s3, product):
        s3.put("image.fits", product)
        s3.put("image.fits", product)
        assert s3.swap("m", None, b"1")

    def test_a_large_file_goes_up_in_parts_and_still_overwrites_nothing(self, s3, tmp_path, monkeypatch):
        monkeypatch.setattr("s3fs.core.calculate_chunksize", lambda size, chunksize: 5 * 2**20)
        large = tmp_path / "large"
        with large.open("wb") as file:
            file.truncate(11 * 2**20)
        s3.put("large", large)
        assert s3.sizes() == {"large": 11 * 2**20}
        large.write_bytes(b"small")
        with pytest.raises(SoftwareFault, match="published already"):
            s3.put("large", large)

    def test_no_bucket(self, bucket):
        store = open_store("s3://nobody-has-made-this")
        for use in (store.check, lambda: store.replace("a", b"")):
            with pytest.raises(EnvironmentFault, match="s3://nobody-has-made-this cannot be written"):
                use()
        store.close()

    def test_no_credentials(self, bucket, monkeypatch):
        monkeypatch.delenv("AWS_ACCESS_KEY_ID")
        monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
        monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")
        store = open_store(f"s3://{bucket}")
        with pytest.raises(EnvironmentFault, match="credentials"):
            store.check()
        store.close()

    def test_no_server(self, bucket, monkeypatch):
        with socket.socket() as held:
            held.bind(("127.0.0.1", 0))  # bound and not listening: refused
            monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{held.getsockname()[1]}")
            store = open_store(f"s3://{bucket}")
            with pytest.raises(EnvironmentFault, match="cannot be written"):
                store.check()
            store.close()

    def test_a_body_that_breaks_off_is_worth_another_try(self, bucket, monkeypatch):
        server = ThreadingHTTPServer(("127.0.0.1", 0), _BreaksOff)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{server.server_port}")
        store = open_store(f"s3://{bucket}")
        try:
            with pytest.raises(Transient, match=f"s3://{bucket} cannot be read"):
                store.read("manifest.json")
        finally:
            store.close()
            server.shutdown()
            server.server_close()

    def test_closing_twice_does_no_harm(self, s3):
        s3.replace("a", b"1")
        s3.close()
        s3.close()
        assert s3.read("a") == b"1"
