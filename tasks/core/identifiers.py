"""Checked identifiers: a value of these types is safe in a path, a query and a log line."""

import re
from decimal import Decimal, InvalidOperation
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, model_validator
from pydantic_core import CoreSchema, core_schema

from tasks.core.errors import BadInput


class _Identifier(str):
    """A string of one fixed form; anything else raises `BadInput`."""

    __slots__ = ()
    pattern: ClassVar[re.Pattern[str]]
    description: ClassVar[str]

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
        )


class ObsID(_Identifier):
    """An observation's number: nine digits, always a string (`000128000`)."""

    __slots__ = ()
    pattern = re.compile(r"[0-9]{9}")
    description = "an ObsID (nine digits, such as 000128000)"


class DataClass(_Identifier):
    """Eight hexadecimal digits that name CCDs, window and mode (`31100010`)."""

    __slots__ = ()
    pattern = re.compile(r"[0-9a-f]{8}")
    description = "a data class (eight hexadecimal digits, such as 30000010)"


class Band(BaseModel):
    """An energy band in keV, kept in decimal so that channel edges are exact.

    Parameters
    ----------
    low, high : Decimal
        Bounds in keV, 0 ≤ low < high.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    low: Decimal
    high: Decimal

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: Any) -> Any:
        if isinstance(value, str):
            low, _, high = value.partition("-")
            return {"low": low.strip(), "high": high.strip()}
        return value

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not (self.low.is_finite() and self.high.is_finite() and 0 <= self.low < self.high):
            raise ValueError(f"the band {self} is upside down or empty: give LOW-HIGH in keV")
        return self

    @classmethod
    def parse(cls, text: str) -> Self:
        """The band written `LOW-HIGH` in keV.

        Raises
        ------
        BadInput
            When the text is no band or runs downwards.
        """
        low, dash, high = text.partition("-")
        try:
            bounds = Decimal(low.strip()), Decimal(high.strip())
        except InvalidOperation:
            dash = ""
        if not (dash and all(bound.is_finite() for bound in bounds)):
            raise BadInput(f"{text!r} is not a band: give LOW-HIGH in keV, such as 0.6-2")
        if not 0 <= bounds[0] < bounds[1]:
            raise BadInput(f"the band {text} is upside down or empty: give LOW-HIGH in keV")
        return cls(low=bounds[0], high=bounds[1])

    def __str__(self) -> str:
        return f"{float(self.low)!r}-{float(self.high)!r}"
