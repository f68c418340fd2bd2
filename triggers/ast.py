"""The closed syntax tree of the expression language. Nothing else can be said in a condition."""

from typing import Any

import msgspec


class Literal(msgspec.Struct, frozen=True):
    """A number, text or truth value."""

    value: Any
    column: int = 0


class Duration(msgspec.Struct, frozen=True):
    """A length of time in ms."""

    ms: int
    column: int = 0


class Name(msgspec.Struct, frozen=True):
    """A bare word or a dotted path: a trait, a property, or on the right side plain text."""

    path: str
    column: int = 0


class Window(msgspec.Struct, frozen=True):
    """The time that a function looks at: `last 7d`, `between 30d and 7d ago`, `since entry`."""

    start: int | None  # ms ago, inclusive; None for the entry into the trigger
    end: int = 0  # ms ago, inclusive


class Source(msgspec.Struct, frozen=True):
    """What a function looks at: an event, `event.property`, or another name."""

    path: str
    column: int = 0


class Call(msgspec.Struct, frozen=True):
    """A function over events, such as `count(product_viewed where price > 5, last 7d)`."""

    function: str
    sources: tuple[Source, ...] = ()
    where: "Node | None" = None  # of the first source
    window: Window | None = None  # None means ever
    within: int | None = None  # ms
    number: int | float | None = None
    column: int = 0

    @property
    def source(self) -> str | None:
        """The first source."""
        return self.sources[0].path if self.sources else None

    @property
    def source_column(self) -> int:
        """Where it stands."""
        return self.sources[0].column if self.sources else self.column


class Compare(msgspec.Struct, frozen=True):
    """`left op right`; op is one of = != < <= > >= in contains starts_with."""

    op: str
    left: "Node"
    right: "Node"
    column: int = 0


class Exists(msgspec.Struct, frozen=True):
    """True where the value is not missing."""

    value: "Node"
    column: int = 0


class Band(msgspec.Struct, frozen=True):
    """`score is high`: a band that workspace.yaml sets."""

    score: "Node"
    band: str
    column: int = 0


class Arithmetic(msgspec.Struct, frozen=True):
    """`left op right` with op one of + - * /; missing where a side is."""

    op: str
    left: "Node"
    right: "Node"


class Not(msgspec.Struct, frozen=True):
    """True where `inner` is false."""

    inner: "Node"


class All(msgspec.Struct, frozen=True):
    """True where every one is."""

    of: tuple["Node", ...]


class Some(msgspec.Struct, frozen=True):
    """True where at least `least` of them are."""

    of: tuple["Node", ...]
    least: int = 1


class Many(msgspec.Struct, frozen=True):
    """A list of literals, for `in`."""

    values: tuple[Any, ...]


Node = (
    Literal
    | Duration
    | Name
    | Call
    | Compare
    | Exists
    | Band
    | Arithmetic
    | Not
    | All
    | Some
    | Many
)
