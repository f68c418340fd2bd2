"""What a request says about the calls that came in it."""

from collections.abc import Callable
from typing import Any

import msgspec

from events.limits import Limits
from events.proofs import Proof
from events.wire import NO_CONTEXT, RawContext


def _nothing_proven(_token: str) -> Proof | None:
    return None


class Arrival(msgspec.Struct, frozen=True):
    """What the request says about each of its events.

    >>> from events.record import CLAIMED
    >>> Arrival(source="web", trust=CLAIMED, accepted_us=1_700_000_000_000_000).limits.depth
    16
    """

    source: str  # the write key's source group; without control characters
    trust: int  # CLAIMED or VERIFIED
    accepted_us: int  # us
    kind: str = ""  # from the path; "" where each event says its own `type`
    sent_at: Any = None  # of the batch, as sent
    context: RawContext = NO_CONTEXT  # of the batch
    limits: Limits = Limits()
    import_id: str = ""  # of the batch: its events are history, and keep their times
    gpc: bool = False  # the browser that sent it asks for privacy (`Sec-GPC: 1`)
    replayed: bool = False  # the log takes its time from the events, so each must have one
    prove: Callable[[str], Proof | None] = _nothing_proven  # reads an identity token, as of now
