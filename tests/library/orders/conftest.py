"""A dataset and what every step would publish of it, without a file."""

from collections.abc import Callable
from typing import Any

import pytest

from tasks.library.dataset import Dataset
from tasks.library.fingerprint import fingerprint
from tasks.library.manifest import Kind, Manifest, NotMade, Product, Role, Step, StepRecord
from tasks.library.orders import PRODUCT_STEPS, Order, Wanted, order

OBSID, DATACLASS = "900001010", "30000010"
EVENTS = f"xtend/event_cl/xa{OBSID}xtd_p0{DATACLASS}_cl.evt.gz"
BIMG = f"xtend/event_uf/xa{OBSID}xtd_p0{DATACLASS}.bimg.gz"
EHK = f"auxil/xa{OBSID}.ehk.gz"
RMF = f"xtend/products/xa{OBSID}xtd_src.rmf.gz"
UNFILTERED = f"xtend/event_uf/xa{OBSID}xtd_p0{DATACLASS}_uf.evt.gz"
TARGET = {"name": "AX J1910.7+0917", "ra": 287.6, "dec": 9.3, "origin": "RA_OBJ/DEC_OBJ of the events"}

Content = Callable[[Wanted, Dataset], object]


@pytest.fixture
def dataset() -> Callable[..., Dataset]:
    """Makes the dataset; `recipe` is merged into a small one, `content` gives other files other hashes."""

    def make(
        recipe: dict[str, Any] | None = None,
        content: dict[str, object] | None = None,
        absent: tuple[str, ...] = (),
        **fields: Any,
    ) -> Dataset:
        parts: dict[str, Any] = {
            "images": {"bands": ("0.6-2", "0.4-2")},
            "light_curves": {"bands": ("0.6-2", "2-6")},
        }
        for name, part in (recipe or {}).items():
            parts[name] = parts.get(name, {}) | part if isinstance(part, dict) else part
        held = [name for name in (EVENTS, BIMG, EHK, RMF, UNFILTERED) if name not in absent]
        hashes = {name: (content or {}).get(name, name) for name in held}
        inputs = {
            "events": (EVENTS,),
            "bad_pixels": BIMG if BIMG in held else None,
            "ehk": EHK if EHK in held else None,
            "rmf": RMF if RMF in held else None,
            "inputs": tuple(
                {"name": name, "size": 1, "sha256": fingerprint(given)} for name, given in hashes.items()
            ),
        }
        plain: dict[str, Any] = {
            "obsid": OBSID,
            "dataclass": DATACLASS,
            "recipe": parts,
            "inputs": inputs,
            "engines": {step: {"name": "native", "versions": {"native": "1"}} for step in Step},
        }
        return Dataset.model_validate(plain | fields)

    return make


def plain_content(wanted: Wanted, dataset: Dataset) -> object:
    """Regions depend on circles alone; everything else on all that its fingerprint holds."""
    if wanted.spec.kind != Kind.REGION:
        return wanted.fingerprint
    recipe, role = dataset.recipe, wanted.spec.role
    radii = {Role.SOURCE: recipe.source.radius_arcmin, Role.BACKGROUND: recipe.background.radius_arcmin}
    return radii.get(role, "always")


@pytest.fixture
def done() -> Callable[..., Manifest]:
    """Makes the manifest of a dataset of which everything is done; a product without content is not made."""

    def make(dataset: Dataset, content: Content = plain_content, target: dict[str, Any] | None = None):
        manifest = Manifest(obsid=dataset.obsid, dataclass=dataset.dataclass, recipe="any")
        for step in (Step.PROCESSING, *PRODUCT_STEPS):
            asked = order(step, dataset, manifest)
            facts = {"target": target or TARGET} if step == Step.PROCESSING else {}
            given = [(item, content(item, dataset)) for item in asked.wanted]
            manifest = manifest.model_copy(
                update={
                    "steps": {**manifest.steps, step: _record(asked, facts)},
                    "products": (*manifest.products, *(_product(*pair) for pair in given if pair[1])),
                    "not_made": (*manifest.not_made, *asked.not_made, *filter(None, map(_refusal, given))),
                }
            )
        return manifest

    return make


def _record(asked: Order, facts: dict[str, Any]) -> StepRecord:
    return StepRecord(fingerprint=asked.fingerprint, engine="native", versions={}, calls=(), facts=facts)


def _product(wanted: Wanted, content: object) -> Product:
    return Product(
        **wanted.spec.model_dump(),
        path=f"somewhere/{wanted.spec.name}",
        size=1,
        sha256=fingerprint(content),
        fingerprint=wanted.fingerprint,
        cautions=wanted.cautions,
    )


def _refusal(given: tuple[Wanted, object]) -> NotMade | None:
    wanted, content = given
    if content:
        return None
    spec = wanted.spec
    return NotMade(
        step=spec.step, kind=spec.kind, role=spec.role, why=f"no {spec.role}", name=spec.name,
        fingerprint=wanted.fingerprint,
    )  # fmt: skip
