"""Publication: products become visible, and a manifest says so.

The order of things is what makes it safe. Products are put under names that nothing bears, then the
manifest is replaced in one go, then what no manifest names is deleted. Until the manifest is replaced the
old state stands untouched; after that the new one does. Whoever is killed leaves files that no manifest
names: the next publication of the dataset leaves them alone until its own manifest stands, and then
deletes them.

A folder that holds such files is not used again (the next one ends in `-2`), so that every key has had
one writer: one who lost the lease and comes back late takes away what it added itself, and nothing else.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from pydantic import ValidationError
from pydantic_core import from_json

from tasks.core.errors import EnvironmentFault, LeaseLost, SoftwareFault, Transient, XtendflowError
from tasks.core.identifiers import DataClass, ObsID
from tasks.library.fingerprint import file_sha256
from tasks.library.keys import DAMAGED_MANIFEST, MANIFEST, PREVIOUS_MANIFEST
from tasks.library.manifest import SCHEMA, Manifest, Product, ProductSpec, Step
from tasks.library.measured import judged_cautions
from tasks.library.store import Store
from tasks.xtend.cautions import Caution

_STEPS = list(Step)
_MANIFESTS = (MANIFEST, PREVIOUS_MANIFEST, DAMAGED_MANIFEST)


@dataclass(frozen=True)
class NewProduct:
    """A product that was made and checked, and is not published yet.

    Parameters
    ----------
    spec : ProductSpec
        What it is.
    fingerprint : str
        Hash over everything that decides it.
    file : Path
        The local file.
    cautions : tuple of Caution
        On this product.
    """

    spec: ProductSpec
    fingerprint: str
    file: Path
    cautions: tuple[Caution, ...] = ()


def read_manifest(store: Store, obsid: ObsID, dataclass: DataClass) -> Manifest | None:
    """What is done for a dataset; None when nothing is, or the manifest is damaged.

    A damaged one stays where it is until the next publication sets it aside.

    Raises
    ------
    EnvironmentFault
        When a newer version of this project has written it.
    """
    return _parse(store.read(f"{obsid}/{dataclass}/{MANIFEST}"), f"{obsid}/{dataclass}")


def missing(store: Store, manifest: Manifest, sizes: Mapping[str, int] | None = None) -> tuple[Product, ...]:
    """The products whose file is gone or has another size.

    Parameters
    ----------
    store, manifest
        Where, and what should be there.
    sizes : mapping, optional
        Sizes by key where the caller has listed the store already.
    """
    folder = _folder(manifest)
    found = store.sizes(folder) if sizes is None else sizes
    return tuple(item for item in manifest.products if found.get(f"{folder}/{item.path}") != item.size)


def publish(
    store: Store,
    before: Manifest | None,
    draft: Manifest,
    made: Iterable[NewProduct],
    confirm: Callable[[], None],
) -> Manifest:
    """Publish products and the manifest that names them.

    Parameters
    ----------
    store : Store
        Where to.
    before : Manifest or None
        What `read_manifest` gave when the work began.
    draft : Manifest
        The manifest to be; its products are those of `before` that stay, its cautions those that steps told.
        The cautions that the steps' figures ask for are added.
    made : iterable of NewProduct
        The products to add. One that `before` names with the same fingerprint, and that is there, is
        adopted instead.
    confirm : callable
        Raises `LeaseLost` when this process no longer holds the observation.

    Returns
    -------
    Manifest
        As published.

    Raises
    ------
    LeaseLost
        When another process took over; what was added here is taken away again.
    Transient
        When a product that should stay has vanished from the store.
    SoftwareFault
        When the draft and the new products contradict each other.
    """
    made = tuple(made)
    folder = _folder(draft)
    _check(before, draft, made)
    stored = store.read(f"{folder}/{MANIFEST}")
    if _parse(stored, folder) != before:
        raise LeaseLost(f"{folder}: another process has published since the work began")
    listed = store.sizes(folder)
    # Whoever still holds the lease here held it during the listing: what no manifest names is nobody's.
    confirm()
    for product in missing(store, draft, listed):
        raise Transient(f"{folder}/{product.path} has vanished from the store")
    adopted, new = _place(before, draft, made, listed)
    published, content = _completed(draft, (*adopted, *(product for product, _ in new)))
    if published != before:
        _add(store, folder, new, confirm)
        _replace_manifest(store, folder, before, stored, content, [item.path for item, _ in new])
    _clear(store, folder, listed, published)
    return published


def tidy(store: Store, obsid: ObsID, dataclass: DataClass, confirm: Callable[[], None]) -> None:
    """Delete what killed publications of a dataset have left."""
    folder = f"{obsid}/{dataclass}"
    listed = store.sizes(folder)
    manifest = read_manifest(store, obsid, dataclass)
    confirm()
    _clear(store, folder, listed, manifest)


def manifest_bytes(manifest: Manifest) -> bytes:
    """A manifest as it stands in the store."""
    return manifest.model_dump_json(by_alias=True, indent=1).encode() + b"\n"


def _folder(manifest: Manifest) -> str:
    return f"{manifest.obsid}/{manifest.dataclass}"


def _parse(content: bytes | None, folder: str) -> Manifest | None:
    """The manifest of a dataset's folder, or None when this is none."""
    if content is None:
        return None
    try:
        raw = from_json(content)
        if isinstance(raw, dict) and isinstance(raw.get("schema"), int) and raw["schema"] > SCHEMA:
            raise EnvironmentFault(
                f"{folder}/{MANIFEST} has schema {raw['schema']} and this version knows {SCHEMA}: "
                "upgrade xtendflow"
            )
        manifest = Manifest.model_validate(raw)
    except (ValueError, ValidationError):
        return None
    return manifest if _folder(manifest) == folder else None


def _check(before: Manifest | None, draft: Manifest, made: Sequence[NewProduct]) -> None:
    known = before.products if before else ()
    strangers = [product.name for product in draft.products if product not in known]
    names = [product.name for product in draft.products] + [item.spec.name for item in made]
    twice = {name for name in names if names.count(name) > 1}
    empty = [item.spec.name for item in made if not item.file.is_file() or not item.file.stat().st_size]
    unrecorded = {item.spec.step for item in made} - set(draft.steps)
    for wrong, why in (
        (strangers, "were never published"),
        (twice, "are named twice"),
        (empty, "have no file or an empty one"),
        (unrecorded, "made products and have no record"),
    ):
        if wrong:
            raise SoftwareFault(f"{_folder(draft)}: {', '.join(sorted(wrong))} {why}")


def _place(
    before: Manifest | None, draft: Manifest, made: Sequence[NewProduct], listed: Mapping[str, int]
) -> tuple[list[Product], list[tuple[Product, Path]]]:
    """The products that are there already, and the others with their files."""
    top = _folder(draft)
    known = {(item.name, item.fingerprint): item for item in (before.products if before else ())}
    adopted, rest = [], []
    for item in made:
        old = known.get((item.spec.name, item.fingerprint))
        if old and listed.get(f"{top}/{old.path}") == old.size:
            adopted.append(old)
        else:
            rest.append(item)
    folders = {
        step: _free_folder(
            f"{step}-{draft.steps[step].fingerprint[:12]}",
            {path.removeprefix(f"{top}/") for path in listed},
            {item.spec.name for item in rest if item.spec.step == step},
        )
        for step in {item.spec.step for item in rest}
    }
    return adopted, [(_product(item, folders[item.spec.step]), item.file) for item in rest]


def _free_folder(name: str, taken: set[str], files: set[str]) -> str:
    """The step's folder, or the first of its successors where all these names are free."""
    candidates = (name if number == 1 else f"{name}-{number}" for number in count(1))
    return next(folder for folder in candidates if not {f"{folder}/{file}" for file in files} & taken)


def _product(item: NewProduct, folder: str) -> Product:
    return Product(
        **item.spec.model_dump(),
        path=f"{folder}/{item.spec.name}",
        size=item.file.stat().st_size,
        sha256=file_sha256(item.file),
        fingerprint=item.fingerprint,
        cautions=item.cautions,
    )


def _completed(draft: Manifest, added: Iterable[Product]) -> tuple[Manifest, bytes]:
    """The manifest with its new products and what they tell, as it is read again from these bytes."""
    products = sorted((*draft.products, *added), key=lambda item: (_STEPS.index(item.step), item.name))
    whole = draft.model_copy(update={"products": tuple(products)})
    cautions = tuple(dict.fromkeys((*draft.cautions, *judged_cautions(whole))))
    content = manifest_bytes(whole.model_copy(update={"cautions": cautions}))
    published = _parse(content, _folder(draft))
    if published is None:
        raise SoftwareFault(f"{_folder(draft)}: the new manifest does not hold to its own schema")
    return published, content


def _add(store: Store, folder: str, new: Sequence[tuple[Product, Path]], confirm: Callable[[], None]) -> None:
    """Put the products; when that fails or the lease is lost, none of them stays."""
    added: list[str] = []
    try:
        for product, file in new:
            store.put(f"{folder}/{product.path}", file)
            added.append(f"{folder}/{product.path}")
        confirm()
    except XtendflowError as exc:
        with suppress(XtendflowError):
            store.delete(added)
        if isinstance(exc, SoftwareFault):  # a name that was free a moment ago is taken
            raise LeaseLost(f"{folder}: another process is publishing: {exc}") from exc
        raise


def _replace_manifest(
    store: Store, folder: str, before: Manifest | None, stored: bytes | None, new: bytes, added: list[str]
) -> None:
    if stored is not None:
        store.replace(f"{folder}/{PREVIOUS_MANIFEST if before else DAMAGED_MANIFEST}", stored)
    if not store.swap(f"{folder}/{MANIFEST}", stored, new):
        store.delete(f"{folder}/{path}" for path in added)
        raise LeaseLost(f"{folder}: another process has published meanwhile")


def _clear(store: Store, folder: str, listed: Iterable[str], manifest: Manifest | None) -> None:
    """Delete what was listed and no manifest names."""
    products = [item.path for item in manifest.products] if manifest else []
    kept = {f"{folder}/{name}" for name in (*_MANIFESTS, *products)}
    store.delete(key for key in listed if key not in kept and not key.startswith(f"{folder}/log/"))
