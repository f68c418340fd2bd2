"""REES46 imported whole, against a plain script over its CSV; and imported twice."""

import csv
import gzip
import time
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

import redis

from collector.keys import first_keys
from flows.open import open_log
from kairos.commands.replay import command
from kairos.embedded.stack import Stack
from kairos.figures import Figures, Gauge
from profile_state.person import Person
from profile_state.stored import unpack
from tests.shared import shared

MAPPING = """
event: event_type
names: {view: product_viewed, cart: cart_updated, purchase: order_completed}
time: event_time
user_id: user_id
anonymous_id: user_session
numbers: [price]
"""

SENDS = "do: [{send: {channels: [webhook]}}]\ndeliver: {purpose: product}\n"
WORKSPACE = {
    "workspace.yaml": "workspace: rees46\npurposes: {product: {default: allowed}}\n",
    "segments/viewers.yaml": "segment: viewers\nif: count(product_viewed) > 0\n",
    "segments/carts.yaml": "segment: carts\nif: count(cart_updated) > 0\n",
    "segments/buyers.yaml": "segment: buyers\nif: sum(order_completed.price) > 0\n",
    "segments/curious.yaml": "segment: curious\nif: distinct(product_viewed.product_id) >= 20\n",
    # Nobody hears from an import: neither by its events, nor by the segments that they fill.
    "triggers/thanks.yaml": f"trigger: thanks\nwhen: {{event: order_completed}}\n{SENDS}",
    "triggers/hello.yaml": f"trigger: hello\nwhen: {{segment: entered viewers}}\n{SENDS}",
}


class Seen:
    """What a plain script remembers of one user."""

    def __init__(self) -> None:
        self.events: Counter[str] = Counter()
        self.products: set[str] = set()
        self.sessions: set[str] = set()
        self.spent = Decimal(0)

    def facts(self) -> dict[str, Any]:
        return {
            "total": self.events.total(),
            "views": self.events["view"],
            "carts": self.events["cart"],
            "spent": int(self.spent * 1_000_000),
            "products": self.products,
            "ids": self.sessions,
        }


def plain_script(path: Path) -> dict[str, Seen]:
    people: dict[str, Seen] = {}
    with gzip.open(path, "rt", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            seen = people.setdefault(row["user_id"], Seen())
            seen.events[row["event_type"]] += 1
            seen.sessions.add(row["user_session"])
            if row["event_type"] == "view":
                seen.products.add(row["product_id"])
            if row["event_type"] == "purchase":
                seen.spent += Decimal(row["price"])
    owners = Counter(session for seen in people.values() for session in seen.sessions)
    for seen in people.values():  # one that two users had is a shared device, and nobody's
        seen.sessions = {session for session in seen.sessions if owners[session] == 1}
    assert max(owners.values()) == 2, "the file has one such session"
    return people


def facts(person: Person) -> dict[str, Any]:
    cells = person.view.cells
    return {
        "total": sum(leaf.total for leaf in person.leaves.values()),
        "views": cells.get("total product_viewed", 0),
        "carts": cells.get("total cart_updated", 0),
        "spent": cells.get("sum order_completed.price", 0),
        "products": set(cells.get("distinct product_viewed.product_id", ())),
        "ids": {i.split(":", 1)[1] for i in person.ids if i.startswith("anonymous_id:")},
    }


def people_in(ledger: redis.Redis) -> Iterator[Person]:
    for key in ledger.scan_iter("person:{p0}:*", count=1000):
        yield unpack(cast("bytes", ledger.get(key)), {})


def settled(stack: Stack) -> Figures:
    """The figures, once the engine has stored all that the log has."""
    log, gauge = open_log(stack.settings.log), Gauge(stack.settings)
    newest, until = log.last(0), time.monotonic() + 30
    while gauge.read().missing(newest):
        assert time.monotonic() < until, gauge.read().missing(newest)
        time.sleep(0.05)
    found = gauge.read()
    log.close()
    gauge.close()
    return found


def test_an_import_equals_a_plain_script_to_the_event_and_a_second_one_changes_nothing(
    tmp_path: Path,
) -> None:
    path = shared("datasets/clickstream/rees46_2019-10-01.csv.gz")
    (tmp_path / "mapping.yaml").write_text(MAPPING)
    for name, text in WORKSPACE.items():
        file = tmp_path / "workspace" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    expected = {user: seen.facts() for user, seen in plain_script(path).items()}
    rows = sum(one["total"] for one in expected.values())
    assert (rows, len(expected)) == (17_434, 4_504)

    data = tmp_path / "data"
    data.mkdir()
    key = first_keys(data / "keys.json", "2026-11-25T00:00:00Z")["server"]
    with Stack(data, tmp_path / "workspace") as stack:
        ledger = redis.Redis.from_url(stack.settings.ledger)
        for nth in (1, 2):
            assert (
                command(path, map=tmp_path / "mapping.yaml", url=stack.url, key=key, rate=1e6) == 0
            )
            figures = settled(stack)
            found = {
                user.removeprefix("user_id:"): facts(person)
                for person in people_in(ledger)
                for user in person.ids
                if user.startswith("user_id:")
            }
            assert found == expected
            assert figures.counts["applied"] == rows
            assert figures.counts.get("duplicate", 0) == rows * (nth - 1)
            assert figures.counts["people"] == len(expected)
            assert figures.segments() == {
                "buyers": sum(one["spent"] > 0 for one in expected.values()),
                "carts": sum(one["carts"] > 0 for one in expected.values()),
                "curious": sum(len(one["products"]) >= 20 for one in expected.values()),
                "viewers": sum(one["views"] > 0 for one in expected.values()),
            }
            assert figures.triggers() == {}, "nothing occurs from history"
        ledger.close()
