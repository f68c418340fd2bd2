"""A lane calls an id once for one intent, even when it was handed the same message twice."""

import asyncio
from collections.abc import Sequence

from channels.base import Outcome
from channels.delivery.gate import InMemoryWithdrawals
from channels.delivery.lane import Desk, Lane, Limits
from channels.delivery.ledger import Expired, Taken
from channels.delivery.templates import Renderer
from channels.delivery.vouchers import Wanted
from channels.delivery.workspaces import InMemoryWorkspaces
from tests.channels.doubles import NOW, RecordingChannel, activation
from triggers.activation import Activation


def test_one_intent_is_one_call() -> None:
    channel = RecordingChannel()

    async def intend(ids: Sequence[str]) -> set[str]:
        return set(ids)

    async def no_vouchers(_wanted: Sequence[Wanted]) -> dict[Wanted, str]:
        return {}

    def settle(_activation: Activation, _outcome: Outcome | Expired) -> asyncio.Future[None]:
        written = asyncio.get_running_loop().create_future()
        written.set_result(None)
        return written

    async def running() -> None:
        desk = Desk(
            intend,
            settle,
            lambda _: None,
            InMemoryWithdrawals(),
            Renderer(InMemoryWorkspaces(), no_vouchers),
            lambda _: NOW,
            lambda: 0.0,
            8,
            86_400_000,
        )
        lane = Lane("email", channel, desk, keyed=False, limits=Limits(calls=8, depth=8))
        one = Taken(activation(1, channel="email"), 0)
        assert lane.offer([one, one]) == []
        run = asyncio.create_task(lane.run())
        while not channel.messages:  # noqa: ASYNC110 - the channel is the witness
            await asyncio.sleep(0)
        lane.stop()
        await run

    asyncio.run(running())
    assert channel.ids == [activation(1, channel="email").id]
