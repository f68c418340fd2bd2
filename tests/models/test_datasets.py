"""Models against published results and plain references, on real data."""

from collections import Counter
from datetime import date
from typing import Any

import pandas as pd
import pytest

from events.record import Event
from flows.learner import Learner
from models import rfm
from models.runtime.beta_geometric import BetaGeometric
from models.runtime.gamma_gamma import GammaGamma
from profile_state.person import Learnt
from tests.models.histories import cdnow, instant, learnt, retail
from tests.shop import DAY
from triggers.modelled import score_of

CUT = instant(date(1997, 10, 1))


def scores(learner: Learner, score: str) -> dict[str, Any]:
    """Everybody's, as the engine reads it, of the version that the learner owes."""
    versions = Learnt({}, learner.owed)
    return {
        next(iter(person.leaves))[8:]: score_of(
            learner.workspace, person, versions, score, learner.state.now
        )
        for person in learner.state.people.values()
    }


@pytest.mark.parametrize(
    ("sample", "frequency", "money", "bought", "predicted", "off"),
    [
        (
            True,
            BetaGeometric(0.243, 4.414, 0.793, 2.426),  # as the papers publish them
            GammaGamma(6.250, 3.744, 15.444),
            1882,
            1653.4,
            0.785,
        ),
        (
            False,
            BetaGeometric(0.252, 4.789, 0.723, 2.161),  # as lifetimes 0.11.3 finds them
            GammaGamma(6.275, 3.624, 14.984),
            19684,
            16873.7,
            0.819,
        ),
    ],
)
def test_cdnow_gives_the_published_parameters_and_errors(
    sample: bool,
    frequency: BetaGeometric,
    money: GammaGamma,
    bought: int,
    predicted: float,
    off: float,
) -> None:
    events = cdnow(sample=sample)
    learner = learnt(events, CUT)
    version = learner.owed["ltv"]
    for expected in (frequency, money):
        for name, value in expected._asdict().items():
            assert version[name] == pytest.approx(value, rel=0.01), name
    orders = scores(learner, "ltv_orders")
    later = _days(events)
    assert sum(later.values()) == bought
    assert sum(orders.values()) == pytest.approx(predicted, rel=0.01)
    wrong = [abs(orders[user] - later[user]) for user in orders]
    assert sum(wrong) / len(wrong) == pytest.approx(off, rel=0.01)


def _days(events: list[Event]) -> Counter[str]:
    """On how many days each of them bought in the hold-out."""
    days = {(event.leaf[8:], event.time // DAY) for event in events if event.time >= CUT}
    return Counter(user for user, _ in days)


def test_rfm_of_a_real_shop_is_what_pandas_finds() -> None:
    events = retail()
    learner = learnt(events, max(event.time for event in events) + 1)
    table = pd.DataFrame(
        {"user": e.leaf[8:], "at": e.time, "total": e.properties["total"]} for e in events
    )
    people = table.groupby("user").agg(
        recency=("at", "max"), frequency=("at", "size"), monetary=("total", "sum")
    )
    edges = people.quantile([0.2, 0.4, 0.6, 0.8])
    marks = 1 + sum((people > edges.loc[share]).astype(int) for share in edges.index)
    expected = marks.astype(str).agg("".join, axis=1).to_dict()
    assert scores(learner, "rfm.cell") == expected
    stages = scores(learner, "rfm.stage")
    assert set(stages.values()) == {stage for row in rfm.STAGES for stage in row}
