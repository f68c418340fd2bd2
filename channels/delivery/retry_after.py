"""How long a receiver asks us to wait."""

from datetime import UTC
from email.utils import parsedate_to_datetime

DAY = 86_400.0  # seconds; no Retry-After holds longer
PAUSE = 5.0  # seconds to wait where the receiver names none; the worker's back-off comes on top


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
