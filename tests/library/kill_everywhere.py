"""Kills a publication at every file-system operation in its store; run with an empty directory.

Each child is forked, counts the audited operations below the store and leaves by `os._exit` at the n-th.
The parent then checks what stands, publishes again, and checks that nothing is left over.
"""

import hashlib
import os
import sys
from pathlib import Path

from tasks.core.identifiers import DataClass, ObsID
from tasks.library.fingerprint import fingerprint
from tasks.library.manifest import Kind, Manifest, ProductSpec, Role, Step, StepRecord
from tasks.library.publication import NewProduct, publish, read_manifest, tidy
from tasks.library.store import open_store

OBSID, DATACLASS = ObsID("000128000"), DataClass("30000010")
FOLDER = f"{OBSID}/{DATACLASS}"
OPERATIONS = {"open", "os.rename", "os.link", "os.remove", "os.mkdir", "os.rmdir", "os.scandir"}
KILLED = 77


def draft(of, products=()):
    record = StepRecord(fingerprint=fingerprint(of), engine="native", versions={}, calls=())
    steps = {Step.EXTRACTION: record}
    return Manifest(obsid=OBSID, dataclass=DATACLASS, recipe="r", steps=steps, products=products)


def product(scratch, name, of):
    scratch.mkdir(parents=True, exist_ok=True)
    file = scratch / name
    file.unlink(missing_ok=True)
    file.write_bytes(os.urandom(100))
    spec = ProductSpec(step=Step.EXTRACTION, kind=Kind.IMAGE, role=Role.FIELD, name=name)
    return NewProduct(spec, fingerprint(name, of), file)


def second_publication(store, scratch):
    """Keeps image a, remakes b, adds c."""
    before = read_manifest(store, OBSID, DATACLASS)
    kept = tuple(item for item in before.products if item.name == "a")
    new = [product(scratch, name, 2) for name in ("b", "c")]
    return publish(store, before, draft(2, kept), new, lambda: None)


def killed_at(number, root, work):
    """Whether a child that was to die at this operation did."""
    child = os.fork()
    if child == 0:
        seen = 0

        def count(event, arguments):
            nonlocal seen
            if event in OPERATIONS and str(arguments[0]).startswith(str(root)):
                seen += 1
                if seen == number:
                    os._exit(KILLED)

        sys.addaudithook(count)
        work()
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == KILLED


def assert_true(root, manifest):
    for item in manifest.products:
        content = (root / FOLDER / item.path).read_bytes()
        assert hashlib.sha256(content).hexdigest() == item.sha256, item.path


def files(root):
    return {
        path.relative_to(root / FOLDER).as_posix() for path in (root / FOLDER).rglob("*") if path.is_file()
    }


def one_round(number, base):
    root = base / f"store-{number}"
    store = open_store(str(root))
    old = publish(store, None, draft(1), [product(base / "one", n, 1) for n in "ab"], lambda: None)
    killed = killed_at(number, root, lambda: second_publication(store, base / "two"))
    stands = read_manifest(store, OBSID, DATACLASS)
    assert stands is not None
    names = {item.name: item.fingerprint for item in stands.products}
    assert stands == old or names == {
        "a": fingerprint("a", 1),
        "b": fingerprint("b", 2),
        "c": fingerprint("c", 2),
    }
    assert_true(root, stands)
    if number % 2:
        tidy(store, OBSID, DATACLASS, lambda: None)
        assert files(root) - {"manifest.previous.json"} == {"manifest.json"} | {
            i.path for i in stands.products
        }
    again = second_publication(store, base / "three")
    assert_true(root, again)
    if stands != old:
        assert again == stands, "finished work is adopted"
    assert files(root) == {"manifest.json", "manifest.previous.json"} | {item.path for item in again.products}
    return killed


if __name__ == "__main__":
    base = Path(sys.argv[1])
    number = 1
    while one_round(number, base):
        number += 1
    sys.stdout.write(f"{number - 1}\n")
