"""The simulated shop: an endless stream of requests, with the truth about each. Pure.

On top of what people do (`scenes`) comes what networks and programmers do: copies, in the same
batch or in a later one, other contents under a used message id, and events that are none.
"""

import json
import random
from collections import deque
from collections.abc import Iterator
from datetime import UTC, datetime
from heapq import heappop, heappush
from typing import Any

from collector.keys import Kind
from kairos.demo.people import Crowd
from kairos.demo.request import Call, Parcel, Request, Truth
from kairos.demo.scenes import Scenes

BATCH = 20  # events, as SDKs flush
COPIED, BAD, CONFLICTING = 0.05, 0.02, 0.005  # shares of the requests that carry one


class Shop:
    """A shop that is open from `now_ms` on.

    Args:
        seed: the world: people keep their ids over all runs with the same seed.
        now_ms: when the first request is sent.
        run: this run's name; its message ids and newcomers carry it.
        rate: events a second.

    >>> first, again = (next(Shop(1, 1_772_452_800_000, "x", 300).requests()) for _ in "ab")
    >>> first == again, first.truth.events >= 1
    (True, True)
    """

    def __init__(self, seed: int, now_ms: int, run: str, rate: float) -> None:
        self._draw = random.Random(f"{seed}/{run}")
        self._scenes = Scenes(run, Crowd(seed, run, now_ms, self._draw), self._draw)
        self._now, self._run, self._rate = now_ms / 1000, run, rate
        self._recent: dict[Kind, deque[dict[str, Any]]] = {
            "browser": deque(maxlen=400),
            "server": deque(maxlen=400),
        }
        self._extra = 0

    def requests(self) -> Iterator[Request]:
        """Give requests in the order of their sending, at the shop's rate."""
        waiting: list[tuple[float, int, Parcel]] = []
        events = parcels = 0
        while True:
            at = events / self._rate
            if not waiting or waiting[0][0] > at:
                for parcel in self._scenes.next():
                    parcels += 1
                    heappush(waiting, (at + parcel.after, parcels, parcel))
                continue
            _, _, parcel = heappop(waiting)
            for start in range(0, len(parcel.calls), BATCH):
                part = parcel._replace(calls=parcel.calls[start : start + BATCH])
                request = self._request(part, events / self._rate)
                events += request.truth.events
                yield request

    def _request(self, parcel: Parcel, at: float) -> Request:
        clock = self._now + at + parcel.skew
        events = [_written(parcel.key, call, clock) for call in parcel.calls]
        truth = Truth(distinct=len(events))
        before = self._recent[parcel.key]
        luck = self._draw.random()
        if luck < COPIED:
            events.append(self._draw.choice(before or events))
            truth += Truth(duplicates=1)
        elif luck < COPIED + BAD:
            events.append(self._bad(events[0], clock))
            truth += Truth(bad=1)
        elif luck < COPIED + BAD + CONFLICTING and events[-1]["type"] == "track":
            # The original is never copied, or the order of arrival would decide what is the copy.
            original = events.pop()
            before.extend(events)
            events += [original, original | {"properties": {"product_id": "another"}}]
            return self._posted(parcel, events, truth + Truth(conflicts=1), at)
        before.extend(events[: truth.distinct])
        return self._posted(parcel, events, truth, at)

    def _bad(self, like: dict[str, Any], clock: float) -> dict[str, Any]:
        self._extra += 1
        event = {
            "type": "track",
            "event": "Product Viewed",
            "messageId": f"{self._run}-bad{self._extra}",
            "originalTimestamp": _iso(clock),
        }
        ids = {name: like[name] for name in ("userId", "anonymousId") if name in like}
        what = self._draw.choice(("nobody", "nobody", "too large", "no number"))
        if what == "nobody":
            return event | {"anonymousId": "undefined"}
        if what == "too large":
            return event | ids | {"properties": {"notes": ["x" * 8000] * 5}}
        return event | ids | {"properties": {"price": float("nan")}}

    def _posted(
        self, parcel: Parcel, events: list[dict[str, Any]], truth: Truth, at: float
    ) -> Request:
        sent = {"sentAt": _iso(self._now + at + parcel.skew)}
        plain = parcel.key == "browser" and self._draw.random() < 0.7  # beacons avoid a preflight
        content_type = "text/plain" if plain else "application/json"
        if len(events) == 1 and self._draw.random() < 0.5:
            path, body = f"/v1/{events[0]['type']}", events[0] | sent
        else:
            path, body = "/v1/batch", {"batch": events, **sent}
        encoded = json.dumps(body, separators=(",", ":")).encode()
        return Request(at, parcel.key, path, content_type, encoded, truth)


def _written(key: Kind, call: Call, clock: float) -> dict[str, Any]:
    """Write the call's time where that kind of SDK writes it."""
    where = "originalTimestamp" if key == "browser" else "timestamp"
    return {**call.fields, where: _iso(clock - call.ago)}


def _iso(seconds: float) -> str:
    moment = datetime.fromtimestamp(seconds, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
