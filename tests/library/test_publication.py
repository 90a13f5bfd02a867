import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tasks.core.errors import EnvironmentFault, LeaseLost, SoftwareFault, Transient
from tasks.core.identifiers import DataClass, ObsID
from tasks.library.fingerprint import fingerprint
from tasks.library.manifest import Step
from tasks.library.publication import missing, publish, read_manifest, tidy
from tasks.xtend.cautions import caution

OBSID = ObsID("000128000")
DATACLASS = DataClass("30000010")
FOLDER = f"{OBSID}/{DATACLASS}"


def confirm():
    """The lease holds."""


def lost():
    raise LeaseLost("somebody else holds it")


def assert_true(store, manifest):
    for product in manifest.products:
        content = store.read(f"{FOLDER}/{product.path}")
        assert content is not None
        assert hashlib.sha256(content).hexdigest() == product.sha256
        assert len(content) == product.size


def names(store):
    return {key.removeprefix(f"{FOLDER}/") for key in store.sizes(FOLDER)}


@pytest.fixture
def first(store, make, draft):
    return publish(store, None, draft(), [make("b.fits"), make("a.fits")], confirm)


def test_a_first_publication(store, make, draft):
    assert read_manifest(store, OBSID, DATACLASS) is None
    image, curve = make("b.fits"), make("a.fits", step=Step.EXPOSURE)
    published = publish(store, None, draft(), [image, curve], confirm)
    assert read_manifest(store, OBSID, DATACLASS) == published
    short = fingerprint(1)[:12]
    assert [item.path for item in published.products] == [
        f"exposure-{short}/a.fits",
        f"extraction-{short}/b.fits",
    ]
    assert published.products[1].sha256 == hashlib.sha256(image.file.read_bytes()).hexdigest()
    assert_true(store, published)
    assert names(store) == {"manifest.json", *(item.path for item in published.products)}


def test_the_manifest_is_what_its_page_says(store, first):
    raw = json.loads(store.read(f"{FOLDER}/manifest.json"))
    assert raw["schema"] == 1
    assert raw["obsid"] == "000128000"
    assert set(raw["products"][0]) == {
        "step", "kind", "role", "name", "entry", "path", "size", "sha256", "fingerprint", "cautions"
    }  # fmt: skip


def test_a_second_publication_keeps_replaces_and_deletes(store, make, draft, first):
    kept, replaced = first.products
    new = make(replaced.name, of=2)
    published = publish(store, first, draft(2, (kept,)), [new], confirm)
    assert [item.name for item in published.products] == ["a.fits", "b.fits"]
    assert published.products[0] == kept
    assert published.products[1].path == f"extraction-{fingerprint(2)[:12]}/b.fits"
    assert_true(store, published)
    assert names(store) == {
        "manifest.json", "manifest.previous.json", *(item.path for item in published.products)
    }  # fmt: skip
    previous = json.loads(store.read(f"{FOLDER}/manifest.previous.json"))
    assert [item["path"] for item in previous["products"]] == [item.path for item in first.products]


def test_what_is_published_already_is_adopted(store, make, draft, first):
    again = publish(store, first, draft(), [make("a.fits"), make("b.fits")], confirm)
    assert again == first
    assert "manifest.previous.json" not in names(store)


def test_a_product_that_was_deleted_is_made_again_in_its_folder(store, make, draft, first):
    gone, kept = first.products
    store.delete([f"{FOLDER}/{gone.path}"])
    assert missing(store, first) == (gone,)
    published = publish(store, first, draft(products=(kept,)), [make(gone.name)], confirm)
    assert published.products[0].path == gone.path
    assert missing(store, published) == ()
    assert_true(store, published)


def test_a_product_that_was_damaged_is_replaced_and_not_overwritten(store, make, draft, first):
    damaged, kept = first.products
    store.replace(f"{FOLDER}/{damaged.path}", b"half")
    assert missing(store, first) == (damaged,)
    assert missing(store, first, store.sizes()) == (damaged,)
    published = publish(store, first, draft(products=(kept,)), [make(damaged.name)], confirm)
    assert published.products[0].path == f"extraction-{fingerprint(1)[:12]}-2/a.fits"
    assert_true(store, published)
    assert damaged.path not in names(store)


def test_left_overs_of_a_killed_publication_go(store, make, draft, first):
    short = fingerprint(2)[:12]
    for name in (f"extraction-{short}/c.fits", "extraction-000000000000/x.fits", "what is this"):
        store.replace(f"{FOLDER}/{name}", b"left over")
    store.replace(f"{FOLDER}/log/extraction.txt", b"kept")
    store.replace(f"{OBSID}/attempts/x.json", b"kept")
    published = publish(store, first, draft(2, first.products), [make("c.fits", 2)], confirm)
    assert published.products[-1].path == f"extraction-{short}-2/c.fits"
    assert names(store) == {
        "manifest.json", "manifest.previous.json", "log/extraction.txt",
        *(item.path for item in published.products),
    }  # fmt: skip
    assert store.read(f"{OBSID}/attempts/x.json") == b"kept"
    assert_true(store, published)


def test_tidying_leaves_what_the_manifest_names(store, first):
    store.replace(f"{FOLDER}/extraction-000000000000/x.fits", b"left over")
    with pytest.raises(LeaseLost):
        tidy(store, OBSID, DATACLASS, lost)
    assert "extraction-000000000000/x.fits" in names(store)
    tidy(store, OBSID, DATACLASS, confirm)
    assert names(store) == {"manifest.json", *(item.path for item in first.products)}


def test_tidying_where_nothing_was_published(store):
    store.replace(f"{FOLDER}/extraction-000000000000/x.fits", b"left over")
    tidy(store, OBSID, DATACLASS, confirm)
    assert names(store) == set()


def test_another_dataset_is_not_touched(store, make, draft, first):
    other = publish(store, None, draft(dataclass="31100010"), [make("a.fits")], confirm)
    publish(store, first, draft(2), [make("z.fits", 2)], confirm)
    assert read_manifest(store, OBSID, DataClass("31100010")) == other
    assert missing(store, other) == ()


@pytest.mark.parametrize("confirmations", [0, 1])
def test_a_lost_lease_leaves_the_old_state(store, make, draft, first, confirmations):
    before = store.sizes()
    left = iter([None] * confirmations)

    def confirm_for_a_while():
        try:
            next(left)
        except StopIteration:
            lost()

    with pytest.raises(LeaseLost, match="somebody else"):
        publish(store, first, draft(2), [make("a.fits", 2), make("c.fits", 2)], confirm_for_a_while)
    assert store.sizes() == before
    assert read_manifest(store, OBSID, DATACLASS) == first


def test_who_began_before_another_published_publishes_nothing(store, make, draft, first):
    theirs = publish(store, first, draft(2), [make("a.fits", 2)], confirm)
    before = store.sizes()
    with pytest.raises(LeaseLost, match="has published"):
        publish(store, first, draft(3), [make("a.fits", 3)], confirm)
    with pytest.raises(LeaseLost, match="has published"):
        publish(store, None, draft(3), [make("a.fits", 3)], confirm)
    assert store.sizes() == before
    assert read_manifest(store, OBSID, DATACLASS) == theirs


@pytest.mark.parametrize("same", [True, False], ids=["the same fingerprints", "others"])
@pytest.mark.parametrize("moment", ["put", "replace", "swap"])
def test_who_stalls_while_another_publishes_takes_nothing_of_theirs(
    store, make, draft, first, monkeypatch, moment, same
):
    """At the worst moments: after the first confirmation, and after the last."""
    theirs = []
    plain = getattr(type(store), moment)

    def stall(self, *arguments):
        if not theirs:
            theirs.append(None)  # what they do does not stall
            theirs[0] = publish(store, first, draft(2), [make("a.fits", 2)], confirm)
        return plain(self, *arguments)

    monkeypatch.setattr(type(store), moment, stall)
    with pytest.raises(LeaseLost):
        publish(store, first, draft(2 if same else 3), [make("a.fits", 2 if same else 3)], confirm)
    assert read_manifest(store, OBSID, DATACLASS) == theirs[0]
    assert_true(store, theirs[0])
    left = names(store) - {"manifest.json", "manifest.previous.json"}
    assert left == {item.path for item in theirs[0].products}


def test_a_fault_while_putting_leaves_the_old_state(store, make, draft, first, monkeypatch):
    before = store.sizes()
    put, number = type(store).put, iter(range(3))

    def full(self, key, local):
        if next(number) == 2:
            raise EnvironmentFault("the disk is full")
        put(self, key, local)

    monkeypatch.setattr(type(store), "put", full)
    with pytest.raises(EnvironmentFault, match="full"):
        publish(store, first, draft(2), [make(f"{n}.fits", 2) for n in range(3)], confirm)
    assert store.sizes() == before


class Killed(BaseException):
    """As abrupt as a signal: nothing in the project catches it."""


@pytest.mark.parametrize("after", [False, True])
def test_killed_at_every_call_of_the_store(store, make, draft, monkeypatch, after):
    plain = {
        name: getattr(type(store), name) for name in ("replace", "swap", "put", "sizes", "delete", "read")
    }
    deadline = [None]

    def counting(name):
        def call(self, *arguments):
            if deadline[0] is None:
                return plain[name](self, *arguments)
            deadline[0] -= 1
            last = deadline[0] == 0
            if last and not after:
                raise Killed
            answer = plain[name](self, *arguments)
            if last:
                raise Killed
            return answer

        return call

    for name in plain:
        monkeypatch.setattr(type(store), name, counting(name))
    old = publish(store, None, draft(0), [make("a.fits", 0), make("b.fits", 0)], confirm)
    for number in range(1, 30):
        of = number
        kept, new = old.products[:1], [make("b.fits", of), make("c.fits", of)]
        deadline[0] = number
        try:
            publish(store, old, draft(of, kept), new, confirm)
            finished = True
        except Killed:
            finished = False
        deadline[0] = None
        stands = read_manifest(store, OBSID, DATACLASS)
        assert_true(store, stands)
        assert stands == old or {item.fingerprint for item in stands.products[1:]} == {
            n.fingerprint for n in new
        }
        old = publish(store, stands, draft(of, kept), [make("b.fits", of), make("c.fits", of)], confirm)
        assert_true(store, old)
        assert names(store) == {
            "manifest.json",
            "manifest.previous.json",
            *(item.path for item in old.products),
        }
        if finished:
            break
    assert finished
    assert number > 7


def test_killed_at_every_operation_of_the_file_system(tmp_path):
    script = Path(__file__).with_name("kill_everywhere.py")
    done = subprocess.run(
        [sys.executable, script, tmp_path], capture_output=True, text=True, check=False, env={**os.environ}
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= 20


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b"\xff\xfe", b'{"schema": 1, "obsid": "1"}'])
def test_a_damaged_manifest_counts_as_absent_and_is_set_aside(directory_store, make, draft, content):
    store = directory_store
    store.replace(f"{FOLDER}/manifest.json", content)
    store.replace(f"{FOLDER}/extraction-000000000000/x.fits", b"left over")
    assert read_manifest(store, OBSID, DATACLASS) is None
    assert store.read(f"{FOLDER}/manifest.json") == content
    published = publish(store, None, draft(), [make("a.fits")], confirm)
    assert read_manifest(store, OBSID, DATACLASS) == published
    assert store.read(f"{FOLDER}/manifest.damaged.json") == content
    assert names(store) == {"manifest.json", "manifest.damaged.json", published.products[0].path}


def test_a_manifest_of_another_dataset_counts_as_damaged(directory_store, make, draft):
    publish(directory_store, None, draft(dataclass="31100010"), [make("a.fits")], confirm)
    stray = directory_store.read(f"{OBSID}/31100010/manifest.json")
    directory_store.replace(f"{FOLDER}/manifest.json", stray)
    assert read_manifest(directory_store, OBSID, DATACLASS) is None


def test_a_manifest_of_the_future_is_not_touched(directory_store, make, draft):
    content = b'{"schema": 99, "wonders": []}'
    directory_store.replace(f"{FOLDER}/manifest.json", content)
    with pytest.raises(EnvironmentFault, match=r"schema 99 .* upgrade"):
        read_manifest(directory_store, OBSID, DATACLASS)
    with pytest.raises(EnvironmentFault, match="schema 99"):
        publish(directory_store, None, draft(), [make("a.fits")], confirm)
    assert names(directory_store) == {"manifest.json"}


def test_contradictions_are_refused(directory_store, make, draft, first_in_directory):
    store, first = directory_store, first_in_directory
    empty, gone = make("empty.fits", 2), make("gone.fits", 2)
    empty.file.write_bytes(b"")
    gone.file.unlink()
    stranger = first.products[0].model_copy(update={"size": 7})
    for products, made, why in (
        ((stranger,), [], "a.fits were never published"),
        (first.products, [make("a.fits", 2)], "a.fits are named twice"),
        ((), [make("z.fits"), make("z.fits")], "z.fits are named twice"),
        ((), [empty, gone], "empty.fits, gone.fits have no file or an empty one"),
        ((), [make("r.reg", step=Step.REGIONS)], "regions made products and have no record"),
    ):
        before = store.sizes()
        with pytest.raises(SoftwareFault, match=why):
            publish(store, first, draft(2, products), made, confirm)
        assert store.sizes() == before


def test_a_kept_product_that_vanished_stops_the_publication(directory_store, make, draft, first_in_directory):
    store, first = directory_store, first_in_directory
    store.delete([f"{FOLDER}/{first.products[0].path}"])
    with pytest.raises(Transient, match="vanished"):
        publish(store, first, draft(2, first.products), [make("c.fits", 2)], confirm)
    assert read_manifest(store, OBSID, DATACLASS) == first


@pytest.fixture
def first_in_directory(directory_store, make, draft):
    return publish(directory_store, None, draft(), [make("b.fits"), make("a.fits")], confirm)


def test_figures_of_steps_are_judged_and_what_was_told_comes_first(directory_store, make, draft):
    plain = draft()
    facts = {"wander_arcsec": 12.0}
    steps = plain.steps | {Step.EXPOSURE: plain.steps[Step.EXPOSURE].model_copy(update={"facts": facts})}
    told = caution("no-bad-pixels", "There is none.")
    wandering = plain.model_copy(update={"steps": steps, "cautions": (told,)})
    published = publish(directory_store, None, wandering, [make("a.fits")], confirm)
    assert [item.id for item in published.cautions] == ["no-bad-pixels", "attitude-spread"]
    # What a manifest says already is not said twice, and goes when the figures do.
    again = wandering.model_copy(update={"cautions": published.cautions, "products": published.products})
    assert publish(directory_store, published, again, [], confirm).cautions == published.cautions
    calm = plain.model_copy(update={"cautions": (told,), "products": published.products})
    assert publish(directory_store, published, calm, [], confirm).cautions == (told,)
