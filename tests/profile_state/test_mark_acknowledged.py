"""An offset counts as stored when the ledger has said so, not when it was sent."""

import time
from pathlib import Path

import redis

from events.record import START, Offset
from profile_state.stores.base import Mark
from profile_state.stores.redis import RedisStore
from profile_state.write_behind import WriteBehind


def test_a_mark_that_the_ledger_refused_is_not_stored(valkey: Path) -> None:
    store = RedisStore(f"unix://{valkey}")
    store.own()
    behind = WriteBehind(store, {}, {}, {})
    behind.take(set(), {}, [], {}, Mark(Offset(7, 0), {}))
    client = redis.Redis(unix_socket_path=str(valkey))
    client.config_set("maxmemory", 1)
    try:
        behind.pump(10.0, eager=True)
        time.sleep(0.1)
        assert store.peek().offset == START
        assert behind.stored == START  # the log is trimmed below it, see flows/room.py
    finally:
        client.config_set("maxmemory", 0)
        client.close()
        store.close()
