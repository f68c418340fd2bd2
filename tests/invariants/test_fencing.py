"""I10: a writer that was replaced changes nothing, however the calls of two engines interleave."""

from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from copy import copy, deepcopy
from typing import Any, TypeVar

from hypothesis import given, settings
from hypothesis import strategies as st

from events import record
from profile_state.stores.base import Chunk, FencedError, Mark, Outputs, Recovered
from profile_state.stores.memory import MemoryStore, Shelf
from tests.invariants.histories import Account, Said, histories, joins, totals_in
from tests.shared import LONG
from tests.shop import Shop

Answer = TypeVar("Answer")

FILES = {
    "triggers/greeted.yaml": """
trigger: greeted
when: {event: viewed}
reentry: always
do: [{send: {channels: [webhook]}}]
deliver: {purpose: product, quiet_hours: off}
"""
}
CALLS = ("read", "read", "write", "write", "pump", "drain", "own")


class Rival(Shop):
    """An engine beside another one, which may take the ledger over before any call to it."""

    owner: "Contested"  # by hand: whoever said so last

    def __init__(self) -> None:
        self.rivals: list[Rival] = [self]  # the same list in both
        self.takeovers: list[bool] = []  # one for each call to the ledger
        super().__init__(FILES)

    def writer(self) -> MemoryStore:
        return Contested(self)

    def against(self) -> "Rival":
        """Return the other one, over the same log and ledger."""
        other = copy(self)
        self.rivals.append(other)
        other.open()
        return other

    def owns(self) -> bool:
        return self.rivals[0].owner.rival is self


class Contested(MemoryStore):
    """A writer that looks whether it changes anything after it was replaced."""

    def __init__(self, rival: Rival) -> None:
        super().__init__(rival.shelf)
        self.rival = rival

    def own(self) -> Recovered:
        self.rival.rivals[0].owner = self
        return super().own()

    def put(self, outputs: Outputs) -> None:
        self._watched(lambda: MemoryStore.put(self, outputs))

    def write(self, chunk: Chunk) -> None:
        self._watched(lambda: MemoryStore.write(self, chunk))

    def mark(self, mark: Mark) -> None:
        self._watched(lambda: MemoryStore.mark(self, mark))

    def settled(self, wait_s: float = 0) -> int:
        settled = self._watched(lambda: MemoryStore.settled(self, wait_s))
        assert self.rival.rivals[0].owner is self, "who was replaced is told so"
        return settled

    def _watched(self, call: Callable[[], Answer]) -> Answer:
        first = self.rival.rivals[0]
        if first.owner is self and first.takeovers and first.takeovers.pop():
            next(other for other in first.rivals if other is not self.rival).open()
        if first.owner is self:
            return call()
        before = held(self.shelf)
        try:
            return call()
        finally:
            assert held(self.shelf) == before, "who was replaced changed something"


def held(shelf: Shelf) -> dict[str, Any]:
    """Everything in a ledger, as it is now."""
    return deepcopy(vars(shelf))


def call(shop: Shop, what: str) -> None:
    """Have an engine do one of the things that engines do."""
    engine = shop.engine
    match what:
        case "read":
            engine.process(shop.log.read(0, engine.position, 2, 0))
        case "write":
            engine.behind.pump(0.0, period_s=0)
        case "pump":
            engine.pump(eager=True)
        case "drain":
            engine.drain()
        case "own":
            shop.open()


@LONG
@settings(max_examples=50, deadline=None)
@given(
    histories(joins, size=20),
    st.lists(st.tuples(st.sampled_from(CALLS), st.integers(0, 1)), min_size=20, max_size=60),
    st.lists(st.sampled_from((False, False, True)), min_size=30, max_size=60),
)
def test_i10_a_fenced_engine_changes_nothing_in_any_interleaving(
    history: list[Said], calls: list[tuple[str, int]], takeovers: list[bool]
) -> None:
    first, account = Rival(), Account()
    first.engine.drain()
    second = first.against()
    for said in history:
        account.take(said, first)
        first.log.append(0, record.encode([said]))
    first.takeovers += takeovers
    for what, which in calls:
        with suppress(FencedError):
            call(first.rivals[which], what)
    first.takeovers.clear()

    owner = first if first.owns() else second
    owner.run()
    owner.engine.drain()
    assert totals_in(first.shelf) == account.totals
    counts = first.shelf.counts
    found = {name: counts[name] for name in ("applied", "duplicate")}
    assert found == {name: account.where[name] for name in found}
    sent = Counter(one.event["by"] for one in owner.sent)
    viewed = [by for by, event in account.applied.items() if event.name == "viewed"]
    assert sent == Counter(viewed)
