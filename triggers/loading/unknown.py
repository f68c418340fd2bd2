"""What of a workspace's definitions is not known yet, so that nothing is decided by it."""

import hashlib

import msgspec

from profile_state.history import History
from profile_state.leaf import NEVER
from triggers.known import known
from triggers.loading.segments import Made as Member
from triggers.loading.triggers import Made
from triggers.slots import Asks


class Unknown:
    """What is not known yet of the definitions that are asked about, one after the other."""

    def __init__(self, history: History) -> None:
        self._history = history
        self._since: dict[str, int] = {}  # by definition, where it is not 0
        self._warming: set[str] = set()  # segments
        self.turn = NEVER  # ms; when it is time to look again

    def concerns(self, asks: Asks, name: str = "") -> bool:
        """Say whether something that a definition looks at is not known."""
        return self._of(asks, name) == NEVER

    def _of(self, asks: Asks, name: str) -> int:
        found = known(asks, self._history, self._warming)
        self.turn = min(self.turn, found.turn)
        if found.since:
            self._since[name] = found.since
        return found.since

    def member(self, one: Member) -> Member:
        """Nobody is asked whether they are inside; who was stays so."""
        if not self.concerns(one.asks, f"segment {one.segment.name}"):
            return one
        self._warming.add(one.segment.name)
        return one._replace(segment=msgspec.structs.replace(one.segment, warming=True))

    def trigger(self, one: Made) -> Made:
        """Nothing older than what is known starts a run."""
        since = self._of(one.asks, f"trigger {one.trigger.name}")
        return one._replace(trigger=msgspec.structs.replace(one.trigger, since=since))

    def mark(self, held: frozenset[str]) -> str:
        """Return what tells these definitions apart from the same ones of which all is known."""
        if not self._history.gaps:
            return ""
        said = sorted(self._since.items()), sorted(held), sorted(self._history.apart.values())
        return f"~{hashlib.blake2b(msgspec.msgpack.encode(said), digest_size=4).hexdigest()}"
