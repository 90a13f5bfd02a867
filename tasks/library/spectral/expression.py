"""Model expressions as XSPEC writes them: `phabs*(powerlaw + gaussian)`, `phabs(bbody)`."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from tasks.core.errors import BadInput
from tasks.library.spectral.components import COMPONENTS, Component, Kind
from tasks.library.spectral.xspec_names import XSPEC_ONLY

_TOKEN: Final = re.compile(r"\s*([A-Za-z]\w*|[-+*()/])")
_MOST_COMPONENTS: Final = 30
_MOST_CHARACTERS: Final = 500


@dataclass(frozen=True)
class Leaf:
    """One component; its label is its name, with its place in the expression when the name is used twice."""

    label: str
    component: Component

    @property
    def kind(self) -> Kind:
        """What it is to others."""
        return self.component.kind


@dataclass(frozen=True)
class Sum:
    """Emission added up."""

    parts: "tuple[Node, ...]"
    kind: Kind = "additive"


@dataclass(frozen=True)
class Product:
    """Factors, of which one at most is emission."""

    parts: "tuple[Node, ...]"

    @property
    def kind(self) -> Kind:
        """Emission where one of the factors is; not known where one is not."""
        kinds = {part.kind for part in self.parts}
        return next((kind for kind in ("additive", "any") if kind in kinds), "multiplicative")


Node = Leaf | Sum | Product


def parse(text: str, *, xspec: bool = False) -> Node:
    """The model that an expression describes.

    As in XSPEC, of components of one name the later ones are called `name_N`, N being their place among all.

    Parameters
    ----------
    text : str
        The expression.
    xspec : bool
        Whether models that only XSPEC has may stand in it, of which nothing but the name is known.

    Raises
    ------
    BadInput
        When it is no expression, names what is not there, or does not describe emission.
    """
    if len(text) > _MOST_CHARACTERS:
        raise BadInput(f"the model {text[:20]!r}… is longer than {_MOST_CHARACTERS} characters")
    reader = _Reader(text, list(_tokens(text)), xspec)
    node = reader.sum()
    if reader.next is not None:
        raise reader.wrong(f"{reader.next!r} is not expected there")
    if node.kind == "multiplicative":
        raise BadInput(f"the model {text!r} has nothing that emits: it only absorbs")
    return node


def leaves(node: Node) -> Iterator[Leaf]:
    """The components in the order in which they are written."""
    if isinstance(node, Leaf):
        yield node
    else:
        for part in node.parts:
            yield from leaves(part)


def _tokens(text: str) -> Iterator[str]:
    position, stripped = 0, text.rstrip()
    while position < len(stripped):
        found = _TOKEN.match(stripped, position)
        if found is None:
            raise BadInput(f"the model {text!r} cannot be read at {stripped[position:].strip()[:20]!r}")
        yield found[1]
        position = found.end()


class _Reader:
    """Reads an expression from left to right."""

    def __init__(self, text: str, tokens: list[str], xspec: bool) -> None:
        self._text = text
        self._tokens = tokens
        self._xspec = xspec
        self._names: list[str] = []

    @property
    def next(self) -> str | None:
        """What comes; None at the end."""
        return self._tokens[0] if self._tokens else None

    def wrong(self, why: str) -> BadInput:
        return BadInput(f"the model {self._text!r} cannot be read: {why}")

    def sum(self) -> Node:
        parts = [self._product()]
        while self.next == "+":
            self._tokens.pop(0)
            parts.append(self._product())
        if len(parts) == 1:
            return parts[0]
        if any(part.kind == "multiplicative" for part in parts):
            raise self.wrong("only emission can be added")
        return Sum(tuple(parts))

    def _product(self) -> Node:
        parts = [self._factor()]
        while self.next in ("*", "("):
            if self.next == "*":
                self._tokens.pop(0)
            elif parts[-1].kind == "additive":
                raise self.wrong("something is missing before a bracket")
            parts.append(self._factor())
        if sum(part.kind == "additive" for part in parts) > 1:
            raise self.wrong("emission cannot be multiplied by emission")
        return parts[0] if len(parts) == 1 else Product(tuple(parts))

    def _factor(self) -> Node:
        word = self._tokens.pop(0) if self._tokens else None
        if word == "(":
            inside = self.sum()
            if self.next != ")":
                raise self.wrong("a bracket is not closed")
            self._tokens.pop(0)
            return inside
        if word is None:
            raise self.wrong("it ends where a component should come")
        if not word[0].isalpha():
            raise self.wrong(f"{word!r} stands where a component should come")
        return self._leaf(word)

    def _leaf(self, token: str) -> Leaf:
        name = token.lower()
        if name not in COMPONENTS and not (self._xspec and name in XSPEC_ONLY):
            raise BadInput(_missing(token))
        self._names.append(name)
        if len(self._names) > _MOST_COMPONENTS:
            raise self.wrong(f"it has more than {_MOST_COMPONENTS} components")
        repeated = self._names.count(name) > 1
        component = COMPONENTS.get(name, Component(name, "any"))
        return Leaf(f"{name}_{len(self._names)}" if repeated else name, component)


def _missing(name: str) -> str:
    known = ", ".join(sorted(COMPONENTS))
    if name.lower() not in XSPEC_ONLY:
        return f"there is no model component {name}: known are {known}"
    advice = "; phabs with the abundances wilm comes near, without its molecules and grains"
    return (
        f"{name} is a model of XSPEC, and Sherpa as installed here has no XSPEC models: there are {known}"
        f"{advice if name.lower() == 'tbabs' else ''}"
    )
