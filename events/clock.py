"""When an event happened: the client's clock, corrected where it can be, mistrusted where not.

What the SDKs send (captured, `fixtures/sdk`):

| SDK | `timestamp` | `originalTimestamp` | `sentAt` |
|---|---|---|---|
| Segment: browser, node, python; RudderStack: python | when, by the client's clock, or history | no | yes |
| RudderStack: browser | no | when, by the client's clock | yes |
| RudderStack: node | only history | when, by the client's clock | yes |
| imports, curl | history | no | no |
"""

from datetime import UTC, datetime
from typing import Any

DAY = 86_400_000  # ms; a clock further off than this is broken, not skewed
AHEAD = 300_000  # ms; how far in the future an event may lie

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_read = datetime.fromisoformat
_END = 253_402_300_800_000  # ms; the year 10000
_SECONDS_BELOW = 100_000_000_000  # as ms this is 1973, as seconds the year 5138


def parse_instant(value: Any) -> int | None:
    """Read a time as sent, in ms since 1970; None where it is none.

    ISO 8601 with `Z`, an offset or neither (which means UTC) and any number of decimals;
    numbers, also as digits in a string, are ms, or seconds where they are below 10¹¹.

    >>> parse_instant("2026-11-25T02:12:49.246Z")
    1795572769246
    >>> parse_instant("2026-11-25T03:12:49.246123+01:00") == parse_instant(1795572769246)
    True
    >>> parse_instant("2026-11-25T02:12:49"), parse_instant(1795572769), parse_instant("soon")
    (1795572769000, 1795572769000, None)
    """
    if type(value) is str:
        if value.isdecimal() and 10 <= len(value) <= 13:
            return parse_instant(int(value))
        try:
            moment = _read(value)
        except ValueError:
            return None
        since = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - _EPOCH
        ms = since.days * DAY + since.seconds * 1000 + since.microseconds // 1000
    elif type(value) is int or type(value) is float:
        ms = round(value * 1000 if abs(value) < _SECONDS_BELOW else value)
    else:
        return None
    return ms if 0 <= ms < _END else None


def event_time(
    timestamp: int | None,
    original: int | None,
    sent: int | None,
    received: int,
    *,
    verified: bool,
) -> tuple[int, str]:
    """Decide when an event happened, all in ms, and the flag that says what was wrong (or `""`).

    In this order:

    1. Without `sent` nothing checks the clock: a server's `timestamp` is an import's and
       stands; anything else becomes `received`, `clock_missing`.
    2. `sent` more than a day from `received`: the clock is broken; `received`, `clock_skew`.
    3. `timestamp` beside another `original` is history that the caller gave; it stands. So does
       a server's `timestamp` more than a day before `sent`: no server queues for that long.
    4. Else the clock's error cancels out: received − (sent − original), where an SDK that
       sends no `originalTimestamp` has put it into `timestamp`.
    5. Whatever came out more than five minutes ahead of `received`: `received`, `clock_future`.

    A phone whose clock is two hours fast, and a batch that waited one second:

    >>> hour = 3_600_000
    >>> event_time(None, 12 * hour, 12 * hour + 1000, 10 * hour + 1000, verified=False)
    (36000000, '')

    An import keeps its times, a browser without `sentAt` does not:

    >>> event_time(5, None, None, 10 * hour, verified=True)
    (5, '')
    >>> event_time(5, None, None, 10 * hour, verified=False)
    (36000000, 'clock_missing')
    """
    if sent is None:
        if timestamp is None or not verified:
            return received, "clock_missing"
        happened = timestamp
    elif abs(received - sent) > DAY:
        return received, "clock_skew"
    elif original is None:
        if timestamp is None:
            return received, "clock_missing"
        told = verified and sent - timestamp > DAY
        happened = timestamp if told else received - sent + timestamp
    elif timestamp is not None and timestamp != original:
        happened = timestamp
    else:
        happened = received - sent + original
    if happened > received + AHEAD:
        return received, "clock_future"
    return max(happened, 0), ""
