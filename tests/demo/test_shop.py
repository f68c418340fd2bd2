"""The simulated shop: the same seed makes the same requests, and what it says of them is true."""

from collections import Counter
from collections.abc import Iterator
from itertools import takewhile
from typing import Any

import pytest

from collector.door import Door
from collector.handle import handle
from collector.keys import KeyRing, Kind, create
from collector.outcome import Accepted
from collector.request import Request as HttpRequest
from events.record import DeadLetter, Event
from kairos.demo.people import ZONES, asleep, awake, person
from kairos.demo.request import Request, Truth
from kairos.demo.shop import Shop

NOW = 1_772_452_800_000  # ms; Monday 2 March 2026, 12:00 UTC
HOUR = 3_600_000  # ms
KEYS: dict[Kind, str] = {"browser": "b", "server": "s"}


def requests(
    *, seed: int = 1, run: str = "r", rate: float = 300, seconds: float = 20
) -> list[Request]:
    shop = Shop(seed, NOW, run, rate)
    return list(takewhile(lambda r: r.at < seconds, shop.requests()))


def records(some: list[Request]) -> Iterator[tuple[Request, list[Any]]]:
    """Let the real door read requests, each at the time for which it was written."""
    made = [create(kind, kind, "2026-01-01T00:00:00Z", text)[1] for kind, text in KEYS.items()]
    door = Door(KeyRing(made))
    for request in some:
        auth = {b"authorization": b"Bearer " + KEYS[request.key].encode()}
        http = HttpRequest("POST", request.path, b"", auth, request.body)
        done = handle(http, door, NOW * 1000 + int(request.at * 1_000_000))
        assert isinstance(done, Accepted), done
        yield request, list(done.records)


def test_the_same_seed_and_run_make_the_same_requests() -> None:
    assert requests() == requests()
    assert requests() != requests(seed=2)
    assert requests() != requests(run="s")


def test_what_it_says_of_its_requests_is_what_the_door_finds() -> None:
    digests: dict[bytes, bytes] = {}
    for request, found in records(requests()):
        seen = Counter[str]()
        for record in found:
            if isinstance(record, DeadLetter):
                seen["bad"] += 1
            elif (first := digests.setdefault(record.key, record.digest)) != record.digest:
                seen["conflicts"] += 1
            elif first is record.digest:
                seen["distinct"] += 1
            else:
                seen["duplicates"] += 1
        assert Truth(**seen) == request.truth, request.body


def test_a_run_has_some_of_everything() -> None:
    truth = sum((r.truth for r in requests()), Truth())
    assert all(truth), truth
    names = Counter(
        record.name
        for _, found in records(requests(seconds=2))
        for record in found
        if isinstance(record, Event)
    )
    assert names.keys() >= {
        "product_viewed",
        "signed_up",
        "identify",
        "consent_updated",
        "cart_updated",
        "email_opened",
        "email_sent",
        "page_viewed",
    }


def test_it_keeps_its_rate() -> None:
    some = requests(rate=300, seconds=20)
    assert sum(r.truth.events for r in some) == pytest.approx(300 * 20, abs=20)
    assert [r.at for r in some] == sorted(r.at for r in some)
    assert max(r.truth.events for r in some) <= 22  # an SDK's batch, and what went wrong with it


def test_carts_are_over_some_seconds_after_they_arrive() -> None:
    first: dict[bytes, float] = {}  # a copy may come later, and from a device with a wrong clock
    for request, found in records(requests()):
        for record in found:
            if isinstance(record, Event) and record.name == "cart_updated":
                first.setdefault(record.key, request.at + NOW / 1000 - record.time / 1000)
    ages = first.values()
    assert ages
    assert all(1790 < age < 1800 for age in ages)


def test_events_are_late_skewed_and_machine_made() -> None:
    events: list[Any] = [e for _, found in records(requests()) for e in found if hasattr(e, "time")]
    days = [(e.accepted_us // 1000 - e.time) / (24 * HOUR) for e in events]
    assert 1 < max(days) < 30
    flags = {flag for e in events for flag in e.flags}
    assert flags >= {"machine", "clock_skew", "blocked_id"}


def test_runs_meet_the_same_customers_and_their_own() -> None:
    def users(run: str) -> set[str]:
        return {
            i for _, found in records(requests(run=run)) for e in found
            if isinstance(e, Event) for i in e.ids if i.startswith("user_id:")
        }  # fmt: skip

    def message_ids(run: str) -> set[str]:
        return {e.message_id for _, found in records(requests(run=run)) for e in found if isinstance(e, Event)}  # fmt: skip

    one, other = users("r"), users("s")
    assert len(one & other) > 20
    assert len(one - other) > 20
    assert not message_ids("r") & message_ids("s")


@pytest.mark.parametrize("hour", range(24))
def test_somebody_is_awake_and_somebody_asleep_at_any_hour(hour: int) -> None:
    now = NOW + hour * HOUR
    assert any(awake(z, now) for z in ZONES)
    assert any(asleep(z, now) for z in ZONES)
    assert not any(awake(z, now) and asleep(z, now) for z in ZONES)
    assert next(Shop(1, now, "r", 300).requests()).truth.events


def test_every_address_is_at_an_example_domain() -> None:
    addresses = {person(1, f"r{n}").email for n in range(500)}
    assert all(a.endswith("@customers.example") for a in addresses - {"", "n/a"})
    assert {"", "n/a"} < addresses
