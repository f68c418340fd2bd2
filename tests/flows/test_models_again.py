"""The same log gives the same people and activations with models in force, wherever it is cut and crashed."""

import pytest

from events.record import Learned
from events.sources.memory import MemoryLog
from flows.bounds import DEFAULT
from models.runtime import logistic
from profile_state.stores.memory import Shelf
from tests.flows.test_crashes import CROWDED, FILES, activations_of, history, people_of, read_again
from tests.shop import DAY, Shop, at

MODELLED = FILES | {
    "workspace.yaml": FILES["workspace.yaml"]
    + """models: {ltv: , rfm: , propensity: {looks_at: ["count(product_viewed, last 3h)", "first_name"]}}
bands: {ltv: {high: top 30%}}
""",
    "segments/valuable.yaml": "segment: valuable\nif: [ltv is high]\n",
    "segments/leaving.yaml": "segment: leaving\nif: [ltv_alive < 0.9, rfm.frequency >= 2]\n",
    "triggers/cools.yaml": """
trigger: cools
when: {crosses: "propensity < 0.5"}
reentry: always
do: [{send: {channels: [webhook]}}]
deliver: {purpose: product, quiet_hours: off}
""",
    "triggers/leaves.yaml": """
trigger: leaves
when: {segment: entered leaving}
if: [ltv < 1000]
reentry: always
do: [{send: {channels: [webhook]}}]
deliver: {purpose: product, quiet_hours: off}
""",
}
# What a learner might say: who comes back within hours, and views.
LTV = {"r": 2.0, "alpha": 0.2, "a": 1.5, "b": 3.0, "p": 6.0, "q": 4.0, "v": 15.0, "within": 7.0}
RFM = {f"recency.{n}": 0.0 for n in range(1, 5)} | {f"monetary.{n}": 9.0 * n for n in range(1, 5)}
VIEWS = logistic.fitted(
    [logistic.row((n % 7, None)) for n in range(210)], [n % 7 > 2 for n in range(210)]
)


def learnt(shop: Shop, times: float) -> list[Learned]:
    """Versions, others each time."""
    workspace = shop.engine.state.workspace
    assert workspace is not None
    versions = {
        "ltv": LTV | {"v": times, "a": 1.0 + times / 20},
        "rfm": RFM | {f"frequency.{n}": n * times / 10 for n in range(1, 5)},
        "propensity": VIEWS | {"bias": VIEWS["bias"] + times / 20},
    }
    return [
        Learned(f"model {name}", {**values, "made_for": workspace.seen[name].mark})
        for name, values in versions.items()
    ]


def run_through(seed: int) -> tuple[MemoryLog, Shelf]:
    """Run a history once, with people who join and part, an erasure, and versions of models."""
    shop = Shop(MODELLED, start=at("9:00"))
    entries = history(seed)
    for nth, (instant, events) in enumerate(entries):
        shop.wait_until(instant)
        if nth in (len(entries) // 3, 2 * len(entries) // 3):
            shop.join("user_id:u1", "anonymous_id:d1", cut=nth > len(entries) // 2)
        if nth == 3 * len(entries) // 4:
            shop.erase("user_id:u0")
        if nth % (len(entries) // 5) == 20:
            shop.say(learnt(shop, 10.0 + nth % 7))
        shop.say(events)
    shop.wait(2 * DAY)
    shop.engine.drain()
    return shop.log, shop.shelf


@pytest.mark.parametrize("seed", range(4))
def test_i1_models_decide_the_same_whatever_the_batches_and_crashes(seed: int) -> None:
    log, live = run_through(seed)
    sent = {trigger for trigger, _, _ in activations_of(live).values()}
    assert {"cools", "leaves"} <= sent, "a history that sends nothing proves nothing"
    for again, bounds in enumerate((DEFAULT, CROWDED)):
        shelf, crashes, _ = read_again(log, seed * 100 + again, bounds)
        assert crashes > 3
        assert people_of(shelf) == people_of(live)
        assert activations_of(shelf) == activations_of(live)
        assert shelf.dues == live.dues
        assert +shelf.counts == +live.counts
