"""Histories of real shops, as events in the order of their days."""

import csv
import gzip
import random
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, date, datetime
from itertools import groupby
from typing import Any

from events.record import Event
from flows.learner import Learner
from tests.shared import shared
from tests.shop import ADDRESSES, DAY, HOUR, an_event, at
from triggers.core import Batch

START = at("10:00")
BOTH = "workspace: shop\nmodels: {ltv: {within: 273d}, rfm: }\n"  # 39 weeks
ALL = BOTH.replace("rfm: ", "rfm: , churn: {within: 9d}, propensity: {within: 2d}, recommended: ")


def instant(day: date) -> int:
    """Ms at which a day begins."""
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * 1000


def cdnow(*, sample: bool) -> list[Event]:
    """What CDNOW's new customers of early 1997 bought."""
    with gzip.open(shared("datasets/transactions/cdnow_sample_ids.txt.gz"), "rt") as file:
        chosen = set(file.read().split())
    with gzip.open(shared("datasets/transactions/cdnow.csv.gz"), "rt") as file:
        return [
            an_event(
                "order_completed",
                user=row["customer_id"],
                time=instant(date.fromisoformat(row["date"])),
                message_id=f"m{nth}",
                total=float(row["amount_usd"]),
            )
            for nth, row in enumerate(csv.DictReader(file))
            if not sample or row["customer_id"] in chosen
        ]


def invoices() -> dict[tuple[str, str, str], list[dict[str, str]]]:
    """Online Retail's lines by customer, invoice and instant; cancellations are none."""
    found: dict[tuple[str, str, str], list[dict[str, str]]] = {}
    with gzip.open(shared("datasets/transactions/online_retail.csv.gz"), "rt") as file:
        for row in csv.DictReader(file):
            if not row["InvoiceNo"].startswith("C"):
                invoice = row["CustomerID"], row["InvoiceNo"], row["InvoiceDate"]
                found.setdefault(invoice, []).append(row)
    return found


def bought(**properties: Callable[[list[dict[str, str]]], Any]) -> list[Event]:
    """What customers of a shop for gifts bought, an event each invoice."""
    return [
        an_event(
            "order_completed",
            user=user,
            time=int(datetime.fromisoformat(at).replace(tzinfo=UTC).timestamp() * 1000),
            message_id=f"{invoice}.{at}",
            **{name: of(lines) for name, of in properties.items()},
        )
        for (user, invoice, at), lines in invoices().items()
    ]


def _total(lines: list[dict[str, str]]) -> float:
    total = 0.0
    for line in lines:
        total += int(line["Quantity"]) * float(line["UnitPrice"])
    return round(total, 2)


def retail() -> list[Event]:
    """The invoices with their totals."""
    return bought(total=_total)


def baskets() -> list[Event]:
    """The invoices with their products."""

    def products(lines: list[dict[str, str]]) -> list[dict[str, str]]:
        return [{"product_id": one} for one in dict.fromkeys(line["StockCode"] for line in lines)]

    return bought(products=products)


def by_days(events: Iterable[Event]) -> Iterator[Batch]:
    """An entry of the log each day, at its end."""
    ordered = sorted(events, key=lambda event: event.time)
    for nth, (day, those) in enumerate(groupby(ordered, key=lambda event: event.time // DAY)):
        yield Batch(nth, (day + 1) * DAY - 1, list(those))


def learnt(events: Iterable[Event], until: int, workspace: str = BOTH) -> Learner:
    """A learner that has read what happened before an instant, and looked at everybody then."""
    learner = Learner({"workspace.yaml": workspace}, ADDRESSES, newest=until)
    for batch in by_days(event for event in events if event.time < until):
        learner.take(batch)
    learner.state.now = until - 1
    learner.look()
    return learner


def history(seed: int, people: int = 150) -> Iterator[tuple[int, Event]]:
    """Who bought what and when, in the order of the log."""
    draw = random.Random(seed)
    found = []
    for user in range(people):
        when, rate = draw.randrange(20 * DAY), draw.gammavariate(0.6, 8 * DAY) + HOUR
        for nth in range(12):
            name: dict[str, Any] = (
                {"anon": f"d{user}"} if draw.random() < 0.3 else {"user": f"u{user}"}
            )
            found.append((when, user, nth, name))
            when += int(draw.expovariate(1 / rate))
            if draw.random() < 0.25 or when > 60 * DAY:
                break
    for when, user, nth, name in sorted(found, key=lambda one: one[:3]):
        total = round(draw.lognormvariate(3, 0.6), 2)
        yield (
            when,
            an_event(
                "order_completed",
                time=START + when,
                message_id=f"{user}.{nth}",
                total=total,
                products=[{"product_id": f"p{(user * 7 + nth * n) % 23}"} for n in (3, 5)],
                **name,
            ),
        )
        if "anon" in name and draw.random() < 0.7:
            yield (
                when,
                an_event(
                    "identify",
                    time=START + when,
                    message_id=f"i{user}.{nth}",
                    user=f"u{user}",
                    **name,
                ),
            )


def clickstream() -> list[Event]:
    """What visitors of a shop for everything did in three hours, in order."""
    names = {"view": "product_viewed", "cart": "cart_updated", "purchase": "order_completed"}
    with gzip.open(shared("datasets/clickstream/rees46_2019-10-01.csv.gz"), "rt") as file:
        found = [
            an_event(
                names[row["event_type"]],
                user=row["user_id"],
                time=int(datetime.fromisoformat(row["event_time"]).timestamp() * 1000),
                message_id=f"m{nth}",
                product_id=row["product_id"],
                price=float(row["price"]),
            )
            for nth, row in enumerate(csv.DictReader(file))
        ]
    return sorted(found, key=lambda event: event.time)


def subscribers() -> list[dict[str, str]]:
    """Customers of a telephone company, and whether they left."""
    with gzip.open(shared("datasets/churn/telco.csv.gz"), "rt") as file:
        return list(csv.DictReader(file))
