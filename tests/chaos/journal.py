"""A journal of what manifests named while others worked: which file stood for which product, and when."""

import json
import threading
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

_LOOK_SECONDS = 0.1


class Journal:
    """Watches the manifests of a directory store from a thread.

    A product of a dataset with one fingerprint is one file for ever: a second one would mean that somebody
    published what was published already.
    """

    def __init__(self, store: Path) -> None:
        self._store = store
        self._seen: dict[Path, tuple[int, int]] = {}
        self._files: dict[tuple[str, str, str], set[tuple[str, int, int]]] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()
        self.look()

    def twice(self) -> list[str]:
        """The products for which more than one file was published."""
        return [
            f"{dataset}: {name} was published {len(files)} times for fingerprint {mark[:12]}: "
            + ", ".join(f"{path} (inode {inode})" for path, inode, _ in sorted(files))
            for (dataset, name, mark), files in self._files.items()
            if len(files) > 1
        ]

    def look(self) -> None:
        """Note the manifests that have changed."""
        for pattern in ("*/*/manifest.previous.json", "*/*/manifest.json"):
            for path in self._store.glob(pattern):
                with suppress(OSError, ValueError):
                    self._note(path)

    def _watch(self) -> None:
        while not self._ended.wait(_LOOK_SECONDS):
            self.look()

    def _note(self, path: Path) -> None:
        found = path.stat()
        mark = (found.st_ino, found.st_mtime_ns)
        if self._seen.get(path) == mark:
            return
        content: dict[str, Any] = json.loads(path.read_bytes())
        self._seen[path] = mark
        dataset = f"{content['obsid']}/{content['dataclass']}"
        for product in content["products"]:
            # One whose manifest was replaced meanwhile may be gone; it is known already.
            with suppress(FileNotFoundError):
                known = (path.parent / product["path"]).stat()
                file = (product["path"], known.st_ino, known.st_mtime_ns)
                key = (dataset, product["name"], product["fingerprint"])
                self._files.setdefault(key, set()).add(file)
