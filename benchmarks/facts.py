"""The facts that the engine has stored, read from its ledger in the oracle's form."""

from typing import Any, cast

import orjson
import redis

from benchmarks.oracle import Fact, Facts
from profile_state.leaf import Leaf
from profile_state.person import Person
from profile_state.stored import unpack

READ = 1_000  # people at a time


def in_ledger(client: redis.Redis, partition: int = 0) -> Facts:
    """Read everybody, after the run; cells are not facts of the oracle, so no slot is needed."""
    names = client.scan_iter(match=f"person:{{p{partition}}}:*", count=READ)
    found: Facts = {}
    page: list[bytes] = []
    for name in names:
        page.append(name)
        if len(page) == READ:
            found |= _read(client, page)
            page = []
    return found | _read(client, page)


def _read(client: redis.Redis, names: list[bytes]) -> Facts:
    if not names:
        return {}
    values = cast("list[bytes]", client.mget(names))
    people: list[Person] = [unpack(value, {}) for value in values]
    return {
        " ".join(sorted(person.ids)): {key: _fact(leaf) for key, leaf in person.leaves.items()}
        for person in people
    }


def _fact(leaf: Leaf) -> Fact:
    traits = sorted((name, _json(value)) for name, (_, _, value) in leaf.traits.items())
    return Fact(leaf.total, leaf.first, leaf.last, tuple(traits))


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()
