"""What becomes of an event that cannot be one: it is kept, with all that a replay needs."""

import msgspec

from events.arrival import Arrival
from events.record import DeadLetter
from events.rejected import Rejected


def dead_letter(result: Rejected, body: bytes, arrival: Arrival) -> DeadLetter:
    """Return the dead letter of a call.

    Args:
        result: why it is none.
        body: of the call, as it came.
        arrival: what its request said about it.
    """
    return DeadLetter(
        source=arrival.source,
        trust=arrival.trust,
        code=result.code,
        reason=result.reason,
        body=body,
        accepted_us=arrival.accepted_us,
        kind=arrival.kind,
        sent_at="" if arrival.sent_at is None else str(arrival.sent_at),
        context=msgspec.json.encode(arrival.context),
        import_id=arrival.import_id,
    )
