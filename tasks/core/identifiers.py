"""Checked identifiers: a value of these types is safe in a path, a query and a log line."""

import math
import re
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    ValidationError,
    model_serializer,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from tasks.core.errors import BadInput
from tasks.core.words import in_words


class _Identifier(str):
    """A string of one fixed form; anything else raises `BadInput`."""

    __slots__ = ()
    pattern: ClassVar[re.Pattern[str]]
    description: ClassVar[str]
    example: ClassVar[str]

    def __new__(cls, text: str) -> Self:
        if not (isinstance(text, str) and cls.pattern.fullmatch(text)):
            raise BadInput(f"{text!r} is not {cls.description}")
        return super().__new__(cls, text)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        def parse(text: str) -> "_Identifier":
            try:
                return cls(text)
            except BadInput as exc:
                raise ValueError(str(exc)) from exc

        return core_schema.no_info_after_validator_function(
            parse,
            core_schema.str_schema(pattern=f"^{cls.pattern.pattern}$"),
            serialization=core_schema.plain_serializer_function_ser_schema(str),
            metadata={
                "pydantic_js_updates": {
                    "description": f"{cls.description[:1].upper()}{cls.description[1:]}.",
                    "examples": [cls.example],
                }
            },
        )


class ObsID(_Identifier):
    """An observation's number: nine digits, always a string (`000128000`)."""

    __slots__ = ()
    pattern = re.compile(r"[0-9]{9}")
    description = "an ObsID (nine digits, such as 000128000)"
    example = "000128000"


class DataClass(_Identifier):
    """Eight hexadecimal digits that name CCDs, window and mode (`31100010`)."""

    __slots__ = ()
    pattern = re.compile(r"[0-9a-f]{8}")
    description = "a data class (eight hexadecimal digits, such as 30000010)"
    example = "30000010"


def _canonical(energy: Decimal) -> Decimal:
    """One spelling for each energy: 0.6, 0.60 and 6e-1 are the same band edge and the same fingerprint."""
    value = float(energy) if energy.is_finite() else math.inf
    if math.isinf(value):
        raise ValueError("an energy must be a finite number of keV")
    return Decimal(repr(value))


_KEV = r"([0-9]+\.?[0-9]*|\.[0-9]+)"


class Band(BaseModel):
    """An energy band in keV, kept in decimal so that channel edges are exact.

    In JSON it is text, `LOW-HIGH`, as people write it in recipes, forms and on the command line.

    Parameters
    ----------
    low, high : Decimal
        Bounds in keV, 0 ≤ low < high.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    low: Annotated[Decimal, AfterValidator(_canonical)]
    high: Annotated[Decimal, AfterValidator(_canonical)]

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: Any) -> Any:
        if isinstance(value, str):
            low, _, high = value.partition("-")
            return {"low": low.strip(), "high": high.strip()}
        return value

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not 0 <= self.low < self.high:
            raise ValueError(f"the band {self} is upside down or empty")
        return self

    @model_serializer(mode="plain", when_used="json")
    def _as_text(self) -> str:
        return str(self)

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return {
            "type": "string",
            "title": "Band",
            "description": "An energy band in keV, written LOW-HIGH.",
            "pattern": rf"^\s*{_KEV}\s*-\s*{_KEV}\s*$",
            "examples": ["0.6-10"],
        }

    @classmethod
    def parse(cls, text: str) -> Self:
        """The band written `LOW-HIGH` in keV.

        Raises
        ------
        BadInput
            When the text is no band or runs downwards.
        """
        try:
            return cls.model_validate(text)
        except ValidationError as exc:
            advice = "give LOW-HIGH in keV, such as 0.6-2"
            raise BadInput(f"{text!r} is not a band: {advice} ({in_words(exc)})") from exc

    def __str__(self) -> str:
        # Never with an exponent, whose sign would look like the dash.
        return f"{self.low:f}-{self.high:f}"
