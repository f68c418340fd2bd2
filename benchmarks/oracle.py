"""What the facts must be: a naive reading of the same JSON, which shares no code with the engine.

It knows the load's simple shape: an event's leaf is its `userId`, else its `anonymousId`; an
anonymous id is joined to one user at most; a browser's clock is right, so an event happened at
its `timestamp`. Of a leaf it computes the total, the first and the last instant and the traits;
of the leaves, who is one person.
"""

import hashlib
from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple

import orjson

FROM_CONTEXT = ("locale", "timezone")  # the engine remembers these like traits


class Fact(NamedTuple):
    """One leaf."""

    total: int
    first: int  # ms
    last: int
    traits: tuple[tuple[str, str], ...]  # sorted; a value is JSON


Facts = dict[str, dict[str, Fact]]  # a person's identifiers, sorted and joined -> its leaves


def facts_of(bodies: Iterable[bytes]) -> Facts:
    """Read events and compute the facts.

    Args:
        bodies: JSON of one event each; copies count once.

    >>> body = b'{"messageId":"m1","userId":"u","timestamp":"1970-01-01T00:00:01Z"}'
    >>> facts_of([body, body])
    {'user_id:u': {'user_id:u': Fact(total=1, first=1000, last=1000, traits=())}}
    """
    leaves: dict[str, dict[str, Any]] = {}
    user_of: dict[str, str] = {}  # anonymous id -> user id
    seen: set[tuple[str, str]] = set()
    for body in bodies:
        event = orjson.loads(body)
        ids = _ids(event)
        if (ids[0], event["messageId"]) in seen:
            continue
        seen.add((ids[0], event["messageId"]))
        if len(ids) == 2 and user_of.setdefault(ids[1], ids[0]) != ids[0]:
            raise ValueError(f"{ids[1]} belongs to {user_of[ids[1]]} and to {ids[0]}")
        _add(leaves.setdefault(ids[0], {"times": [], "traits": {}}), event)
    return _grouped(leaves, user_of)


def _ids(event: dict[str, Any]) -> list[str]:
    named = (("user_id", event.get("userId")), ("anonymous_id", event.get("anonymousId")))
    return [f"{kind}:{value}" for kind, value in named if value]


def _add(leaf: dict[str, Any], event: dict[str, Any]) -> None:
    time = round(datetime.fromisoformat(event["timestamp"]).timestamp() * 1000)
    leaf["times"].append(time)
    context = event.get("context", {})
    said = {name: context[name] for name in FROM_CONTEXT if name in context}
    for name, value in {**said, **event.get("traits", {})}.items():
        stated = (time, event["messageId"], orjson.dumps(value).decode())
        leaf["traits"][name] = max(leaf["traits"].get(name, stated), stated)


def _grouped(leaves: dict[str, dict[str, Any]], user_of: dict[str, str]) -> Facts:
    people: dict[str, set[str]] = {}
    for name in leaves:
        people.setdefault(user_of.get(name, name), set()).add(name)
    for anonymous, user in user_of.items():
        people.setdefault(user, set()).update((user, anonymous))
    return {
        " ".join(sorted(ids)): {name: _fact(leaves[name]) for name in ids if name in leaves}
        for ids in people.values()
    }


def _fact(leaf: dict[str, Any]) -> Fact:
    traits = sorted((name, value) for name, (_, _, value) in leaf["traits"].items())
    times = leaf["times"]
    return Fact(len(times), min(times), max(times), tuple(traits))


def hash_of(facts: Facts) -> str:
    """Return a digest of facts, the same whatever order they came in.

    >>> hash_of({}) == hash_of({"user_id:u": {}})
    False
    """
    ordered = sorted((person, sorted(leaves.items())) for person, leaves in facts.items())
    return hashlib.blake2b(repr(ordered).encode(), digest_size=16).hexdigest()


def first_difference(expected: Facts, found: Facts) -> str:
    """Say where facts differ first, "" where they do not.

    >>> first_difference({"user_id:u": {}}, {})
    'user_id:u: the oracle has {}, the ledger has nobody'
    """
    for person in sorted(expected.keys() | found.keys()):
        ours, theirs = expected.get(person), found.get(person)
        if ours != theirs:
            has = ["nobody" if facts is None else str(facts) for facts in (ours, theirs)]
            return f"{person}: the oracle has {has[0]}, the ledger has {has[1]}"
    return ""
