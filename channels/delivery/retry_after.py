"""When a receiver that turned a request away is asked again, and who else waits for it."""

from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Literal

from channels.base import Later

DAY = 86_400.0  # seconds; no Retry-After holds longer
PAUSE = 5.0  # seconds to wait where the receiver names none; the worker's back-off comes on top
TOO_MANY = 429


def later(status: int, retry_after: str | None, now: float, reason: str) -> Later:
    """Say that an answer asks for another time: of all of us, where we were too fast.

    Args:
        status: of HTTP.
        retry_after: the header, None where there is none.
        now: seconds since 1970.
        reason: of the answer.

    >>> later(429, "7", 0.0, "http 429"), later(503, None, 0.0, "http 503").whose
    (Later(after=7.0, reason='http 429', whose='pace'), 'provider')
    """
    whose: Literal["pace", "provider"] = "pace" if status == TOO_MANY else "provider"
    return Later(pause(retry_after, now), reason, whose)


def pause(retry_after: str | None, now: float) -> float:
    """Read a Retry-After header: seconds or an HTTP date, at most a day.

    Args:
        retry_after: the header, None where there is none.
        now: seconds since 1970.

    >>> pause("Thu, 01 Jan 1970 00:02:00 GMT", 60.0), pause("999999", 0.0), pause("soon", 0.0)
    (60.0, 86400.0, 5.0)
    """
    if retry_after is None:
        return PAUSE
    if retry_after.isascii() and retry_after.strip().isdigit():
        return min(float(retry_after), DAY)
    try:
        wanted = parsedate_to_datetime(retry_after)
        seconds = wanted.replace(tzinfo=wanted.tzinfo or UTC).timestamp() - now
    except (ValueError, OverflowError):
        return PAUSE
    return min(max(seconds, 0.0), DAY)
