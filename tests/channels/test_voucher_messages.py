"""Messages that show vouchers: each has a code of its own, and none leaves without."""

import asyncio
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest

from channels.base import Later, Message, Refused
from channels.delivery.beside import Choice, chosen, resend
from channels.delivery.slot import STATES, Row
from channels.delivery.templates import Made, Renderer
from channels.delivery.vouchers import FILE, Stock, Vouchers, Wanted, examples
from channels.delivery.workspaces import InMemoryWorkspaces
from tests.channels.doubles import NOW, RecordingChannel, activation
from tests.channels.test_worker import Bench
from triggers.activation import Activation

FILES = {
    "templates/code.liquid": "---\nsubject: '{{ voucher.summer }}'\n---\nYour code: {{ voucher.summer }}",
    "templates/plain.liquid": "Hi {{ first_name }}",
    "templates/two.liquid": "{{ voucher.summer }} {{ voucher.winter }}",
    "templates/branch.liquid": "{% if vip %}{{ voucher.summer }}{% else %}Hi{% endif %}",
    "templates/broken.liquid": "{{ voucher.summer }}{{ first_name | divided_by: 0 }}",
    "templates/require.liquid": "---\nrequire: [voucher.summer, plan]\n---\n{{ voucher.summer }}",
}


def email(n: int, template: str, **facts: object) -> Activation:
    return activation(n, channel="email", template=template, facts={"first_name": "7", **facts})


class Pools:
    """Codes without end but of those pools that are empty; says what was wished for at a time."""

    def __init__(self, *empty: str) -> None:
        self.empty = empty
        self.wished: list[list[Wanted]] = []

    async def take(self, wanted: Sequence[Wanted]) -> dict[Wanted, str]:
        self.wished.append(list(wanted))
        return {w: f"{w.pool}-{w.activation[:4]}" for w in wanted if w.pool not in self.empty}


def made(pools: Pools, *some: Activation) -> list[Made]:
    renderer = Renderer(InMemoryWorkspaces({"v1": FILES}), pools.take)
    found = asyncio.run(renderer.messages(some))
    return [found[one.id] for one in some]


def test_codes_of_a_batch_are_wished_for_in_one_go_and_stand_wherever_they_are_shown() -> None:
    pools, some = Pools(), [email(n, name) for n, name in enumerate(("code", "plain", "two"))]
    first, plain, third = made(pools, *some)
    names = ["summer", "summer", "winter"]
    assert pools.wished == [[Wanted(p, some[k].id) for p, k in zip(names, (0, 2, 2), strict=True)]]
    code = f"summer-{some[0].id[:4]}"
    assert isinstance(first, Message)
    assert (first.subject, first.text) == (code, f"Your code: {code}")
    assert code in first.html
    assert isinstance(plain, Message)
    assert isinstance(third, Message)
    assert third.text == f"summer-{some[2].id[:4]} winter-{some[2].id[:4]}"


@pytest.mark.parametrize(
    ("template", "facts"), [("plain", {}), ("branch", {}), ("broken", {}), ("require", {})]
)
def test_no_code_is_taken_for_what_shows_none_or_cannot_be_filled(
    template: str, facts: dict[str, object]
) -> None:
    pools = Pools()
    [one] = made(pools, email(1, template, **facts))
    assert pools.wished == []
    assert isinstance(one, Message if template in ("plain", "branch") else Refused)


def test_a_code_is_taken_in_the_branch_that_is_gone() -> None:
    pools = Pools()
    made(pools, email(1, "branch", vip=True), email(2, "require", plan="pro"))
    assert [len(wished) for wished in pools.wished] == [2]


def test_a_message_with_an_empty_pool_waits_and_holds_nobody_up() -> None:
    waits, leaves = made(Pools("winter"), email(1, "two"), email(2, "code"))
    assert waits == Later(0.0, "no voucher left in winter")
    assert isinstance(leaves, Message)


def test_a_replay_of_the_past_shows_examples() -> None:
    async def take(wanted: Sequence[Wanted]) -> dict[Wanted, str]:
        return examples(wanted, NOW)

    renderer = Renderer(InMemoryWorkspaces({"v1": FILES}), take)
    [one] = asyncio.run(renderer.messages([email(1, "code")])).values()
    assert isinstance(one, Message)
    assert one.text == "Your code: EXAMPLE-CODE"


class Shop:
    """A worker that sends e-mails, over a pool in a file."""

    def __init__(self, folder: Path, *answers: Later | Refused, codes: int) -> None:
        self.vouchers = Vouchers(folder)
        if codes:
            self.vouchers.add("summer", [f"S-{n}" for n in range(codes)])
        self.email = RecordingChannel(*answers)
        self.bench = Bench(folder, {"email": self.email}, vouchers=self.vouchers.take)
        self.bench.workspaces.versions["v1"] = FILES

    def send(self, *some: Activation, settled: int = 0, retried: int = 0) -> None:
        """Run the worker until so many are settled, and so many put off."""
        if some:
            self.bench.stream.send(*some)
        done = self.bench.settled(settled)
        self.bench.run(lambda: done() and self.bench.worker.stats()["retried"] >= retried)

    @property
    def stock(self) -> list[Stock]:
        return [s._replace(last_day=0) for s in self.vouchers.stocks(NOW)]

    @property
    def texts(self) -> list[str]:
        return [message.subject for message in self.email.messages]


def rows(folder: Path) -> list[Row]:
    return chosen(folder, Choice(states=STATES))


def test_a_message_that_is_tried_again_has_the_same_code(tmp_path: Path) -> None:
    shop = Shop(tmp_path, Later(after=60.0, reason="smtp 451"), codes=5)
    shop.send(email(1, "code"), retried=1)
    shop.bench.now += 60_000
    shop.send(email(2, "code"), settled=2)
    assert sorted(shop.texts) == ["S-0", "S-0", "S-1"]
    assert shop.stock == [Stock("summer", 3, 2, 0)]


def test_a_code_that_a_provider_has_seen_stays_used_though_it_refused(tmp_path: Path) -> None:
    shop = Shop(tmp_path, Refused(reason="smtp 550"), codes=2)
    shop.send(email(1, "code"), email(2, "plain"), settled=2)
    assert shop.stock == [Stock("summer", 1, 1, 0)]
    resend(tmp_path, [email(1, "code").id], NOW, "ana", "v1")
    shop.send(settled=1)
    assert [text for text in shop.texts if text] == ["S-0", "S-0"]


def test_who_withdrew_takes_no_code(tmp_path: Path) -> None:
    shop = Shop(tmp_path, codes=1)
    gone = email(1, "code")
    shop.bench.withdrawals.check = lambda some: _consent(gone.id, some)
    shop.send(gone, settled=1)
    assert shop.stock == [Stock("summer", 1, 0, 0)]


async def _consent(who: str, some: Sequence[Activation]) -> dict[str, str]:
    return {a.id: "consent" for a in some if a.id == who}


def test_a_message_waits_for_its_code_until_there_is_one(tmp_path: Path) -> None:
    shop = Shop(tmp_path, codes=1)
    shop.send(*(email(n, "code") for n in range(3)), settled=1, retried=2)
    [_, *waiting] = sorted(row.detail for row in rows(tmp_path))
    assert waiting == ["no voucher left in summer"] * 2
    shop.vouchers.add("summer", ["S-8", "S-9"])
    shop.bench.now += 600_000
    shop.send(settled=2)
    assert sorted(shop.texts) == ["S-0", "S-8", "S-9"]


def test_a_message_whose_code_never_comes_expires_or_becomes_a_dead_letter(tmp_path: Path) -> None:
    shop = Shop(tmp_path, codes=0)
    expires = activation(1, channel="email", template="code", valid_until=NOW + 1000)
    shop.send(expires, email(2, "code"), retried=2)
    shop.bench.now += 86_400_000
    for n in range(8):
        shop.bench.now += 3_600_000
        shop.send(*([email(3 + n, "plain")]), settled=1)
    states = {row.id: (row.state, row.detail) for row in rows(tmp_path)}
    assert states[expires.id] == ("expired", "valid_until")
    assert states[email(2, "code").id] == ("dead", "gave_up: no voucher left in summer")
    shop.vouchers.add("summer", ["S-0"])
    resend(tmp_path, [email(2, "code").id], shop.bench.now, "ana", "v1")
    shop.send(settled=1)
    assert [text for text in shop.texts if text] == ["S-0"]


def test_while_the_file_cannot_be_written_messages_wait_and_others_leave(tmp_path: Path) -> None:
    shop = Shop(tmp_path, codes=1)
    with closing(sqlite3.connect(tmp_path / FILE, isolation_level=None)) as db:
        db.execute(
            "CREATE TRIGGER full BEFORE UPDATE ON code BEGIN SELECT raise(FAIL, 'full'); END"
        )
        shop.send(email(1, "code"), email(2, "plain"), settled=1, retried=1)
        assert shop.texts == [""]
        details = {row.detail for row in rows(tmp_path)}
        assert "vouchers.db cannot be used: full" in details
        db.execute("DROP TRIGGER full")
    shop.bench.now += 600_000
    shop.send(settled=1)
    assert shop.texts == ["", "S-0"]
