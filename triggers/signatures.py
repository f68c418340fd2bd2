"""Signatures of functions as data: the line that stands in docs/language.md says what each takes."""

import re
from types import ModuleType
from typing import NamedTuple

_FORM = re.compile(r"(\w+)\((.*)\)")
_OPTIONAL = re.compile(r"\[, ([^\]]+)\]")
WHERE, WINDOW, MORE = "[where ...]", "[, WINDOW]", "..."


class Argument(NamedTuple):
    """What a function takes beside what comes first, such as `CHANNEL` or `within DURATION`."""

    kind: str
    optional: bool = False


class Signature(NamedTuple):
    """What a function takes."""

    function: str
    first: str  # kind of what comes first, such as `EVENT.property`
    many: bool  # two of these or more
    named: dict[str, Argument]  # the others in order, by the word for each
    words: tuple[str, ...]  # that always stand there, such as `day`
    filtered: bool
    windowed: bool

    @property
    def mapping(self) -> str:
        """How a condition as a mapping begins that asks for it."""
        first = f"[{self.first}, {self.first}, ...]" if self.many else self.first
        named = "".join(
            f" [, {key}: {one.kind}]" if one.optional else f", {key}: {one.kind}"
            for key, one in self.named.items()
        )
        where = " [, where: ...]" if self.filtered else ""
        return f"{self.function}: {first}{named}{where}{' [, WINDOW]' if self.windowed else ''}"


def signature(text: str) -> Signature:
    """Read a signature; what stands behind ` | ` is another form of the same.

    Raises:
        ValueError: it is none.

    >>> signature("opened_last(NUMBER, CHANNEL)").mapping
    'opened_last: NUMBER, channel: CHANNEL'
    >>> signature("seq(EVENT, EVENT, ..., within DURATION [, WINDOW])").mapping
    'seq: [EVENT, EVENT, ...], within: DURATION [, WINDOW]'
    >>> signature("streak(EVENT [where ...], day)").words
    ('day',)
    """
    form = _FORM.fullmatch(text)
    if form is None:
        raise ValueError(
            f"a signature such as count(EVENT [, WINDOW]) was expected, found {text!r}"
        )
    function, inner = form.groups()
    filtered, windowed = WHERE in inner, WINDOW in inner
    inner = inner.partition(" | ")[0].replace(WHERE, "").replace(WINDOW, "")
    first, *rest = (part.strip() for part in _OPTIONAL.sub(r", \1?", inner).split(","))
    named: dict[str, Argument] = {}
    words: list[str] = []
    for part in rest:
        *key, kind = part.removesuffix("?").split()
        if kind in (first, MORE):
            continue
        if kind.islower():
            words.append(kind)
        else:
            named[key[0] if key else kind.lower()] = Argument(kind, part.endswith("?"))
    return Signature(function, first, MORE in rest, named, tuple(words), filtered, windowed)


def signature_of(module: ModuleType) -> Signature:
    """Read the signature of a function's module."""
    return signature(module.SIGNATURE)
