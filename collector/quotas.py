"""How many events a second a key may send, and who waits when all of it is too much."""

from typing import Literal

import msgspec

from collector.keys import Key
from events.record import CLAIMED

LONGEST = 300  # seconds; SDKs wait no longer, whatever they are told
_BURST = 10  # seconds of a key's quota that may come at once
_NEVER = -1  # us; a bucket that nobody asked yet
_SPARE = 0.1  # seconds of what is admitted that may come at once

# Who is refused first when there is too much: what a browser shows that it looked at, then what
# else it says, then who somebody is, and what servers say.
Rank = Literal[0, 1, 2]
VIEWS: Rank = 0
BROWSER: Rank = 1
FIRST: Rank = 2
_LEFT: tuple[float, float, float] = (0.5, 0.2, 0.0)  # of the spare that a rank leaves to others


class Bucket(msgspec.Struct):
    """Tokens that come at a rate, one for each event. May be in debt by one batch."""

    tokens: float
    at_us: int

    def fill(self, rate: float, most: float, now_us: int) -> None:
        """Let the tokens come that came since."""
        self.tokens = min(most, self.tokens + rate * max(0, now_us - self.at_us) / 1e6)
        self.at_us = now_us


class Quotas:
    """The quotas of keys.

    >>> key = Key("k1", "browser", "web", "", "", quota=10)
    >>> quotas = Quotas()
    >>> [quotas.wait(key, 100, 0), quotas.wait(key, 1, 0), quotas.wait(key, 1, 200_000)]
    [0, 1, 0]
    """

    def __init__(self) -> None:
        self._buckets: dict[str, Bucket] = {}

    def wait(self, key: Key, events: int, now_us: int) -> int:
        """Take so many events of a key's quota; else return after how many seconds to ask again.

        A batch is let in whole or not at all. One that is larger than what is left is let in while
        anything is, and those after it wait for it.
        """
        if not key.quota:
            return 0
        most = key.quota * _BURST
        bucket = self._buckets.setdefault(key.id, Bucket(most, now_us))
        bucket.fill(key.quota, most, now_us)
        if bucket.tokens < 1:
            return min(LONGEST, int((1 - bucket.tokens) / key.quota) + 1)
        bucket.tokens -= events
        return 0


class Admission:
    """What is let in while the engine, or a server's memory, has enough.

    >>> admission = Admission()
    >>> admission.lets_in(VIEWS, 5_000, 0)
    True
    >>> admission.limit(1_000.0, 0)
    >>> [admission.lets_in(FIRST, 100, 0), admission.lets_in(FIRST, 1, 0), admission.lets_in(FIRST, 1, 10_000)]
    [True, False, True]
    >>> admission.limit(None, BROWSER + 1)
    >>> [admission.lets_in(rank, 1, 0) for rank in (VIEWS, BROWSER, FIRST)]
    [False, False, True]
    """

    def __init__(self) -> None:
        self._rate: float | None = None
        self._least: int = VIEWS
        self._bucket = Bucket(0.0, _NEVER)

    @property
    def limiting(self) -> bool:
        """Whether anything is refused."""
        return self._rate is not None or self._least > VIEWS

    def limit(self, rate: float | None, least: int) -> None:
        """Let so much in from now on.

        Args:
            rate: events a second; None: all.
            least: the lowest rank that is let in; FIRST + 1: none is.
        """
        if rate is not None and self._rate is None:
            self._bucket = Bucket(rate * _SPARE, _NEVER)
        self._rate, self._least = rate, least

    def lets_in(self, rank: Rank, events: int, now_us: int) -> bool:
        """Say whether so many events of a rank are let in now, and count them."""
        if rank < self._least:
            return False
        if self._rate is None:
            return True
        spare = self._rate * _SPARE
        if self._bucket.at_us == _NEVER:
            self._bucket.at_us = now_us
        self._bucket.fill(self._rate, spare, now_us)
        if self._bucket.tokens < max(1.0, spare * _LEFT[rank]):
            return False
        self._bucket.tokens -= events
        return True


class _Typed(msgspec.Struct, frozen=True):
    type: object = None


_kind = msgspec.json.Decoder(_Typed).decode


def rank_of(key: Key, kinds: set[str]) -> Rank:
    """Return how early a request is refused, by whose it is and what it says.

    >>> web = Key("k1", "browser", "web", "", "")
    >>> rank_of(web, {"page"}), rank_of(web, {"page", "track"}), rank_of(web, {"page", "identify"})
    (0, 1, 2)
    """
    if key.trust > CLAIMED or "identify" in kinds:
        return FIRST
    return VIEWS if kinds <= {"page", "screen"} else BROWSER


def kinds_of(events: list[msgspec.Raw]) -> set[str]:
    """Return of which kinds the calls of a batch are.

    >>> sorted(kinds_of([msgspec.Raw(b'{"type":"page"}'), msgspec.Raw(b'{"type":7}')]))
    ['', 'page']
    """
    found = set()
    for raw in events:
        try:
            kind = _kind(raw).type
        except (msgspec.DecodeError, ValueError, RecursionError):
            kind = ""
        found.add(kind if type(kind) is str else "")
    return found
