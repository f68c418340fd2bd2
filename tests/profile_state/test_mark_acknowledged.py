"""An offset counts as stored when the ledger has said so, not when it was sent."""

from contextlib import suppress
from pathlib import Path

import redis

from events.record import START, Offset
from profile_state.stores.base import LedgerLostError, Mark
from profile_state.stores.redis import RedisStore
from profile_state.write_behind import WriteBehind


def test_a_mark_that_the_ledger_refused_is_not_stored(valkey: Path) -> None:
    store = RedisStore(f"unix://{valkey}")
    store.own()
    behind = WriteBehind(store, {}, {}, {}, lambda _item, _stored: b"")
    behind.take(set(), {}, [], {}, {}, Mark(Offset(7, 0), {}))
    client = redis.Redis(unix_socket_path=str(valkey))
    client.config_set("maxmemory", 1)
    try:
        with suppress(LedgerLostError):  # its answer may be here already
            behind.pump(10.0, period_s=0)
        assert store.peek().offset == START
        assert behind.stored == START  # the log is trimmed below it, see flows/room.py
    finally:
        client.config_set("maxmemory", 0)
        client.close()
        store.close()
