"""When a call happened, by what it and its request say. The rules are `clock.event_time`'s."""

from functools import lru_cache
from typing import Any

from events.arrival import Arrival
from events.clock import event_time, parse_instant
from events.content import scalar
from events.record import CLAIMED
from events.rejected import RefusedError

_sent = lru_cache(maxsize=64)(parse_instant)  # a batch says it once for all its events


def happened(
    timestamp: Any,
    original: Any,
    sent: Any,
    arrival: Arrival,
    context: dict[str, Any],
    flags: list[str],
) -> int:
    """Decide when the event happened; what was wrong with its clock goes into flags and context.

    Args:
        timestamp: of the call, as sent.
        original: its `originalTimestamp`.
        sent: its own `sentAt`; None leaves it to the batch.
        arrival: what the request says.
        context: gets `clock`, the times as they were sent.
        flags: get what was wrong.

    Returns:
        ms since 1970.

    Raises:
        RefusedError: there is no time, and the log takes its own from it.
    """
    when = parse_instant(timestamp)
    first = None if original is None else parse_instant(original)
    if sent is None:
        sent = arrival.sent_at
    if arrival.import_id or arrival.replayed:
        # History: what was sent long ago cannot be compared with when it is received now.
        when, first, sent = (first if when is None else when), None, None
        if when is None and arrival.replayed:
            raise RefusedError("missing_timestamp", "timestamp: this log takes its time from it")
    time, wrong = event_time(
        when,
        first,
        _sent(sent) if type(sent) is str else parse_instant(sent),
        arrival.accepted_us // 1000,
        verified=arrival.trust > CLAIMED,
    )
    if wrong:
        flags.append(wrong)
        as_sent = {"timestamp": timestamp, "original": original, "sent": sent}
        clock = {n: scalar(v) for n, v in as_sent.items() if v is not None and len(str(v)) <= 64}
        if clock:
            context["clock"] = clock
    return time
