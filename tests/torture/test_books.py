"""The books must notice: what they balance, and each way in which they can fail to."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import orjson
import pytest
import redis

from benchmarks.bed import BenchError
from benchmarks.torture import points, workspace
from benchmarks.torture.books import Balance, balance
from benchmarks.torture.client import Client
from benchmarks.torture.points import Point, Points
from benchmarks.torture.run import settle
from benchmarks.torture.stand import Stand
from kairos.demo.outside import Outside
from kairos.demo.receipts import Receipts

PEOPLE = 15


class Told(NamedTuple):
    """A stack at rest, and what was written down of it."""

    stand: Stand
    record: Path
    receipts: Path

    def balance(self, record: bytes | None = None, receipts: bytes | None = None) -> Balance:
        """Balance the books, with other pages where they are given."""
        pages = []
        for path, other in ((self.record, record), (self.receipts, receipts)):
            page = path if other is None else path.with_suffix(".other")
            if other is not None:
                page.write_bytes(other)
            pages.append(page)
        return balance(self.stand.settings, pages[0], pages[1], set())


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    base = tmp_path_factory.mktemp("books")
    record, receipts = base / "accepted.jsonl", base / "received.jsonl"
    shop = workspace.write(base / "shop")
    with (
        Receipts(receipts, "test") as seen,
        Outside(seen) as outside,
        Stand(base, shop, outside.channels, rigged=False) as stand,
    ):
        with Client(stand.url, stand.key, record, per_s=0.01) as client:
            for _ in range(PEOPLE):
                client.one()
        assert settle(stand) == ""
        yield Told(stand, record, receipts)


def test_they_balance(told: Told) -> None:
    found = told.balance()
    assert found.wrong == []
    assert found.accepted == found.applied > 5 * PEOPLE
    assert found.owed == found.sent == 3 + 3 + 4  # welcomes, orders, reminders
    assert (found.lost, found.doubled, found.double_sends, found.unsent) == (0, 0, 0, 0)


def test_an_accepted_event_that_is_nowhere_is_lost(told: Told) -> None:
    more = {"user": "u1", "events": [["never", "user_id:u1", "signed_up"]]}
    found = told.balance(record=told.record.read_bytes() + orjson.dumps(more))
    assert found.lost == 1
    assert found.unsent == 1
    assert any("user_id:u1" in words for words in found.wrong)


def test_an_event_that_counts_and_was_never_accepted_is_one_too_many(told: Told) -> None:
    lines = told.record.read_bytes().splitlines(keepends=True)
    assert told.balance(record=b"".join(lines[1:])).doubled == 2


def test_a_person_who_is_not_in_the_ledger_is_lost(told: Told) -> None:
    with redis.Redis.from_url(told.stand.settings.ledger) as ledger:
        name = next(ledger.scan_iter("person:*"))
        value = ledger.get(name)
        ledger.delete(name)
        found = told.balance()
        ledger.set(name, value)
    assert found.lost > 0
    assert any(words.startswith("leaves of 1") for words in found.wrong)


def test_a_counter_that_is_wrong_is_told(told: Told) -> None:
    with redis.Redis.from_url(told.stand.settings.ledger) as ledger:
        ledger.hincrby("counts:{p0}", "applied", 1)
        found = told.balance()
        ledger.hincrby("counts:{p0}", "applied", -1)
    assert any(words.startswith("counter applied") for words in found.wrong)


def test_a_mail_that_came_twice_is_a_double_send(told: Told) -> None:
    arrived = told.receipts.read_bytes()
    mail = next(line for line in arrived.splitlines(keepends=True) if b'"email"' in line)
    assert told.balance(receipts=arrived + mail).double_sends == 1
    other = mail.replace(b'"id":"<', b'"id":"<0')
    assert told.balance(receipts=arrived + other).double_sends == 1


def test_a_webhook_that_came_twice_under_its_key_was_dropped_by_the_receiver(told: Told) -> None:
    arrived = told.receipts.read_bytes()
    hook = next(line for line in arrived.splitlines(keepends=True) if b'"webhook"' in line)
    found = told.balance(receipts=arrived + hook)
    assert (found.double_sends, found.dropped) == (0, 1)
    assert told.balance(receipts=arrived + hook.replace(b'"id":"', b'"id":"0')).double_sends == 1


def test_a_message_that_never_came_and_is_not_held_is_unsent(told: Told) -> None:
    lines = told.receipts.read_bytes().splitlines(keepends=True)
    found = told.balance(receipts=b"".join(lines[1:]))
    assert found.unsent == 1
    assert "did not arrive" in found.wrong[0]


def test_a_crash_point_that_nobody_comes_to_is_an_error(
    told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    unused = Point(
        "nobody comes here", "collector", "collector.application", "Application.drain", "call"
    )
    monkeypatch.setattr(points, "POINTS", (unused,))
    monkeypatch.setattr(points, "HIT_S", 0.3)
    with (
        Client(told.stand.url, told.stand.key, told.record.with_suffix(".unused"), 0.01) as client,
        pytest.raises(BenchError, match=r"'nobody comes here' is reached"),
    ):
        Points(told.stand, client).all()
