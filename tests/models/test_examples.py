"""Models that learn from examples: at least as good as another's logistic regression on the same ones."""

import random
from collections.abc import Iterable, Sequence
from typing import Any

import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from events.names import slug
from events.record import Event
from events.values import typed
from flows.learner import Learner
from models.runtime import logistic
from models.runtime.examples import Known
from models.runtime.judged import auc
from tests.models.histories import clickstream, subscribers
from tests.shop import ADDRESSES, DAY, HOUR, MINUTE, an_event, at
from triggers.core import Batch

CLOSE = 0.01  # of AUC
PROPENSITY = """workspace: shop
models:
  propensity:
    within: 10m
    looks_at:
      - count(product_viewed, last 10m)
      - count(product_viewed, last 1h)
      - distinct(product_viewed.product_id, last 1h)
      - count(cart_updated, last 10m)
      - count(cart_updated, last 1h)
      - count(order_completed, last 1h)
"""


def read(events: Iterable[Event], workspace: str, until: int) -> Learner:
    """A learner that has read events as they happened."""
    learner = Learner({"workspace.yaml": workspace}, ADDRESSES)
    for nth, event in enumerate(events):
        learner.take(Batch(nth, event.time, [event]))
    learner.passed(until)
    return learner


def known(learner: Learner, model: str) -> list[Known]:
    return list(learner._examples[model]._known)


def compared(examples: Sequence[Known]) -> tuple[float, float]:
    """AUC of ours and of scikit-learn's, fitted to the first 70 % and asked for the rest."""
    cut = len(examples) * 7 // 10
    rows, labels = [one.row for one in examples], [one.label for one in examples]
    theirs = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    theirs.fit(rows[:cut], labels[:cut])
    version = logistic.fitted(rows[:cut], labels[:cut])
    size = len(rows[0]) // 2
    ours = [_odds(version, row, size) for row in rows[cut:]]
    return (
        auc(ours, labels[cut:]),
        float(roc_auc_score(labels[cut:], theirs.predict_proba(rows[cut:])[:, 1])),
    )


def _odds(version: dict[str, float], row: Sequence[float], size: int) -> float:
    return version["bias"] + sum(
        version[f"weight.{n}"] * row[n] + version[f"missing.{n}"] * row[size + n]
        for n in range(size)
    )


def test_propensity_on_a_real_clickstream_is_at_least_as_good() -> None:
    events = clickstream()
    learner = read(events, PROPENSITY, events[-1].time)
    examples = known(learner, "propensity")
    assert len(examples) > 10_000
    ours, theirs = compared(examples)
    assert ours >= theirs - CLOSE, (ours, theirs)
    assert learner.owed["propensity"]["quality.auc"] > 0.53, (
        "so little says who buys in ten minutes"
    )


def test_what_comes_later_is_in_no_feature() -> None:
    """Who buys, and when, is drawn: were it in the features of what was before, it would be foretold."""
    draw, seen = random.Random(1), [e for e in clickstream() if e.name == "product_viewed"]
    users, span = sorted({event.leaf[8:] for event in seen}), (seen[0].time, seen[-1].time)
    drawn = [
        an_event(
            "order_completed",
            user=draw.choice(users),
            time=draw.randrange(*span),
            message_id=f"d{nth}",
        )
        for nth in range(5_000)
    ]
    events = sorted([*seen, *drawn], key=lambda event: event.time)
    workspace = PROPENSITY.replace("      - count(order_completed, last 1h)\n", "")
    version = read(events, workspace, span[1]).owed["propensity"]
    assert version["quality.judged"] > 5_000
    assert version["quality.auc"] == pytest.approx(0.5, abs=0.03)


CONDITIONS = [
    "tenure",
    "monthly_charges",
    "total_charges",
    "senior_citizen",
    "partner = Yes",
    "dependents = Yes",
    "paperless_billing = Yes",
    "phone_service = Yes",
    "multiple_lines = Yes",
    "online_security = Yes",
    "online_backup = Yes",
    "device_protection = Yes",
    "tech_support = Yes",
    "streaming_tv = Yes",
    "streaming_movies = Yes",
    *(f"internet_service = '{word}'" for word in ("DSL", "Fiber optic")),
    *(f"contract = '{word}'" for word in ("One year", "Two year")),
    *(f"payment_method = '{word}'" for word in ("Electronic check", "Mailed check")),
]


def test_churn_of_a_telephone_company_is_at_least_as_good() -> None:
    """Each customer is known with the day's first event; those who left end their contract later."""
    customers, start, events = subscribers(), at("0:00"), []
    looks_at = "".join(f"\n      - {condition!r}" for condition in CONDITIONS)
    workspace = (
        "workspace: phones\nmodels:\n  cancels:\n    model: propensity\n"
        f"    event: subscription_ended\n    within: 1d\n    looks_at:{looks_at}\n"
    )
    for nth, customer in enumerate(customers):
        user, when = customer["customerID"], start + nth * MINUTE
        traits = {slug(name): typed(value) for name, value in customer.items() if name != "Churn"}
        events.append(
            an_event("identify", user=user, time=when, message_id=f"i{nth}", traits=traits)
        )
        if customer["Churn"] == "Yes":
            ended: dict[str, Any] = {"user": user, "time": when + HOUR, "message_id": f"e{nth}"}
            events.append(an_event("subscription_ended", **ended))
    events.sort(key=lambda event: event.time)
    learner = read(events, workspace, events[-1].time + 2 * DAY)
    first: dict[str, Known] = {}
    for one in known(learner, "cancels"):
        first.setdefault(one.whom, one)  # not as they are when they have left
    examples = list(first.values())
    assert len(examples) == 7043
    assert sum(one.label for one in examples) == 1869
    ours, theirs = compared(examples)
    assert ours >= theirs - CLOSE, (ours, theirs)
    assert ours > 0.83
    assert learner.owed["cancels:propensity"]["quality.auc"] > 0.7
