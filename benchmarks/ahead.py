"""A log that is written before anybody reads it, as if the load had come at 25,000 events a second.

Entries carry the times at which they would have been appended, so that windows, absences and the
log's clock are those of live traffic. Under another name nobody reads it; a RENAME shows it whole.
"""

from typing import NamedTuple

import redis

from benchmarks import encoded
from benchmarks.bed import BenchError
from benchmarks.workload import Call
from events.sources.valkey import FIELD, SEQUENCE_BITS

KEY = "ahead:{p0}"
ARRIVED = 25_000.0  # events a second, in the times that the log carries
AT_A_TIME = 16  # entries, in one exchange with the server


class Written(NamedTuple):
    """A log that waits under another name."""

    key: str
    last: int  # id of its last entry
    end_ms: int  # time of that entry


def write_ahead(log: redis.Redis, calls: list[Call], start_us: int) -> Written:
    """Write the load under another name, as entries of the times at which they would have come.

    Raises:
        BenchError: the log is full before all of it is in.
    """
    try:
        return _written(log, calls, start_us)
    except redis.OutOfMemoryError as error:
        took = log.xlen(KEY) * encoded.ENTRY
        room = int(log.info("memory")["maxmemory"]) / 1e6
        raise BenchError(
            f"the log is full: its Valkey has {room:,.0f} MB (maxmemory, noeviction) and took "
            f"{took:,} of {len(calls):,} events; ask for fewer --events"
        ) from error


def _written(log: redis.Redis, calls: list[Call], start_us: int) -> Written:
    ms = 0
    pipe = log.pipeline(transaction=False)
    for nth, payload in enumerate(encoded.entries(calls, start_us, ARRIVED), 1):
        sent = min(nth * encoded.ENTRY, len(calls))
        ms = (start_us + int(sent / ARRIVED * 1e6)) // 1000
        pipe.xadd(KEY, {FIELD: payload}, id=f"{ms}-{nth}")
        if nth % AT_A_TIME == 0:
            pipe.execute()
    pipe.execute()
    return Written(KEY, (ms << SEQUENCE_BITS) + nth, ms)
