"""The only load that is measured: a seeded shop, as JSON that Segment's browser SDK would send.

    python -m benchmarks.workload [--events 50000] [--seed 1] [--triggers]

shows what it is made of; tests hold it to that.

A call is made before it is known when it will be sent, so its time, the instant for which it was
scheduled and its round are marks of fixed width that `stamped` replaces: a driver patches bytes
and encodes nothing. A pool of calls can be sent several times; each round is other events.
"""

import argparse
import random
import sys
from collections import deque
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from itertools import accumulate
from typing import NamedTuple

import orjson

PEOPLE = 100_000
PRODUCTS = 2_000
TIME = b"2000-01-01T00:00:00.000Z"
SCHEDULED = b"1000000000000000"  # us since 1970
ROUND = b"-r000-"

# Event names as a shop's developers write them, with their share in percent.
NAMES = {
    "Product Viewed": 31,
    "Page Viewed": 23,
    "Cart Updated": 13,
    "Search Performed": 11,
    "Email Opened": 5,
    "Pricing Viewed": 4,
    "Review Read": 4,
    "Checkout Started": 3,
    "Order Completed": 2,
    "Wishlist Updated": 2,
    "Signed Up": 1,
    "Coupon Applied": 1,
}
# Zipf's law with Mandelbrot's shift. Without it the busiest person would make 8 % of all events,
# 800 a second at 10,000/s, which no customer does; so it is 0.26 %, and the busiest ten 2.4 %.
SHIFT = 50
COPIES, MERGES, IDENTIFIES, LATE = 0.02, 0.01, 0.01, 0.01  # shares of all calls
RETRIED_WITHIN = 2_000  # calls; how far behind its first copy a second one comes
AGES_MS = (0, 2_000)  # how long a browser keeps an event that is not late
LATE_MS = (3_600_000, 48 * 3_600_000)

_CATEGORIES = ("shoes", "jackets", "tents", "lamps", "books", "sale", "bags", "maps", "bikes")
_PLACES = (("de-DE", "Europe/Berlin"), ("fr-FR", "Europe/Paris"), ("en-GB", "Europe/London"))
_AGENT = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/131.0"


class Call(NamedTuple):
    """One event, not sent yet."""

    body: bytes  # JSON, with marks
    age: int  # ms; how long before it is sent it happened
    copy_of: int  # the place of the call that it repeats byte for byte, -1 where it is new


def stamped(body: bytes, time: int, scheduled_us: int, nth_round: int = 0) -> bytes:
    """Replace the marks of one call, or of many that are joined.

    Args:
        body: JSON with marks.
        time: ms since 1970; when it happened.
        scheduled_us: us since 1970; when it shall be sent.
        nth_round: of how many times the pool was sent before; below 1,000.

    >>> stamped(b'["2000-01-01T00:00:00.000Z","a-r000-1",1000000000000000]', 1, 2 * 10**15, 7)
    b'["1970-01-01T00:00:00.001Z","a-r007-1",2000000000000000]'
    """
    body = body.replace(SCHEDULED, b"%016d" % scheduled_us)
    if nth_round:
        body = body.replace(ROUND, b"-r%03d-" % nth_round)
    return body.replace(TIME, iso(time))


def iso(ms: int) -> bytes:
    """Write an instant as SDKs do.

    >>> iso(1_795_572_769_246)
    b'2026-11-25T02:12:49.246Z'
    """
    moment = datetime.fromtimestamp(ms // 1000, UTC)
    return b"%s.%03dZ" % (moment.strftime("%Y-%m-%dT%H:%M:%S").encode(), ms % 1000)


class Shop:
    """The people, and what they do next. The same seed makes the same calls, byte for byte.

    Half of the people are known from the start and send their `userId`. The others are
    anonymous until an identify merges them, and send both ids from then on, as SDKs do.

    Args:
        seed: of everything.
        people: how many there are; who acts is drawn by Zipf's law, and so are what they
            look at and for how long they have been members.
    """

    def __init__(self, seed: int = 1, people: int = PEOPLE) -> None:
        self._seed = seed
        self._random = random.Random(seed)
        self._people = list(range(people))
        self._random.shuffle(self._people)  # popularity says nothing about who is known
        self._popularity = list(accumulate(1 / (rank + SHIFT) for rank in range(1, people + 1)))
        self._wanted = list(accumulate(1 / rank for rank in range(1, PRODUCTS + 1)))
        ages = list(accumulate(1 / days for days in range(1, 1_001)))
        self._days = self._random.choices(range(1, 1_001), cum_weights=ages, k=people)
        self._names, shares = list(NAMES), NAMES.values()
        self._shares = list(accumulate(shares))
        self._merged: set[int] = set()
        self._strangers: deque[int] = deque()  # seen, anonymous, not merged; first seen first
        self._seen: set[int] = set()

    def calls(self, count: int) -> list[Call]:
        """Make the first `count` calls.

        >>> Shop(1, 100).calls(50) == Shop(1, 100).calls(50)
        True
        """
        made: list[Call] = []
        for nth in range(count):
            draw = self._random.random()
            if draw < COPIES and made:
                made.append(self._copy(made))
            elif COPIES <= draw < COPIES + MERGES and self._strangers:
                made.append(self._merge(nth))
            elif COPIES <= draw < COPIES + MERGES + IDENTIFIES:
                made.append(self._identify(nth))
            else:
                made.append(self._track(nth))
        return made

    def _copy(self, made: list[Call]) -> Call:
        first = len(made) - self._random.randint(1, min(len(made), RETRIED_WITHIN))
        if made[first].copy_of >= 0:
            first = made[first].copy_of
        return Call(made[first].body, made[first].age, first)

    def _merge(self, nth: int) -> Call:
        person = self._strangers.popleft()
        self._merged.add(person)
        return self._call(nth, person, {"type": "identify", "traits": self._traits(person)})

    def _identify(self, nth: int) -> Call:
        person = self._person() & ~1  # somebody known
        return self._call(nth, person, {"type": "identify", "traits": self._traits(person)})

    def _track(self, nth: int) -> Call:
        person = self._person()
        if person & 1 and person not in self._seen:
            self._seen.add(person)
            self._strangers.append(person)
        name = self._random.choices(self._names, cum_weights=self._shares)[0]
        said = {"type": "track", "event": name, "properties": self._properties(person)}
        return self._call(nth, person, said)

    def _person(self) -> int:
        return self._random.choices(self._people, cum_weights=self._popularity)[0]

    def _product(self) -> int:
        return self._random.choices(range(PRODUCTS), cum_weights=self._wanted)[0]

    def _call(self, nth: int, person: int, said: Mapping[str, object]) -> Call:
        locale, timezone = _PLACES[person % len(_PLACES)]
        path = f"/{self._random.choice(_CATEGORIES)}/p-{self._product():04}"
        context = {
            "library": {"name": "analytics.js", "version": "2.11.1"},
            "locale": locale,
            "timezone": timezone,
            "userAgent": _AGENT,
            "page": {"path": path, "url": f"https://shop.example{path}"},
        }
        body = orjson.dumps(
            {
                **said,
                "messageId": f"m{self._seed:04x}{ROUND.decode()}{nth:08}",
                **_ids(person, self._merged),
                "timestamp": TIME.decode(),
                "context": context,
            }
        )
        late = self._random.random() < LATE
        return Call(body, self._random.randint(*(LATE_MS if late else AGES_MS)), -1)

    def _traits(self, person: int) -> dict[str, object]:
        return {
            "plan": "pro" if person % 5 == 0 else "free",
            "first_name": f"Ana{person % 977}",
            "member_days": self._days[person % len(self._days)],
            "visits": self._random.randrange(1_000),
            "newsletter": self._random.random() < 0.5,
            "city": self._random.choice(("Lyon", "Hamburg", "Leeds", "Turin")),
            "interests": self._random.sample(_CATEGORIES, 3),
            "scheduled_us": int(SCHEDULED),
        }

    def _properties(self, person: int) -> dict[str, object]:
        return {
            "product_id": f"p-{self._product():04}",
            "category": self._random.choice(_CATEGORIES),
            "cart_id": f"c-{person:06}",
            "value": self._random.randrange(100, 50_000) / 100,
            "currency": "EUR" if self._random.random() < 0.8 else "GBP",
            "member_days": self._days[person % len(self._days)],
            "scheduled_us": int(SCHEDULED),
        }


def _ids(person: int, merged: set[int]) -> dict[str, str]:
    if not person & 1:
        return {"userId": f"u-{person:06}"}
    anonymous = {"anonymousId": f"a-{person:06}"}
    return {**anonymous, "userId": f"u-{person:06}"} if person in merged else anonymous


def sent_at_rate(calls: list[Call], start_us: int, rate: float) -> Iterator[tuple[int, bytes]]:
    """Stamp calls that are sent one after the other, evenly: the instant in us, and the JSON.

    A copy is that of the bytes that were sent the first time.

    >>> calls = [Call(b'{"at":1000000000000000}', 0, -1), Call(b"", 0, 0)]
    >>> [body for _, body in sent_at_rate(calls, 2 * 10**15, 10)]
    [b'{"at":2000000000000000}', b'{"at":2000000000000000}']
    """
    for nth, call in enumerate(calls):
        original = nth if call.copy_of < 0 else call.copy_of
        scheduled = start_us + int(original / rate * 1e6)
        body = calls[original].body
        now = start_us + int(nth / rate * 1e6)
        yield now, stamped(body, scheduled // 1000 - calls[original].age, scheduled)


def main() -> int:
    """Print the properties of the load."""
    from benchmarks import marketing, properties  # noqa: PLC0415 - they build on this file

    asked = argparse.ArgumentParser(prog="python -m benchmarks.workload")
    asked.add_argument("--events", type=int, default=50_000)
    asked.add_argument("--seed", type=int, default=1)
    asked.add_argument("--triggers", action="store_true", help="print the workspace instead")
    chosen = asked.parse_args()
    if chosen.triggers:
        print("---\n".join(marketing.files().values()))
    else:
        print(properties.described(properties.measured(chosen.seed, chosen.events)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
