"""What the ledger refuses must not be overtaken by the state that contains its cause (DESIGN 4)."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from events import record
from events.record import Offset, Settled
from events.sources.memory import MemoryLog
from flows.engine import Engine
from profile_state.stores.base import Chunk, LedgerLostError, Outputs
from profile_state.stores.redis import RedisStore
from tests.collector.doubles import BROWSER, event_of, post, taken
from tests.shop import ADDRESSES, WORKSPACE, an_event, at
from triggers import activation

HELLO = """
trigger: hello
when: {event: seen}
do: [{send: {channels: [webhook]}}]
deliver: {purpose: product, quiet_hours: off}
"""


class FarAway(RedisStore):
    """A ledger whose answers are on their way for as long as `waiting` says."""

    waiting = False

    def settled(self, wait_s: float = 0) -> int:
        return self._settled if self.waiting else super().settled(wait_s)


@pytest.fixture
def server(valkey: Path) -> Iterator[redis.Redis]:
    client = redis.Redis(unix_socket_path=str(valkey))
    yield client
    client.config_set("maxmemory", 0)
    client.close()


def begun(store: RedisStore, files: dict[str, str]) -> tuple[Engine, MemoryLog, int]:
    """An engine with a workspace in force and nothing left to write, its log, and what time it is."""
    now = at("10:00")
    log = MemoryLog(clock=lambda: now)
    engine = Engine(log, store, ADDRESSES, clock=lambda: now, monotonic=time.monotonic)
    engine.recover()
    engine.adopt({"workspace.yaml": WORKSPACE, **files})
    engine.process(engine.read())
    engine.drain()
    return engine, log, now


def read_on(engine: Engine) -> None:
    """Read to the end, and begin anew where the ledger is lost, as kairos/parts/live.py does it."""
    refused = ""
    for _ in range(3):
        try:
            engine.process(engine.read())
            engine.drain()
            break
        except LedgerLostError as error:
            refused = str(error)
            engine.recover()
    assert engine.behind.idle, refused


def test_people_are_not_written_behind_activations_that_the_ledger_refused(
    valkey: Path, server: redis.Redis
) -> None:
    store = FarAway(f"unix://{valkey}")
    engine, log, now = begun(store, {"triggers/hello.yaml": HELLO})
    store.waiting = True
    log.append(0, record.encode([an_event("seen", user="ana", time=now, message_id="m1")]))
    server.config_set("maxmemory", 1)  # full: the activation is refused
    engine.process(engine.read())
    time.sleep(0.2)
    server.config_set("maxmemory", 0)  # a worker has trimmed its stream: there is room again
    engine.pump(eager=True)
    time.sleep(0.2)
    store.waiting = False
    with pytest.raises(LedgerLostError):
        engine.drain(1)

    engine.recover()
    engine.process(engine.read())
    engine.drain()
    rows: Any = server.xrange("activations:{p0}")
    assert [a.leaf for _, row in rows for a in activation.decode(row[b"r"])] == ["user_id:ana"]
    store.close()


def test_what_follows_a_refused_call_is_refused_as_well(valkey: Path, server: redis.Redis) -> None:
    store = RedisStore(f"unix://{valkey}")
    store.own()
    server.config_set("maxmemory", 1)
    store.put(Outputs(activations=b"x"))
    time.sleep(0.1)
    server.config_set("maxmemory", 0)
    store.write(Chunk(people=[("p_1", b"one")]))
    with pytest.raises(LedgerLostError):
        store.settled(2)
    time.sleep(0.1)
    assert server.get("person:{p0}:p_1") is None
    store.close()


def test_a_call_is_applied_whole_or_not_at_all(valkey: Path, server: redis.Redis) -> None:
    """Lua's `unpack` takes no 8,000 words: the letters stay, what stands before them does not."""
    store = RedisStore(f"unix://{valkey}")
    store.own()
    places = [Offset(1, nth) for nth in range(8_000)]
    store.put(Outputs(activations=b"x", letters_done=places))
    store.settled(5)  # raises, and does so again after every recovery: the engine stands still
    assert server.xlen("activations:{p0}") == 1
    store.close()


def test_somebody_with_many_identifiers_can_be_written(valkey: Path, server: redis.Redis) -> None:
    store = RedisStore(f"unix://{valkey}")
    store.own()
    ways = [(f"anonymous_id:a{nth}", "p_1") for nth in range(4_000)]
    store.write(Chunk(people=[("p_1", b"one")], index=ways))
    store.settled(5)
    assert server.get("id:{p0}:anonymous_id:a0") == b"p_1"
    store.close()


def test_many_letters_settled_in_one_entry_do_not_stop_the_engine(valkey: Path) -> None:
    """`kairos dlq replay --all` puts as many into one entry as have 1 MiB of bodies together."""
    store = RedisStore(f"unix://{valkey}")
    engine, log, _ = begun(store, {})
    log.append(0, record.encode([Settled(1, nth, "eve") for nth in range(8_000)]))
    read_on(engine)
    assert engine.position == log.last(0)
    store.close()


def test_one_request_with_a_browser_key_does_not_stop_the_partition(valkey: Path) -> None:
    """Devices that two users share each, in a row: every record touches the next one's people."""
    store = RedisStore(f"unix://{valkey}")
    engine, log, now = begun(store, {})
    calls = [
        event_of(
            type="identify", userId=f"u{n + second}", anonymousId=f"a{n}", messageId=f"{n}.{second}"
        )
        for n in range(1_500)
        for second in (0, 1)
    ]
    claims, dead = taken(post("/v1/batch", json.dumps({"batch": calls}).encode(), BROWSER), now)
    assert (len(claims), dead) == (3_000, [])
    log.append(0, record.encode(claims))
    read_on(engine)
    assert engine.position == log.last(0)
    store.close()
