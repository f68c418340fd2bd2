"""Read a ledger that stands still, as the commands that fill an empty one.

It is read from a server of our own that holds a snapshot; of a ledger that is written into
meanwhile people who merge or part would be missed, or met twice.
"""

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any, cast

import redis

from profile_state.stores.keys import SHARED, Command, Keys

PAGE = 500  # keys or members in one command: a call of Lua takes some 8,000 words
BYTES = 64 * 1024  # in one command; what is larger is alone in it
LOOK = 1000  # keys in one step of a scan


def mark(client: redis.Redis, keys: Keys) -> Command | None:
    """Return what writes the mark; None where the ledger was never begun, or is half restored."""
    if client.exists(keys.restoring):
        return None
    found = cast("dict[bytes, bytes]", client.hgetall(keys.mark))
    return ["HSET", keys.mark, *(w for pair in found.items() for w in pair)] if found else None


def entry_of(mark: Command) -> int:
    """Return up to which entry of the log a mark says that everything is there.

    >>> entry_of(["HSET", "mark:{p0}", b"entry", b"7", b"nth", b"0"])
    7
    """
    return int(mark[mark.index(b"entry") + 1])


def commands(client: redis.Redis, keys: Keys) -> Iterator[Command]:
    """Yield everything of a partition but its mark."""
    own, shared, sets = [], [], []
    for key in cast("Iterator[bytes]", client.scan_iter(count=LOOK)):
        if key.startswith(keys.prefixes):
            own.append(key)
            if len(own) == LOOK:
                yield from _strings(client, own)
                own = []
        elif key.startswith(keys.seen_items):
            sets.append(key)
        elif key.startswith(SHARED):
            shared.append(key)
    yield from _strings(client, own)
    yield from _passing(client, shared)
    for key in sets:
        yield from _sorted_set(client, key.decode())
    for name in keys.single:
        kind = cast("bytes", client.type(name)).decode()
        if kind != "none":
            yield from _READ[kind](client, name)


def _strings(client: redis.Redis, keys: list[bytes]) -> Iterator[Command]:
    if not keys:
        return
    values = cast("list[bytes]", client.mget(keys))
    yield from _paged(["MSET"], zip(keys, values, strict=True))


def _passing(client: redis.Redis, keys: list[bytes]) -> Iterator[Command]:
    """Yield values that are everybody's, some of which end; one that is there is the newer one."""
    for start in range(0, len(keys), PAGE):
        page = keys[start : start + PAGE]
        asked = client.pipeline(transaction=False)
        for key in page:
            asked.get(key)
            asked.pexpiretime(cast("Any", key))
        found = asked.execute()
        for key, value, ends in zip(page, found[::2], found[1::2], strict=True):
            if value is not None:
                yield ["SET", key, value, "NX", *(("PXAT", ends) if ends > 0 else ())]


def _string(client: redis.Redis, key: str) -> Iterator[Command]:
    yield ["SET", key, cast("bytes", client.get(key))]


def _list(client: redis.Redis, key: str) -> Iterator[Command]:
    for start in range(0, client.llen(key), PAGE):
        rows = cast("list[bytes]", client.lrange(key, start, start + PAGE - 1))
        yield from _paged(["RPUSH", key], ((row,) for row in rows))


def _hash(client: redis.Redis, key: str) -> Iterator[Command]:
    found = cast("Iterator[tuple[bytes, bytes]]", client.hscan_iter(key, count=PAGE))
    yield from _paged(["HSET", key], found)


def _set(client: redis.Redis, key: str) -> Iterator[Command]:
    found = cast("Iterator[bytes]", client.sscan_iter(key, count=PAGE))
    yield from _paged(["SADD", key], ((member,) for member in found))


def _sorted_set(client: redis.Redis, key: str) -> Iterator[Command]:
    for start in range(0, client.zcard(key), PAGE):
        rows = cast("Any", client.zrange(key, start, start + PAGE - 1, withscores=True))
        yield from _paged(["ZADD", key], ((int(score), member) for member, score in rows))


def _stream(client: redis.Redis, key: str) -> Iterator[Command]:
    """Yield the entries with their ids, which readers remember; a later one has a larger id."""
    after = "-"
    while rows := cast("Any", client.xrange(key, min=after, count=PAGE)):
        for number, fields in rows:
            yield ["XADD", key, number, *(word for pair in fields.items() for word in pair)]
        after = f"({rows[-1][0].decode()}"
    newest = cast("Any", client.xinfo_stream(key))["last-generated-id"]
    if after == "-" and newest != b"0-0":
        yield ["XADD", key, newest, "r", b""]
        yield ["XTRIM", key, "MAXLEN", 0]


_READ: dict[str, Callable[[redis.Redis, str], Iterator[Command]]] = {
    "string": _string,
    "list": _list,
    "hash": _hash,
    "set": _set,
    "zset": _sorted_set,
    "stream": _stream,
}


def _paged(head: Command, rows: Iterator[tuple[bytes | int, ...]]) -> Iterator[Command]:
    """Put rows into commands that are neither long nor large."""
    rows = iter(rows)
    for first in rows:
        command, size = [*head, *first], _bytes(first)
        for row in islice(rows, PAGE - 1):
            command += row
            size += _bytes(row)
            if size >= BYTES:
                break
        yield command


def _bytes(row: tuple[bytes | int, ...]) -> int:
    return sum(len(word) for word in row if isinstance(word, bytes))
