"""A ledger in Redis or Valkey (7 and newer).

Writes are packed and sent without waiting; their replies are read when they come. So the
engine never waits for the ledger in the middle of a batch, and the order of one connection
gives the order of effects: outputs before the state that contains their cause.
"""

import struct
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, cast

import msgspec
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from collector.onsite.message import OF, TO
from events.catalog import SEEN_DAYS
from events.record import START, Build, Offset, Paused
from events.sources.valkey import stream_key
from profile_state.copies.base import Seen
from profile_state.history import WHOLE, History
from profile_state.identity import place_of
from profile_state.leaf import NEVER
from profile_state.stores.base import (
    Chunk,
    FencedError,
    LedgerLostError,
    Loaded,
    Mark,
    Outputs,
    Position,
    Recovered,
)
from profile_state.stores.keys import WITHDRAWN_MS, Command, Keys, withdrawn

ASKED_S = 10  # how long a reader's wish is worth knowing
BROWSER_ID = "anonymous_id:"
REPLY_S = 5  # how long an answer is worth reading
# The owner's word, and nobody else's.
_SAY_POSITION = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[3])
return 1
"""
POSITION_MS = 5_000  # how long an engine's position is worth knowing
LOOK = 1_000  # keys in one step of a scan
DUE = 5_000  # people in one read of who is due: a few ms of the server's time
WORDS = 1_000  # of one command; even, since some are pairs
SEEN_ITEM_MS = SEEN_DAYS * 86_400_000
_NONE, _NOTHING = msgspec.msgpack.encode(()), msgspec.msgpack.encode({})
_ROW = struct.Struct(">I16s8s")  # place in the entry, key, digest
_HEAD = struct.Struct(">qqB")  # entry, when the log took it, bytes of the import's id


@contextmanager
def _answering() -> Iterator[None]:
    """Say in the store's own word that the ledger is away."""
    try:
        yield
    except redis.RedisError as error:
        raise LedgerLostError(f"the ledger does not answer: {error}") from error


def unpack_paused(value: bytes | None) -> tuple[Paused, ...]:
    """Read the pauses in a mark; one of before they were kept has none."""
    return () if value is None else msgspec.msgpack.decode(value, type=tuple[Paused, ...])


def unpack_history(value: bytes | None) -> History:
    """Read what is known of the past from a mark; in one of before it was kept all is."""
    return WHOLE if value is None else msgspec.msgpack.decode(value, type=History)


@cache
def _library() -> str:
    return Path(__file__).with_name("write.lua").read_text(encoding="utf-8")


class RedisStore:
    """One partition's ledger.

    Args:
        url: of redis-py, such as `unix:///run/ledger.sock` or `redis://host:6379/0`.
        partition: all keys carry it, as `{p0}`.
    """

    def __init__(self, url: str, partition: int = 0) -> None:
        self._client = redis.Redis.from_url(url, retry=Retry(NoBackoff(), 0))
        self.keys = Keys(partition)
        self._tag = self.keys.tag
        self._activations = stream_key("activations", partition)
        self._connection: Any = None
        self._learned: Mapping[str, Any] | None = None  # of the last mark of this connection
        self._token = ""
        self._sent = 0
        self._settled = 0

    def __repr__(self) -> str:
        return f"RedisStore(partition={self._tag}, sent={self._sent}, settled={self._settled})"

    @property
    def token(self) -> str:
        """By which this writer is known while it is the owner, `""` before."""
        return self._token

    # Owning and reading.

    def own(self) -> Recovered:
        """Become the only writer."""
        with _answering():
            self._reconnect()
            run = str(self._client.info("server")["run_id"])
            self._client.function_load(_library(), replace=True)
            epoch = self._client.incr(self.keys.named("epoch"))
            self._token = f"{run}:{epoch}"
            self._client.mset({self.keys.named("owner"): self._token, self.keys.named("calls"): 0})
            self._sent = self._settled = 0
            return self._recovered()

    def _reconnect(self) -> None:
        self.close()
        self._connection = self._client.connection_pool.get_connection()
        self._learned = None

    def history(self) -> History:
        """Read of the mark what is known of the past.

        Raises:
            LedgerLostError: the ledger does not answer.
        """
        with _answering():
            return unpack_history(
                cast("bytes | None", self._client.hget(self.keys.mark, "history"))
            )

    def peek(self) -> Mark:
        """Read the mark without becoming the writer, for whoever only looks.

        Raises:
            LedgerLostError: the ledger does not answer.
        """
        with _answering():
            return self._mark()

    def begun(self) -> bool:
        """Say whether there is a ledger: one that was begun, and is not half restored.

        Raises:
            LedgerLostError: it does not answer.
        """
        with _answering():
            return not self.half_restored() and bool(self._client.exists(self.keys.mark))

    def half_restored(self) -> bool:
        """Say whether somebody ended in the middle of restoring it.

        Raises:
            LedgerLostError: it does not answer.
        """
        with _answering():
            return bool(self._client.exists(self.keys.restoring))

    def there(self) -> Iterator[bytes]:
        """Yield the partition's keys, without what passes, see `profile_state.stores.keys`.

        Raises:
            LedgerLostError: the ledger does not answer.
        """
        with _answering():
            for prefix in (*self.keys.prefixes, self.keys.seen_items):
                # Identifiers may hold what a pattern means something by; these do not.
                yield from self._client.scan_iter(match=prefix + b"*", count=LOOK)
            for name in (self.keys.mark, *self.keys.single):
                if self._client.exists(name):
                    yield name.encode()

    def _mark(self) -> Mark:
        found = cast("dict[bytes, bytes]", self._client.hgetall(self.keys.mark))
        if not found:
            return Mark(START, {})
        offset = Offset(int(found[b"entry"]), int(found[b"nth"]))
        first, last = int(found[b"first"]), int(found[b"last"])
        files = msgspec.msgpack.decode(found[b"files"], type=dict[str, str])
        build = [found.get(name, b"").decode() for name in (b"release", b"tzdata")]
        return Mark(
            offset,
            files,
            (first, last) if first >= 0 else None,
            Build(*build) if any(build) else None,
            int(found.get(b"now", 0)),
            msgspec.msgpack.decode(found.get(b"in_use", _NONE), type=tuple[tuple[str, str], ...]),
            msgspec.msgpack.decode(
                found.get(b"learned", _NOTHING), type=dict[str, dict[str, float]]
            ),
            unpack_paused(found.get(b"paused")),
            unpack_history(found.get(b"history")),
            bool(int(found.get(b"begun", 1))),
        )

    def _recovered(self) -> Recovered:
        mark = self._mark()
        rows = cast("list[bytes]", self._client.lrange(self.keys.named("seen"), 0, -1))
        seen = [copy for row in rows for copy in _unpack_seen(row)]
        items = cast("dict[bytes, bytes]", self._client.hgetall(self.keys.named("items")))
        failures = cast("bytes | None", self._client.get(self.keys.named("failures")))
        return Recovered(
            mark,
            seen,
            self.erasure_keys(),
            {name.decode(): item for name, item in items.items()},
            failures or b"",
        )

    def load(self, identifiers: Iterable[str], people: Iterable[str]) -> Loaded:
        """Read people, in one batch."""
        names, ids = list(identifiers), list(people)
        keys = [f"id:{self._tag}:{name}" for name in names]
        keys += [f"person:{self._tag}:{person}" for person in ids]
        if not keys:
            return Loaded({}, {})
        with _answering():
            found = cast("list[bytes | None]", self._client.mget([self.keys.named("owner"), *keys]))
        owner, leads, values = found[0], found[1 : len(names) + 1], found[len(names) + 1 :]
        # What another writer wrote since does not fit to what a replaced one has in memory.
        if self._token and owner != self._token.encode():
            raise FencedError(f"{self._token} was replaced by {(owner or b'nobody').decode()}")
        return Loaded(
            {
                n: None if lead is None else lead.decode()
                for n, lead in zip(names, leads, strict=True)
            },
            {p: value for p, value in zip(ids, values, strict=True) if value is not None},
        )

    def within(self, first: int, last: int) -> list[str]:
        """Read a part of the set of everybody, whose scores are places."""
        with _answering():
            found = self._client.zrangebyscore(self.keys.named("people"), first, last)
        return [person.decode() for person in cast("list[bytes]", found)]

    def due(self, first: int, last: int) -> list[tuple[int, str]]:
        """Read a part of the sorted set of due times, a piece at a time: a storm has 100,000s."""
        rows: list[tuple[bytes, float]] = []
        with _answering():
            while len(rows) % DUE == 0:
                found: Any = self._client.zrangebyscore(
                    self.keys.named("due"), first, f"({last}", len(rows), DUE, withscores=True
                )
                rows += found
                if not found:
                    break
        return [(int(due), person.decode()) for person, due in rows]

    def oldest_copies(self, after: int, rows: int) -> list[list[Seen]]:
        """Read the head of the list of packed rows."""
        with _answering():
            found = self._client.lrange(self.keys.named("seen"), after, after + rows - 1)
        return [_unpack_seen(row) for row in cast("list[bytes]", found)]

    def erasure_keys(self) -> list[bytes]:
        """Return the keys of tombstones, for whoever adds one: a second key would be one more to try.

        Raises:
            LedgerLostError: the ledger does not answer.
        """
        with _answering():
            return sorted(
                cast("set[bytes]", self._client.smembers(self.keys.named("erasure_keys")))
            )

    def letters(self) -> list[Offset]:
        """Read the places of the dead letters."""
        with _answering():
            fields = cast("list[bytes]", self._client.hkeys(self.keys.named("dead")))
        return sorted(Offset(*map(int, field.split(b"."))) for field in fields)

    def dead(self) -> Iterator[tuple[Offset, bytes]]:
        """Read the places first, then the letters one by one: there may be many, each of 32 KB."""
        name = self.keys.named("dead")
        for offset in self.letters():
            with _answering():
                body = cast("bytes | None", self._client.hget(name, f"{offset.entry}.{offset.nth}"))
            if body is not None:
                yield offset, body

    def counts(self) -> dict[str, int]:
        """Read what is counted."""
        with _answering():
            found = cast("dict[bytes, bytes]", self._client.hgetall(self.keys.named("counts")))
        return {name.decode(): int(number) for name, number in found.items()}

    def who_saw(self, how: str, item: str, since: int) -> list[str]:
        """Read who has seen an item."""
        key = self.keys.seen_item(how, item)
        with _answering():
            found = cast("list[bytes]", self._client.zrangebyscore(key, since, "+inf"))
        return sorted(leaf.decode() for leaf in found)

    def people(self) -> int:
        """Count the set of everybody."""
        with _answering():
            return int(self._client.zcard(self.keys.named("people")))

    # What readers ask of the engine.

    def ask(self, entry: int) -> None:
        """Ask the engine to write behind what it knows up to an entry of the log, soon.

        Raises:
            LedgerLostError: the ledger does not answer.
        """
        with _answering():
            self._client.rpush(self.keys.named("asked"), entry)
            self._client.expire(self.keys.named("asked"), ASKED_S)  # where no engine runs

    def asked(self, wait_s: float) -> int | None:
        """Return the next entry that a reader wants to see, None where none asks in time.

        Raises:
            LedgerLostError: the ledger does not answer.
        """
        with _answering():
            found = cast("Any", self._client.blpop([self.keys.named("asked")], wait_s))
        return None if found is None else int(found[1])

    def question(self, wait_s: float) -> bytes | None:
        """Return the next question about somebody, None where nobody asks in time; see `flows.questions`.

        Raises:
            LedgerLostError: the ledger does not answer.
        """
        with _answering():
            found = cast("Any", self._client.blpop([self.keys.named("questions")], wait_s))
        return None if found is None else bytes(found[1])

    def reply(self, place: str, answer: bytes) -> None:
        """Put an answer where it is waited for.

        Raises:
            LedgerLostError: the ledger does not answer.
        """
        with _answering():
            pipe = self._client.pipeline(transaction=False)
            pipe.rpush(place, answer)
            pipe.expire(place, REPLY_S)  # where nobody waits any more
            pipe.execute()

    def say_position(self, position: Position, token: str) -> None:
        """Say how far the engine has read; forgotten within seconds, so that nobody goes by one that ended.

        Args:
            position: of an engine.
            token: its, see `token`; who was replaced says nothing.

        Raises:
            LedgerLostError: the ledger does not answer.
        """
        keys = (self.keys.named("owner"), self.keys.named("position"))
        said = msgspec.msgpack.encode(position)
        with _answering():
            self._client.eval(_SAY_POSITION, 2, *keys, token, said, POSITION_MS)

    def position(self) -> Position | None:
        """Return how far the engine has read; None where none runs, or it did not say so lately.

        Raises:
            LedgerLostError: the ledger does not answer.
        """
        with _answering():
            found = cast("Any", self._client.get(self.keys.named("position")))
        return None if found is None else msgspec.msgpack.decode(found, type=Position)

    def fullness(self) -> float:
        """Return the share of the server's `maxmemory` in use, 0 where it has none.

        Raises:
            LedgerLostError: the ledger does not answer.
        """
        with _answering():
            memory = cast("Any", self._client.info("memory"))
        ceiling = int(memory["maxmemory"])
        return int(memory["used_memory"]) / ceiling if ceiling else 0.0

    # Writing.

    def send(self, commands: Sequence[Command]) -> None:
        """Send commands in one call, applied whole or not at all, and only for the owner.

        Raises:
            LedgerLostError: the connection broke.
        """
        words: list[bytes | str | int] = []
        for command in commands:
            words += [len(command), *command]
        self._sent += 1
        keys = self.keys.named("owner"), self.keys.named("calls")
        try:
            packed = self._connection.pack_command(
                "FCALL", "kairos_write", 2, *keys, self._token, self._sent, *words
            )
            self._connection.send_packed_command(packed)
        except (redis.RedisError, OSError) as error:
            raise LedgerLostError(f"the connection to the ledger broke: {error}") from error

    def put(self, outputs: Outputs) -> None:
        """Send outputs: withdrawals first, so that workers see them before new sends.

        A later one stands: the door may have told of it already, and what is read again is older.
        """
        commands: list[Command] = [
            ["LATEST", withdrawn(who, purpose, channel), time, WITHDRAWN_MS]
            for who, purpose, channel, time in outputs.withdrawals
        ]
        commands += [
            ["SET", f"workspace:{version}", files] for version, files in outputs.workspaces
        ]
        if outputs.erasure_keys:
            commands += _cut(["SADD", self.keys.named("erasure_keys")], outputs.erasure_keys)
        if outputs.activations is not None:
            commands.append(["XADD", self._activations, "*", "r", outputs.activations])
        commands += [
            ["HSET", self.keys.named("dead"), f"{offset.entry}.{offset.nth}", body]
            for offset, body in outputs.dead
        ]
        if outputs.letters_done:
            fields = [f"{offset.entry}.{offset.nth}" for offset in outputs.letters_done]
            commands += _cut(["HDEL", self.keys.named("dead")], fields)
        for how, item, leaf, at in outputs.seen_items:
            key = self.keys.seen_item(how, item)
            commands += [
                ["ZADD", key, "GT", at, leaf],
                ["ZREMRANGEBYSCORE", key, "-inf", f"({at - SEEN_ITEM_MS}"],
                ["PEXPIRE", key, SEEN_ITEM_MS],
            ]
        commands += [
            ["ZREM", self.keys.seen_item(how, item), leaf]
            for how, item, leaf in outputs.unseen_items
        ]
        commands += [["RPUSH", self.keys.named("seen"), row] for row in _pack_seen(outputs.seen)]
        if outputs.failures is not None:
            commands.append(["SET", self.keys.named("failures"), outputs.failures])
        if outputs.moved:
            commands.append(["LPOP", self.keys.named("seen"), outputs.moved])
        if commands:
            self.send(commands)

    def write(self, chunk: Chunk) -> None:
        """Send a chunk in one call."""
        self._take_messages_away(way for way in chunk.forgotten if way.startswith(BROWSER_ID))
        people, due_at = self.keys.named("people"), self.keys.named("due")
        commands = _cut(["DEL"], [f"person:{self._tag}:{p}" for p in chunk.removed])
        commands += _cut(["ZREM", people], chunk.removed)
        values = [w for p, value in chunk.people for w in (f"person:{self._tag}:{p}", value)]
        commands += _cut(["MSET"], values)
        commands += [["APPEND", f"person:{self._tag}:{p}", value] for p, value in chunk.added]
        commands += _cut(
            ["ZREM", due_at], [*chunk.removed, *(p for p, due in chunk.dues if due >= NEVER)]
        )
        commands += _cut(
            ["ZADD", due_at], [w for p, due in chunk.dues if due < NEVER for w in (due, p)]
        )
        leads = [w for way, person in chunk.index for w in (f"id:{self._tag}:{way}", person)]
        commands += _cut(["MSET"], leads)
        # Whoever is new has an identifier that leads to them now.
        moved = dict.fromkeys(person for _, person in chunk.index)
        commands += _cut(["ZADD", people], [w for p in moved for w in (place_of(p), p)])
        commands += _cut(["DEL"], [f"id:{self._tag}:{way}" for way in chunk.forgotten])
        commands += [
            ["HINCRBY", self.keys.named("counts"), name, by] for name, by in chunk.counts.items()
        ]
        items = [word for item in chunk.items for word in item]
        commands += _cut(["HSET", self.keys.named("items")], items)
        self.send(commands)

    def _take_messages_away(self, browsers: Iterable[str]) -> None:
        """Let nothing wait any more for browsers of nobody, such as an erased person's.

        Ahead of the chunk that says they are nobody's; after a crash in between it is done again.
        """
        for browser in browsers:
            waiting = f"{TO}{browser.removeprefix(BROWSER_ID)}"
            with _answering():
                messages = cast("list[bytes]", self._client.zrange(waiting, 0, -1))
                self._client.unlink(waiting, *(f"{OF}{one.decode()}" for one in messages))

    def mark(self, mark: Mark) -> None:
        """Send the mark."""
        files = msgspec.msgpack.encode(mark.files)
        entry, nth = mark.offset
        first, last = mark.sweep or (-1, -1)
        words: Command = ["entry", entry, "nth", nth, "files", files, "first", first, "last", last]
        words += ["now", mark.now, "in_use", msgspec.msgpack.encode(mark.in_use)]
        if mark.learned is not self._learned:  # it may be large, and is seldom another one
            words += ["learned", msgspec.msgpack.encode(mark.learned)]
            self._learned = mark.learned
        words += ["paused", msgspec.msgpack.encode(mark.paused)]
        words += ["history", msgspec.msgpack.encode(mark.history), "begun", int(mark.begun)]
        if mark.build is not None:
            words += ["release", mark.build.release, "tzdata", mark.build.tzdata]
        self.send([["HSET", self.keys.mark, *words]])

    def vouch(self) -> None:
        """Send the run id of this server: another run may have lost a second before it."""
        run, _, _ = self._token.rpartition(":")
        self.send([["SET", self.keys.vouched, run]])

    @property
    def sent(self) -> int:
        """How many calls were sent."""
        return self._sent

    def settled(self, wait_s: float = 0) -> int:
        """Read the replies that have come."""
        until = time.monotonic() + wait_s
        try:
            while self._settled < self._sent:
                left = max(0.0, until - time.monotonic()) if wait_s else 0
                if not self._connection.can_read(timeout=left):
                    break
                self._connection.read_response()
                self._settled += 1
        except redis.ResponseError as error:
            if "FENCED" in str(error):
                raise FencedError(str(error)) from error
            raise LedgerLostError(f"the ledger refused a write: {error}") from error
        except (redis.RedisError, OSError) as error:
            raise LedgerLostError(f"the connection to the ledger broke: {error}") from error
        return self._settled

    def close(self) -> None:
        """Give back the writing connection."""
        if self._connection is not None:
            self._connection.disconnect()
            self._client.connection_pool.release(self._connection)
            self._connection = None


def _cut(command: Command, words: Sequence[bytes | str | int]) -> list[Command]:
    """Say a command with so few words at a time as the function can pass on.

    >>> _cut(["DEL"], []), len(_cut(["DEL"], ["k"] * (WORDS + 1)))
    ([], 2)
    """
    return [[*command, *words[at : at + WORDS]] for at in range(0, len(words), WORDS)]


def _pack_seen(seen: Sequence[tuple[Offset, bytes, bytes, int, str]]) -> list[bytes]:
    """Pack first copies, one row for each entry of the log and import."""
    rows: dict[tuple[int, str], list[bytes]] = {}
    for (entry, nth), key, digest, taken, import_id in seen:
        row = rows.get((entry, import_id))
        if row is None:
            name = import_id.encode()
            row = rows[entry, import_id] = [_HEAD.pack(entry, taken, len(name)), name]
        row.append(_ROW.pack(nth, key, digest))
    return [b"".join(parts) for parts in rows.values()]


def _unpack_seen(row: bytes) -> list[Seen]:
    entry, time, length = _HEAD.unpack_from(row)
    start = _HEAD.size + length
    import_id = row[_HEAD.size : start].decode()
    return [
        Seen(Offset(entry, nth), key, digest, time, import_id)
        for nth, key, digest in _ROW.iter_unpack(row[start:])
    ]
