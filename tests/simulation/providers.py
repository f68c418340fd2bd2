"""Providers: slow, failing or silent at times; each notes what it accepted."""

import asyncio
from dataclasses import dataclass

from channels.base import Delivered, Later, Message, Outcome, Unknown
from tests.simulation.ledger import LedgerServer
from tests.simulation.oracle.who import named
from tests.simulation.world import Process, World
from triggers.activation import Activation

KEYED = {"webhook": True, "email": False, "log": False}
MOODS = ("slow", "failing", "silent", "refusing")


@dataclass(frozen=True, slots=True)
class Call:
    """A message that a worker handed over."""

    us: int
    id: str
    withdrawn_us: int | None  # since when the workers' set was told a withdrawal of it
    thawed_us: int  # when the worker was last frozen until


class Provider:
    """One provider behind a channel. A keyed one drops a second message with the same id."""

    def __init__(self, world: World, name: str, ledger: LedgerServer) -> None:
        self.name = name
        self.keyed = KEYED[name]
        self.mood = ""
        self.calls: list[Call] = []
        self.accepted: list[tuple[int, str]] = []  # (us, id); of a keyed one each id once
        self._world = world
        self._ledger = ledger
        self._draw = world.draw(f"provider {name}")

    async def deliver(self, message: Message) -> Outcome:
        """Answer as the channels do: what may have arrived is `Unknown` where nothing drops copies."""
        draw, world = self._draw, self._world
        [activation, *_] = self._ledger.decided[message.id]
        process = asyncio.get_running_loop()
        assert isinstance(process, Process)
        known = self._withdrawn(activation)
        self.calls.append(Call(world.us, message.id, known, process.frozen_us))
        world.say(self.name, f"is called {message.id}")
        there, back = draw.choice((0.001, 0.02, 0.3)), draw.choice((0.001, 0.02, 0.3))
        mood = self.mood if draw.random() < 0.7 else ""
        if mood == "failing":
            await asyncio.sleep(there + back)
            return Later(after=draw.choice((0.0, 5.0, 60.0)), reason="500")
        if mood == "refusing":
            await asyncio.sleep(there)
            return Later(after=30.0, reason="no connection")
        if mood != "silent" or draw.random() < 0.5:
            world.outside.call_later(there, self._accept, message.id)
        if mood == "silent":
            await asyncio.sleep(10.0)
            lost = "no answer"
            return Later(after=1.0, reason=lost) if self.keyed else Unknown(reason=lost)
        await asyncio.sleep(there + back + (40.0 if mood == "slow" else 0.0))
        return Delivered(provider_id=f"{self.name}-1")

    async def close(self) -> None:
        """Nothing to give back."""

    def _accept(self, message: str) -> None:
        if not self.keyed or all(known != message for _, known in self.accepted):
            self.accepted.append((self._world.us, message))
            self._world.say(self.name, f"accepts {message}")

    def _withdrawn(self, a: Activation) -> int | None:
        """Say since when the set that workers ask was told a withdrawal of this message."""
        leaf = f"withdrawn:{named(a.leaf)}"
        keys = (
            *(f"{leaf}:{a.purpose}:{channel}" for channel in (a.channel, "*")),
            *(f"withdrawn:{one}:*:*" for one in (named(a.leaf), a.person)),
        )
        found = [self._ledger.told.get(key) for key in keys]
        since = [
            us for known in found if known is not None for at, us in (known,) if a.decided <= at
        ]
        return min(since, default=None)
