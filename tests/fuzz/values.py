"""JSON that stays JSON: one value in it becomes an odd one. Bytes changed at random rarely do."""

import json
from random import Random
from typing import Any

ODD: list[Any] = [
    None, True, 0, -1, 7, 1.5, 2**53, 1e308, "", " ", "null", "\x00", "\ud800", "é" * 200, "x" * 9_000,
    [], {}, [[]], {"a": 1}, ["a"], "2026-02-30T25:61:61Z", "0001-01-01T00:00:00+23:59", "9" * 20,
    "user_id:", "a@b", "+1", "opt_in_confirmed", "consent_updated", "__proto__",
]  # fmt: skip


def changed(text: bytes, chance: Random) -> bytes | None:
    """Return it with one value changed, None where it is no JSON.

    >>> changed(b'{"a": 1}', Random(3)) != changed(b'{"a": 1}', Random(4))
    True
    """
    try:
        whole = json.loads(text)
    except (ValueError, RecursionError):
        return None
    holders = [one for one in _within([whole]) if isinstance(one, dict | list) and one]
    if not holders:
        return None
    holder = holders[0] if chance.random() < 0.5 else chance.choice(holders)
    place = chance.choice(list(holder) if isinstance(holder, dict) else range(len(holder)))
    holder[place] = chance.choice(ODD)
    return json.dumps(whole).encode()


def _within(value: Any) -> list[Any]:
    found, left = [], [value]
    while left:
        one = left.pop()
        found.append(one)
        if isinstance(one, dict | list):
            left += one.values() if isinstance(one, dict) else one
    return found[1:]
