"""Clients: they send until they are told 200, and note what they were told."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import count
from typing import Any

from tests.simulation.history import CLOCKS, Batch, Message
from tests.simulation.world import World

PATIENCE_S = 15.0  # until an answer that does not come counts as lost

Answered = Callable[[int], None]
Request = Callable[[bytes, bytes, Answered], None]  # key, body, and what to do with the status


class Clients:
    """Sends batches at their times through `request`."""

    def __init__(self, world: World, request: Request, log_end: Callable[[], int]) -> None:
        self._world = world
        self._request = request
        self._log_end = log_end
        self._draw = world.draw("clients")
        self._attempts = count(1)
        self.accepted: list[tuple[Batch, int]] = []  # with the log's last entry at the 200
        self.open = 0  # batches that nobody said 200 to yet

    def plan(self, batches: list[Batch]) -> None:
        """Have every batch sent."""
        for batch in batches:
            self.open += 1
            self._at(batch.leaves, self._send, batch, True)
            for at in batch.again:
                self._at(at, self._send, batch, False)

    def _at(self, ms: int, do: Callable[..., None], *args: Any) -> None:
        self._world.outside.call_at(ms / 1000, do, *args)

    def _send(self, batch: Batch, wanted: bool) -> None:
        """Try once. `wanted` tries again until a 200 comes; a stray copy does not."""
        attempt = next(self._attempts)
        outside, draw = self._world.outside, self._draw
        over = False

        def answered(status: int) -> None:
            nonlocal over
            if over:
                return
            over = True
            patience.cancel()
            if status == 200:
                self.accepted.append((batch, self._log_end()))
                self.open -= wanted
            elif wanted:
                outside.call_later(draw.choice((0.2, 2, 30)), self._send, batch, True)

        patience = outside.call_later(PATIENCE_S, answered, 0)
        key = b"SERVER" if batch.messages[0].server else b"BROWSER"
        arrives = draw.choice((0.001, 0.005, 0.1, 1.5))
        outside.call_later(arrives, self._request, key, self._body(batch), answered)
        self._world.say("client", f"attempt {attempt} of {batch.messages[0].id}")

    def _body(self, batch: Batch) -> bytes:
        off = CLOCKS[batch.clock]
        body: dict[str, Any] = {"batch": [_call(m, off) for m in batch.messages]}
        if batch.clock != "none":
            body["sentAt"] = _iso(self._world.ms + off)
        return json.dumps(body).encode()


def _call(message: Message, off: int) -> dict[str, Any]:
    call = {
        "type": message.kind,
        "event": message.name,
        "messageId": message.id,
        "userId": message.user,
        "anonymousId": message.anonymous,
        "previousId": message.previous,
        "timestamp": _iso(message.happened + off),
        "properties": message.properties,
        "traits": message.traits,
    }
    return {name: value for name, value in call.items() if value}


def _iso(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds")
