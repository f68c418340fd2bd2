"""The load as the log carries it: parsed at the door's own parser, packed as group commit packs."""

from collections.abc import Iterable, Iterator

from benchmarks.workload import Call, iso, sent_at_rate
from events.arrival import Arrival
from events.parse import parse
from events.record import CLAIMED, Event, encode

ENTRY = 500  # records; what group commit puts into one entry under load
SOURCE = "bench"


def entries(calls: list[Call], start_us: int, rate: float) -> Iterator[bytes]:
    """Yield the payloads of the log's entries.

    Args:
        calls: in the order in which they are sent.
        start_us: us since 1970; when the first one is sent. The collector has it at once.
        rate: events a second.
    """
    sent: list[tuple[int, bytes]] = []
    for one in sent_at_rate(calls, start_us, rate):
        sent.append(one)
        if len(sent) == ENTRY:
            yield packed(sent)
            sent = []
    if sent:
        yield packed(sent)


def packed(sent: Iterable[tuple[int, bytes]]) -> bytes:
    """Return one entry's payload.

    Args:
        sent: when each event was sent, us since 1970, and its JSON.
    """
    records: list[Event] = []
    for instant_us, body in sent:
        sent_at = iso(instant_us // 1000).decode()
        parsed = parse(body, Arrival(SOURCE, CLAIMED, instant_us, sent_at=sent_at))
        if not isinstance(parsed, Event):
            raise TypeError(f"the load has a call that the door refuses: {parsed}")
        records.append(parsed)
    return encode(records)
