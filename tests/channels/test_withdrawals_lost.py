"""A ledger that may have lost who withdrew cannot tell: nothing leaves until an engine vouches."""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis
import redis.asyncio

from channels.delivery.gate import RedisWithdrawals, StoreUnavailableError
from kairos.embedded import servers
from kairos.embedded.children import end
from profile_state.identity import person_id
from profile_state.stores.base import Outputs
from profile_state.stores.redis import RedisStore
from tests.channels.doubles import NOW, activation

ONE = activation(1)


@contextmanager
def ledger(folder: Path) -> Iterator[str]:
    """Run the ledger's server; the next one reads what this one wrote."""
    options: Mapping[str, str] = servers.LEDGER
    process = servers.start(options, folder / "data", folder / "s")
    try:
        servers.wait_for("ledger", process, folder / "s", folder / "data")
        yield f"unix://{folder / 's'}"
    finally:
        end(process)


def asked(url: str) -> dict[str, str]:
    async def ask() -> dict[str, str]:
        client = redis.asyncio.Redis.from_url(url)
        try:
            return await RedisWithdrawals(client).check([ONE])
        finally:
            await client.aclose()

    return asyncio.run(ask())


def owned(url: str, *, withdrawn: bool, vouched: bool) -> None:
    """Do what an engine does that takes over, and has read its log, or not yet."""
    store = RedisStore(url)
    store.own()
    if withdrawn:
        store.put(Outputs(withdrawals=[(person_id(ONE.leaf), "*", "*", NOW + 1)]))
    if vouched:
        store.vouch()
    store.settled(5)
    store.close()


def test_a_restarted_ledger_is_believed_when_an_engine_has_read_on(tmp_path: Path) -> None:
    with ledger(tmp_path) as url:
        with pytest.raises(StoreUnavailableError, match="has not yet read on"):
            asked(url)
        owned(url, withdrawn=True, vouched=True)
        assert asked(url) == {ONE.id: "erased"}
        owned(url, withdrawn=False, vouched=False)
        assert asked(url) == {ONE.id: "erased"}, "another engine, and nothing is lost"
    with ledger(tmp_path) as url:
        with redis.Redis.from_url(url) as client:  # the file ends a second before the power cut
            client.delete(*client.keys("withdrawn:*"))
        for _ in range(2):
            with pytest.raises(StoreUnavailableError, match="was restarted"):
                asked(url)
            owned(url, withdrawn=False, vouched=False)
        owned(url, withdrawn=True, vouched=True)
        assert asked(url) == {ONE.id: "erased"}


def test_an_emptied_ledger_is_not_believed(valkey: Path) -> None:
    url = f"unix://{valkey}"
    owned(url, withdrawn=True, vouched=True)
    assert asked(url) == {ONE.id: "erased"}
    with redis.Redis.from_url(url) as client:
        client.flushall()
    with pytest.raises(StoreUnavailableError):
        asked(url)
    owned(url, withdrawn=False, vouched=False)
    with pytest.raises(StoreUnavailableError):
        asked(url)
