"""The manifest: the truth about what is done for one dataset."""

from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from tasks.core.identifiers import DataClass, ObsID
from tasks.xtend.cautions import Caution

SCHEMA = 1
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Step(StrEnum):
    """The steps, in the order in which they run."""

    DOWNLOAD = "download"
    PROCESSING = "processing"
    EXPOSURE = "exposure"
    REGIONS = "regions"
    EXTRACTION = "extraction"
    DERIVED = "derived"
    RESPONSES = "responses"
    FIT = "fit"


class Kind(StrEnum):
    """What a product is."""

    EVENTS = "cleaned-events"
    BAD_PIXELS = "bad-pixel-image"
    FLICKERING = "flickering-pixels"
    EXPOSURE_MAP = "exposure-map"
    EFFICIENCY_MAP = "efficiency-map"
    REGION = "region"
    IMAGE = "image"
    RATE_IMAGE = "rate-image"
    LIGHT_CURVE = "light-curve"
    SPECTRUM = "spectrum"
    GROUPED_SPECTRUM = "grouped-spectrum"
    RMF = "rmf"
    ARF = "arf"
    RAYTRACE = "raytraced-events"
    LOADER = "loader-script"
    FIT = "fit"


class Role(StrEnum):
    """Which events a product holds, or what it is for."""

    FIELD = "field"
    SOURCE = "source"
    BACKGROUND = "background"
    NET = "net"
    CALIBRATION = "calibration"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class InputFile(_Part):
    """A verified archive file: its path below the ObsID, size in bytes and content's hash."""

    name: str
    size: int
    sha256: Sha256


class Target(_Part):
    """The position products are made for, in degrees (FK5, J2000), and where it was taken from."""

    name: str
    ra: float
    dec: float
    origin: Literal["asked for", "RA_OBJ/DEC_OBJ of the events"]


class ProductSpec(_Part):
    """A product to be made.

    Parameters
    ----------
    step : Step
        The step that makes it.
    kind, role : Kind, Role
        What it is.
    name : str
        File name; no two products of a dataset share one.
    entry : dict
        The recipe's entry it answers: band, channels, binning, time_bin, grouping, as they apply.
    """

    step: Step
    kind: Kind
    role: Role
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.+-]*$")]
    entry: dict[str, Any] = {}


class Product(ProductSpec):
    """A published file: `path` is relative to the dataset's folder in the store."""

    path: str
    size: Annotated[int, Field(gt=0)]
    sha256: Sha256
    fingerprint: Sha256
    cautions: tuple[Caution, ...] = ()


class StepRecord(_Part):
    """How a step was done: its fingerprint, engine, versions, the exact calls, and what they told."""

    fingerprint: Sha256
    engine: str
    versions: dict[str, str]
    calls: tuple[dict[str, Any], ...]
    facts: dict[str, Any] = {}
    cautions: tuple[Caution, ...] = ()


class NotMade(_Part):
    """Something the recipe asks for that is not there, and why.

    Where the step itself found out, `name` and `fingerprint` say which product it was: as long as the
    fingerprint stays, asking again would give the same answer.
    """

    step: Step
    kind: Kind
    role: Role | None = None
    why: str
    name: str | None = None
    fingerprint: Sha256 | None = None


class Manifest(_Part):
    """What is done for one dataset; replaced as a whole, in one rename or one PUT."""

    schema_version: Annotated[int, Field(alias="schema", serialization_alias="schema")] = SCHEMA
    obsid: ObsID
    dataclass: DataClass
    recipe: str
    target: Target | None = None
    inputs: tuple[InputFile, ...] = ()
    steps: dict[Step, StepRecord] = {}
    products: tuple[Product, ...] = ()
    not_made: tuple[NotMade, ...] = ()
    cautions: tuple[Caution, ...] = ()

    def of(self, step: Step) -> tuple[Product, ...]:
        """The products that a step made."""
        return tuple(product for product in self.products if product.step == step)

    def find(self, kind: Kind, role: Role | None = None, **entry: Any) -> tuple[Product, ...]:
        """The products of a kind, a role (any when None) and with these entries."""
        return tuple(
            product
            for product in self.products
            if product.kind == kind
            and role in (None, product.role)
            and all(product.entry.get(key) == value for key, value in entry.items())
        )
