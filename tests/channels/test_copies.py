"""Copies for seed addresses: one of each kind of message a week, with nothing of a customer in it."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.delivery.beside import listed
from channels.delivery.copies import WEEK, Copies, copied, masked
from channels.delivery.gate import StoreUnavailableError
from channels.delivery.ledger import Ledger
from channels.delivery.vouchers import Wanted
from channels.delivery.worker import Worker
from channels.delivery.workspaces import InMemoryWorkspaces
from tests.channels.doubles import NOW, InMemoryLog, RecordingChannel, activation
from tests.channels.test_worker import QUICK, Bench, keyed
from triggers.activation import Activation
from triggers.loading.seeds import Examples

SEEDS = ("inbox@agency.example", "tess@shop.example")
WORKSPACE = """
workspace: shop
seeds: [inbox@agency.example, tess@shop.example]
examples: {first_name: Ana, event: {order_id: A-1001}}
"""
FILES = {
    "workspace.yaml": WORKSPACE,
    "templates/hi.email.liquid": "---\nsubject: Hi {{ first_name }}\n---\n"
    "{{ first_name }} {{ last_name }}, {{ event.order_id }}, {{ event.city }}, {{ offer.title }}",
    "templates/hi.de.liquid": "Hallo {{ first_name }}",
    "templates/code.liquid": "Your code: {{ voucher.summer }}",
}
SARAH = {"first_name": "Sarah", "last_name": "Lund", "offer": {"title": "A coat"}}


def mail(n: int = 0, **changed: Any) -> Activation:
    fields: dict[str, Any] = {"channel": "email", "template": "hi", "facts": SARAH}
    return activation(n, **(fields | {"event": {"order_id": "S-7", "city": "Oslo"}} | changed))


class Shop(Bench):
    """A worker whose workspace has seed addresses, and what it sent to whom."""

    def __init__(self, folder: Path, files: dict[str, str] = FILES) -> None:
        self.email = RecordingChannel()
        super().__init__(folder, {"email": self.email})
        self.workspaces = InMemoryWorkspaces({"v1": files})
        self.taken: list[Wanted] = []
        self.how["vouchers"] = self._take

    def _take(self, wanted: list[Wanted], _now: int) -> dict[Wanted, str]:
        self.taken += wanted
        return {one: f"{one.pool}-1" for one in wanted}

    def send(self, *some: Activation, then: int) -> list[tuple[str | None, str]]:
        """Deliver, until so many have been sent since the beginning; returns to whom, and what."""
        self.how["copies"] = Copies(self.workspaces)
        self.stream.send(*some)
        self.run(until=lambda: len(self.email.messages) >= then)
        return [(m.to, m.text) for m in self.email.messages]


def test_seed_addresses_get_a_copy_with_nothing_of_the_customer(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    sent = shop.send(mail(), then=3)
    copy = "Ana [last_name], A-1001, [city], A coat"
    assert sorted(sent) == [
        ("ana0@shop.example", "Sarah Lund, S-7, Oslo, A coat"),
        ("inbox@agency.example", copy),
        ("tess@shop.example", copy),
    ]
    payloads = [m.payload for m in shop.email.messages if m.to in SEEDS]
    assert "Sarah" not in str(payloads)
    assert {p["person"] for p in payloads}.isdisjoint({"p0"})


def test_a_kind_of_message_is_copied_once_a_week_whatever_is_read_or_started_again(
    tmp_path: Path,
) -> None:
    shop = Shop(tmp_path)
    assert len(shop.send(*(mail(n) for n in range(20)), then=22)) == 22
    assert len(shop.send(*(mail(n) for n in range(20, 30)), then=32)) == 32, "after a restart too"
    shop.now = NOW + WEEK
    later = [mail(n, decided=shop.now) for n in range(30, 33)]
    assert len(shop.send(*later, then=37)) == 37, "three, and two copies"


@pytest.mark.parametrize(
    ("changes", "copies"),
    [
        ({"templates/hi.email.liquid": "Hello"}, 2),
        ({"templates/other.liquid": "Hello"}, 0),
        ({"workspace.yaml": "workspace: shop\nseeds: [new@agency.example]"}, 1),
        ({"workspace.yaml": "workspace: shop"}, 0),
    ],
)
def test_a_new_version_is_copied_where_the_message_changed(
    tmp_path: Path, changes: dict[str, str], copies: int
) -> None:
    shop = Shop(tmp_path)
    shop.send(mail(), then=3)
    shop.workspaces.versions["v2"] = FILES | changes
    last = mail(99, version="v2", address="last@shop.example")
    shop.send(mail(1, version="v2"), then=4 + copies)
    sent = shop.send(last, then=5 + copies)
    assert sent[-1][0] == "last@shop.example", "nothing else came before it"
    assert len(sent) == 5 + copies


def test_each_language_and_each_trigger_is_copied(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    german = mail(1, facts=SARAH | {"language": "de-AT"})
    sent = shop.send(mail(), german, mail(2, trigger="goodbye"), then=9)
    assert [text for to, text in sent if to == SEEDS[0]].count("Hallo Ana") == 1
    assert sum(to == SEEDS[0] for to, _ in sent) == 3


def test_what_goes_elsewhere_has_no_copies(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    shop.send(mail(channel="log", template=None), mail(1), then=3)
    assert len(shop.log.messages) == 1


def test_a_copy_shows_an_example_for_a_voucher_and_takes_none(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    sent = dict(shop.send(mail(template="code"), then=3))
    assert sent["ana0@shop.example"] == "Your code: summer-1"
    assert sent[SEEDS[0]] == "Your code: EXAMPLE-CODE"
    assert shop.taken == [Wanted("summer", mail().id)]


@pytest.mark.parametrize("before", [0, 1, 1000])
def test_who_takes_their_own_consent_back_gets_no_more_copies(tmp_path: Path, before: int) -> None:
    """Whenever that was: of customers the engine knows what was withdrawn before it decided."""
    shop = Shop(tmp_path)
    copy = copied(mail(), "", SEEDS[0], Examples())
    shop.withdrawals.withdraw(copy.person, "marketing", "email", NOW - before)
    sent = shop.send(mail(), then=2)
    assert {to for to, _ in sent} == {"ana0@shop.example", SEEDS[1]}


def test_a_copy_that_cannot_be_filled_is_a_dead_letter_that_says_so(tmp_path: Path) -> None:
    shop = Shop(tmp_path, FILES | {"templates/hi.email.liquid": "{{ last_name | divided_by: 0 }}"})
    shop.how["copies"] = Copies(shop.workspaces)
    shop.stream.send(mail())
    shop.run(until=shop.settled(3))
    found = list(listed(tmp_path, "dead"))
    assert {row.trigger for row in found} == {"welcome"}
    assert len(found) == 3


def test_workers_that_share_the_slots_send_one_copy_together(tmp_path: Path) -> None:
    stream, workspaces = InMemoryLog(), InMemoryWorkspaces({"v1": FILES})
    sent = [RecordingChannel(), RecordingChannel()]
    stream.send(*(mail(n) for n in range(200)))

    async def both() -> None:
        ledgers = [
            Ledger.open(tmp_path, keyed=keyed, now=NOW, slots=range(at, at + 32)) for at in (0, 32)
        ]
        workers = [
            Worker(
                stream, ledger, {"log": RecordingChannel(), "email": channel}, keyed=keyed,
                withdrawals=Shop(tmp_path).withdrawals, workspaces=workspaces,
                copies=Copies(workspaces), now=lambda: NOW, delivery=QUICK,
            )
            for ledger, channel in zip(ledgers, sent, strict=True)
        ]  # fmt: skip
        stop = asyncio.Event()
        running = [asyncio.create_task(worker.run(stop)) for worker in workers]
        async with asyncio.timeout(10):
            while sum(len(channel.messages) for channel in sent) < 202:  # noqa: ASYNC110
                await asyncio.sleep(0.002)
        stop.set()
        await asyncio.gather(*running)
        for ledger in ledgers:
            ledger.close()

    asyncio.run(both())
    everybody = [m.to for channel in sent for m in channel.messages]
    assert all(channel.messages for channel in sent)
    assert [everybody.count(to) for to in SEEDS] == [1, 1]
    assert len(everybody) == 202


def test_no_copy_is_lost_where_the_store_was_away() -> None:
    class Away(InMemoryWorkspaces):
        away = True

        async def files(self, version: str) -> dict[str, str] | None:
            if self.away:
                raise StoreUnavailableError("away")
            return await super().files(version)

    workspaces = Away({"v1": FILES})
    copies = Copies(workspaces)
    assert asyncio.run(copies.of([mail()])) == []
    workspaces.away = False
    assert len(asyncio.run(copies.of([mail()]))) == 2
    assert asyncio.run(copies.of([mail(1)])) == []
    copies.forget()
    assert len(asyncio.run(copies.of([mail(2)]))) == 2


values = st.recursive(
    st.text(min_size=1) | st.integers() | st.floats(allow_nan=False) | st.booleans() | st.none(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from("abc"), inner),
)


@given(st.dictionaries(st.sampled_from("abc"), values))
def test_masked_has_the_shape_and_no_value(said: dict[str, Any]) -> None:
    def left(value: Any) -> set[Any]:
        if isinstance(value, dict):
            return set().union(*map(left, value.values()))
        if isinstance(value, list):
            return set().union(*map(left, value))
        return {value}

    hidden = masked(said)
    assert hidden.keys() == said.keys()
    assert left(hidden) <= {"[a]", "[b]", "[c]", 1, False, None}


def test_what_a_copy_is_of_is_all_that_its_name_depends_on() -> None:
    one = copied(mail(), "text", SEEDS[0], Examples())
    other = copied(mail(5, decided=NOW + 1), "text", SEEDS[0], Examples())
    assert one.id == other.id
    differing: list[Callable[[], Activation]] = [
        lambda: copied(mail(trigger="x"), "text", SEEDS[0], Examples()),
        lambda: copied(mail(), "Text", SEEDS[0], Examples()),
        lambda: copied(mail(), "text", SEEDS[1], Examples()),
        lambda: copied(mail(decided=NOW + WEEK), "text", SEEDS[0], Examples()),
    ]
    assert len({one.id, *(make().id for make in differing)}) == 5
    assert msgspec.structs.replace(one, copy=False).copy is False
