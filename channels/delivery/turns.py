"""A queue in which triggers take turns, so that a campaign does not make a reminder wait."""

from collections import OrderedDict, deque
from collections.abc import Sequence

from channels.delivery.ledger import Taken


class Turns:
    """Messages that wait for a call, each trigger's in order.

    Args:
        depth: messages of one trigger that wait here; more wait in the ledger.
    """

    def __init__(self, depth: int) -> None:
        self._depth = depth
        self._queues: OrderedDict[str, deque[Taken]] = OrderedDict()  # whose turn is next first
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def room(self, trigger: str) -> int:
        """Return how many more of a trigger may wait."""
        waiting = self._queues.get(trigger)
        return self._depth if waiting is None else max(0, self._depth - len(waiting))

    def rooms(self) -> dict[str, int]:
        """Return the same of each trigger that waits."""
        return {trigger: self.room(trigger) for trigger in self._queues}

    def offer(self, taken: Sequence[Taken]) -> list[Taken]:
        """Queue what there is room for, and return the rest."""
        rest: list[Taken] = []
        for one in taken:
            if self.room(one.activation.trigger):
                self._queue(one).append(one)
                self._size += 1
            else:
                rest.append(one)
        return rest

    def next(self, count: int) -> list[Taken]:
        """Take so many out, one of each trigger in turn."""
        found: list[Taken] = []
        while len(found) < count and self._queues:
            trigger, waiting = self._queues.popitem(last=False)
            found.append(waiting.popleft())
            if waiting:
                self._queues[trigger] = waiting
        self._size -= len(found)
        return found

    def put_back(self, taken: Sequence[Taken]) -> None:
        """Queue again, before all others of their triggers, what was taken out."""
        for one in reversed(taken):
            self._queue(one).appendleft(one)
            self._queues.move_to_end(one.activation.trigger, last=False)
        self._size += len(taken)

    def _queue(self, one: Taken) -> deque[Taken]:
        return self._queues.setdefault(one.activation.trigger, deque())
