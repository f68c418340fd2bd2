"""Free-form values (properties, traits, context): checked once, at the door."""

from functools import lru_cache
from typing import Any

from events.limits import Limits
from events.names import slug
from events.rejected import RefusedError

SAFE_INTEGER = 2**53 - 1  # beyond it, JavaScript and every float column round silently

USUAL = 32  # keys of an object that are looked up together; more would make the cache large

# A worker, a template or a console in JavaScript could take them for the object's own machinery.
_DANGEROUS = frozenset({"__proto__", "constructor", "prototype"})


class Check:
    """One event's pass over its values; counts what the limits are about.

    >>> check = Check(Limits())
    >>> check.fields("properties", {"firstName": "Ana", "__proto__": 1})
    {'first_name': 'Ana'}
    >>> check.dropped
    1
    """

    __slots__ = ("_nodes", "dropped", "limits", "short")

    def __init__(self, limits: Limits, size: int | None = None) -> None:
        """Begin.

        Args:
            limits: of the event.
            size: bytes of its JSON, where they are known; no text in it can have more.
        """
        self.limits = limits
        most = limits.string_bytes
        # Characters that fit whatever they are.
        self.short = most if size is not None and size <= most else most // 4
        self._nodes = 0
        self.dropped = 0

    def fields(self, where: str, fields: dict[str, Any]) -> dict[str, Any]:
        """Return `fields` under their slugs; nested objects keep their keys.

        Where two keys share a slug, the key spelled like the slug wins, else the smallest.

        Raises:
            RefusedError: when a limit is passed or a number would not survive.
        """
        if not fields or (len(fields) <= USUAL and self._simple(fields)):
            names = distinct(tuple(fields))
            if names is not None:
                self._enter(where, fields)
                return dict(zip(names, fields.values(), strict=True)) if names else fields
        before = self._nodes, self.dropped
        kept = self._slugged(where, fields)
        if len(kept) != len(fields):
            # Order must not decide, so that two spellings of one event are one event: the
            # winner comes last.
            order = sorted(sorted(fields, reverse=True), key=lambda key: _field_name(key) == key)
            self._nodes, self.dropped = before
            kept = self._slugged(where, {key: fields[key] for key in order})
        if "" in kept:
            del kept[""]
        return kept

    def scalar(self, where: str, key: str, value: Any) -> bool:
        """Whether `value` is a string, number or boolean worth keeping.

        Raises:
            RefusedError: when it is one and beyond its limit.
        """
        if type(value) is str:
            if len(value) > self.short:
                self._string(where, key, value)
            return value != ""
        kind = type(value)
        if kind is int and not -SAFE_INTEGER <= value <= SAFE_INTEGER:
            self._number(where, key)
        return kind is int or kind is float or kind is bool

    def _simple(self, fields: dict[str, Any]) -> bool:
        """Whether no value needs a closer look, as in nearly every event."""
        for value in fields.values():
            kind = type(value)
            if kind is str:
                if len(value) > self.short:
                    return False
            elif kind is int:
                if not -SAFE_INTEGER <= value <= SAFE_INTEGER:
                    return False
            elif kind is dict or kind is list:
                return False
        return True

    def _slugged(self, where: str, fields: dict[str, Any]) -> dict[str, Any]:
        self._enter(where, fields)
        kept: dict[str, Any] = {}
        for key, value in fields.items():
            kind = type(value)
            if kind is str:
                if len(value) > self.short:
                    self._string(where, key, value)
            elif kind is int:
                if not -SAFE_INTEGER <= value <= SAFE_INTEGER:
                    self._number(where, key)
            elif kind is dict or kind is list:
                value = self._nested(f"{where}.{key[:64]}", value, 2)  # noqa: PLW2901 - the checked one
            if len(key) > 32:
                self._key(where, key)
            name = _field_name(key)
            if not name:
                self.dropped += 1
            kept[name] = value
        return kept

    def _nested(self, where: str, value: Any, depth: int) -> Any:
        if depth > self.limits.depth:
            raise RefusedError("too_deep", f"{where}: more than {self.limits.depth} levels")
        self._enter(where, value)
        if type(value) is list:
            return [self._value(where, "[]", item, depth) for item in value]
        kept = {}
        for key, item in value.items():
            if len(key) > 32:
                self._key(where, key)
            if key in _DANGEROUS:
                self.dropped += 1
            else:
                kept[key] = self._value(where, key, item, depth)
        return kept

    def _value(self, where: str, key: str, value: Any, depth: int) -> Any:
        kind = type(value)
        if kind is dict or kind is list:
            return self._nested(where, value, depth + 1)
        if kind is str and len(value) > self.short:
            self._string(where, key, value)
        elif kind is int and not -SAFE_INTEGER <= value <= SAFE_INTEGER:
            self._number(where, key)
        return value

    def _enter(self, where: str, container: dict[str, Any] | list[Any]) -> None:
        count = len(container)
        self._nodes += count
        if count > self.limits.keys and type(container) is dict:
            raise RefusedError(
                "too_many_keys", f"{where}: {count} keys, at most {self.limits.keys}"
            )
        if self._nodes > self.limits.nodes:
            raise RefusedError("too_many_values", f"{where}: more than {self.limits.nodes} values")

    def _key(self, where: str, key: str) -> None:
        size = len(key.encode())
        if size > self.limits.key_bytes:
            allowed = self.limits.key_bytes
            raise RefusedError("key_too_long", f"{where}: a key of {size} bytes, at most {allowed}")

    def _string(self, where: str, key: str, value: str) -> None:
        size = len(value.encode())
        if size > self.limits.string_bytes:
            allowed = self.limits.string_bytes
            raise RefusedError(
                "string_too_long", f"{where}.{key[:64]}: {size} bytes, at most {allowed}"
            )

    def _number(self, where: str, key: str) -> None:
        raise RefusedError(
            "number_out_of_range",
            f"{where}.{key[:64]}: an integer beyond ±(2^53-1) would be rounded; send it as text",
        )


@lru_cache(maxsize=2048)  # an installation sends the same sets of keys again and again
def distinct(keys: tuple[str, ...]) -> tuple[str, ...] | None:
    """Return the slugs of an object's keys, () where they are their own; None where one is special."""
    names = tuple(map(_field_name, keys))
    if "" in names or len(set(names)) < len(names) or any(len(key) > 32 for key in keys):
        return None
    return () if names == keys else names


@lru_cache(maxsize=8192)
def _field_name(key: str) -> str:
    """Return the slug; `""` for a key to drop, and the key itself where it has no slug."""
    name = slug(key)
    if key in _DANGEROUS or name in _DANGEROUS:
        return ""
    return name or key or "_"


def typed(text: str) -> Any:
    """Read what is written without a type; what a number would not give back as it was, such as 007, stays a text.

    >>> typed("9.50"), typed("007"), typed("TRUE"), typed("1e5"), typed("red")
    (9.5, '007', True, '1e5', 'red')
    """
    lowered = text.strip().lower()
    if lowered in ("true", "false"):
        return lowered == "true"
    digits = lowered.removeprefix("-").replace(".", "", 1)
    if not digits.isascii() or not digits.isdigit() or len(digits) > 15:
        return text
    if len(digits) > 1 and digits[0] == "0" and not lowered.removeprefix("-").startswith("0."):
        return text
    return float(lowered) if "." in lowered else int(lowered)


def typed_whole(value: Any) -> Any:
    """Read every text in lists and mappings so; the files of a workspace hold nothing but texts.

    >>> typed_whole({"total": "89.90", "lines": [{"count": "3", "zip": "01067"}]})
    {'total': 89.9, 'lines': [{'count': 3, 'zip': '01067'}]}
    """
    match value:
        case str():
            return typed(value)
        case list():
            return [typed_whole(one) for one in value]
        case dict():
            return {key: typed_whole(one) for key, one in value.items()}
    return value
