"""Whether a signed time is near enough to now."""

import re

from collector.mail.base import Refused

_SECONDS = re.compile(r"[1-9][0-9]{8,10}")  # 1973 to the year 5138, and no sign, space or zero


def seconds(value: str) -> int | Refused:
    """Read a signed time, whole seconds since 1970, in ms.

    Nothing but its plain form: it stands beside other signed words without a separator, so a
    form that is read generously would let a digit move from one into the other.

    >>> seconds("1795500040"), seconds(" 1795500040"), seconds("01795500040")
    (1795500040000, Refused(reason='the signed time is no number of seconds'), \
Refused(reason='the signed time is no number of seconds'))
    """
    if not _SECONDS.fullmatch(value):
        return Refused("the signed time is no number of seconds")
    return int(value) * 1000


def stale(signed_ms: int, now_ms: int, before_ms: int, after_ms: int) -> Refused | None:
    """Refuse a signed time more than `before_ms` ago or `after_ms` ahead.

    >>> stale(100_000, 400_000, 300_000, 300_000) is None
    True
    >>> stale(100_000, 400_001, 300_000, 300_000).reason
    'signed 300 s ago, at most 300 s were expected; look at the clock of this machine'
    """
    if signed_ms < now_ms - before_ms:
        late = (now_ms - signed_ms) // 1000
        return Refused(
            f"signed {late} s ago, at most {before_ms // 1000} s were expected; {_CLOCK}"
        )
    if signed_ms > now_ms + after_ms:
        ahead = (signed_ms - now_ms) // 1000
        return Refused(f"signed {ahead} s ahead of now; {_CLOCK}")
    return None


_CLOCK = "look at the clock of this machine"
