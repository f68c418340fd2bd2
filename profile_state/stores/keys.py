"""What a partition's ledger is made of: which keys are its own, and what comes of them.

A server may hold more than one ledger, and the log as well, so nothing is anybody's by accident.
"""

from typing import NamedTuple

from events.sources.valkey import stream_key

Command = list[bytes | str | int]

MARK = "mark"  # up to where the log is applied; its presence says that a ledger was begun
SEEN_ITEM = "saw:"
VOUCHED = "vouched"  # the server's run in which withdrawals are complete, see `Store.vouch`
RESTORING = "restoring"  # names the checkpoint from which a ledger is being filled

# Of a ledger that was restored nobody is the owner yet, epochs only grow, who asked has left, and
# it does not know yet who has withdrawn since.
PASSING = ("owner", "epoch", "calls", "asked", "position", "questions", VOUCHED, RESTORING)

SHARED = (b"withdrawn:", b"workspace:")  # of all partitions, and the same to all
WITHDRAWN_MS = 90 * 86_400_000  # as long as an activation may still be sent


def withdrawn(who: str, purpose: str, channel: str) -> str:
    """Return the key of when somebody last withdrew, which workers ask for right before a call.

    >>> withdrawn("p_1", "marketing", "email")
    'withdrawn:p_1:marketing:email'
    """
    return f"withdrawn:{who}:{purpose}:{channel}"


class Keys(NamedTuple):
    """The keys of one partition.

    >>> Keys(3).named("due"), Keys(3).prefixes
    ('due:{p3}', (b'person:{p3}:', b'id:{p3}:'))
    """

    partition: int

    @property
    def tag(self) -> str:
        """What all of them carry; a cluster keeps them together by it."""
        return f"{{p{self.partition}}}"

    def named(self, name: str) -> str:
        """Return a key of which there is one."""
        return f"{name}:{self.tag}"

    def seen_item(self, how: str, item: str) -> str:
        """Return the key of who has seen an item."""
        return f"{SEEN_ITEM}{self.tag}:{how}:{item}"

    @property
    def seen_items(self) -> bytes:
        """How the keys begin of who has seen which item."""
        return f"{SEEN_ITEM}{self.tag}:".encode()

    @property
    def prefixes(self) -> tuple[bytes, bytes]:
        """How the keys begin of which there is one a person and one an identifier."""
        return f"person:{self.tag}:".encode(), f"id:{self.tag}:".encode()

    @property
    def mark(self) -> str:
        """The mark."""
        return self.named(MARK)

    @property
    def vouched(self) -> str:
        """What says that withdrawals are complete."""
        return self.named(VOUCHED)

    @property
    def restoring(self) -> str:
        """What says that the ledger is being filled."""
        return self.named(RESTORING)

    @property
    def single(self) -> tuple[str, ...]:
        """Those of which there is one, and that last; the mark is not among them."""
        names = ("seen", "erasure_keys", "people", "due", "counts", "dead", "items", "failures")
        stream = (stream_key(name, self.partition) for name in ("activations", "activations.gone"))
        return *(self.named(name) for name in names), *stream
