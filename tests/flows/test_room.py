"""The embedded log lets go of what the ledger holds, and of nothing else."""

from pathlib import Path

import pytest
import redis

from events.record import Offset
from events.sources.base import LogUnavailableError
from events.sources.valkey import ValkeyLog
from flows.room import LOOKS, Room


def test_a_full_log_keeps_what_is_not_stored_long_enough(valkey: Path) -> None:
    client = redis.Redis(unix_socket_path=str(valkey))
    log = ValkeyLog(f"valkey://{valkey}?name=log")
    room = Room(log, 0)
    ceiling = client.config_get("maxmemory")["maxmemory"] or "0"
    ids = [log.append(0, b"x" * 50_000) for _ in range(200)]
    try:
        client.config_set("maxmemory", int(client.info("memory")["used_memory"] * 1.5))
        assert 0.5 < log.fullness() < 1
        for _ in range(LOOKS):
            assert not room.look(Offset(ids[150], 0)), "stored too lately"
        assert room.look(Offset(ids[199], 0))
        left = [e.id for e in log.back(0, 1 << 62, 1000)]
        assert set(ids[150:]) <= set(left)
        assert len(left) < 200
        client.config_set("maxmemory", client.info("memory")["used_memory"])
        with pytest.raises(LogUnavailableError):
            log.append(0, b"x" * 50_000)
    finally:
        client.config_set("maxmemory", ceiling)
        client.close()
        log.close()


def test_a_log_with_room_keeps_everything(valkey: Path) -> None:
    log = ValkeyLog(f"valkey://{valkey}?name=log")
    room = Room(log, 0)
    entry = log.append(0, b"x")
    for _ in range(LOOKS + 2):
        assert not room.look(Offset(entry, 0))
    log.close()
