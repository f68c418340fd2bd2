"""A withdrawal reaches the workers ahead of the engine, and never holds its answer up for long."""

import asyncio
import signal
import time
from pathlib import Path

import pytest
import redis
import redis.asyncio

from channels.delivery.gate import KEYS, RedisWithdrawals, keys
from collector.mailing import Mail
from events.record import Event
from flows.withdrawing import Withdrawer
from kairos.embedded import servers
from kairos.embedded.children import end
from profile_state.stores.keys import WITHDRAWN_MS
from profile_state.stores.redis import RedisStore
from tests.channels.doubles import NOW, activation
from tests.collector.doubles import MemoryLog
from tests.contracts.doors import Running, told
from tests.contracts.test_links import LINKED, SEAL, TOKEN

ONE = activation(1, channel="email")


def withdrawn(url: str, *times: int, channel: str = "email", seconds: float = 2.0) -> None:
    async def say() -> None:
        withdrawer = Withdrawer(url, seconds)
        for at in times:
            await withdrawer.withdraw(ONE.leaf, [ONE.purpose, "news"], channel, at)
        await withdrawer.close()

    asyncio.run(say())


@pytest.mark.parametrize("channel", ["email", "*"])
def test_a_worker_turns_away_what_was_decided_by_then(valkey: Path, channel: str) -> None:
    url = f"unix://{valkey}"
    store = RedisStore(url)
    store.own()
    store.vouch()
    store.settled(5)
    store.close()
    withdrawn(url, NOW, channel=channel)

    async def asked() -> dict[str, str]:
        client = redis.asyncio.Redis.from_url(url)
        later = activation(1, channel="email", id="1" * 32, decided=NOW + 1)
        other = activation(1, channel="email", id="2" * 32, purpose="product")
        try:
            return await RedisWithdrawals(client).check([ONE, later, other])
        finally:
            await client.aclose()

    assert asyncio.run(asked()) == {ONE.id: "consent"}


def test_of_two_the_later_stands_and_lasts_as_long_as_an_activation(valkey: Path) -> None:
    withdrawn(f"unix://{valkey}", NOW + 5, NOW)
    client = redis.Redis(unix_socket_path=str(valkey))
    key, *_ = keys(ONE)
    assert len(keys(ONE)) == KEYS
    assert client.get(key) == str(NOW + 5).encode()
    assert WITHDRAWN_MS - 60_000 < int(client.pttl(key)) <= WITHDRAWN_MS
    assert client.dbsize() == 2
    client.close()


@pytest.mark.parametrize("state", ["away", "hangs"])
def test_where_the_workers_cannot_be_told_it_is_in_the_log_and_answered(
    tmp_path: Path, state: str
) -> None:
    process = servers.start(servers.LEDGER, tmp_path / "data", tmp_path / "s")
    servers.wait_for("ledger", process, tmp_path / "s", tmp_path / "data")
    log = MemoryLog()
    withdrawer = Withdrawer(f"unix://{tmp_path / 's'}", 0.3)

    async def story(one: Running) -> None:
        await one.client.post(f"/u/{TOKEN}")
        process.send_signal(signal.SIGSTOP if state == "hangs" else signal.SIGKILL)
        if state == "away":
            process.wait()
        began = time.monotonic()
        assert (await one.client.post(f"/u/{TOKEN}")).status_code == 200
        assert time.monotonic() - began < 2
        await withdrawer.close()

    try:
        told("native", story, log, door=LINKED, withdraw=withdrawer.withdraw)
    finally:
        process.send_signal(signal.SIGCONT)
        end(process)
    assert [type(record) for record in log.records] == [Event, Event]


def test_the_key_is_that_of_the_person_whose_leaf_the_token_names(valkey: Path) -> None:
    whose = Mail({}, SEAL).opened(TOKEN)
    assert whose is not None
    log = MemoryLog()
    withdrawer = Withdrawer(f"unix://{valkey}", 2.0)

    async def story(one: Running) -> None:
        await one.client.post(f"/u/{TOKEN}")
        await withdrawer.close()

    told("uvicorn", story, log, door=LINKED, withdraw=withdrawer.withdraw)
    said = activation(9, leaf=whose.leaf, purpose=whose.purpose, channel=whose.channel)
    client = redis.Redis(unix_socket_path=str(valkey))
    assert client.exists(keys(said)[0])
    client.close()
