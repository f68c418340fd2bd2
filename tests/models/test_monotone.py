"""What docs/models.md says goes only one way does so, for whatever somebody did."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models import churn, ltv, propensity, rfm
from models.base import Version
from models.runtime import logistic
from models.runtime.orders import Bought
from tests.shop import DAY

CDNOW: Version = {
    "r": 0.243, "alpha": 4.414, "a": 0.793, "b": 2.426, "p": 6.25, "q": 3.744, "v": 15.444,
    "within": 365.0,
}  # fmt: skip
FIFTHS: Version = {
    f"{name}.{nth}": nth * step
    for name, step in (("recency", 50.0 * DAY), ("frequency", 2.0), ("monetary", 60.0))
    for nth in range(1, 5)
}
WEIGHTS = logistic.fitted(
    [logistic.row((nth % 10, nth % 7, nth % 3)) for nth in range(600)],
    [nth % 10 - nth % 7 + nth % 3 > 1 for nth in range(600)],
)


@st.composite
def customers(draw: st.DrawFn) -> Bought:
    """Somebody who bought on several days within a year."""
    days = sorted(draw(st.sets(st.integers(0, 300), min_size=2, max_size=30)))
    spent = draw(st.floats(1, 500))
    latest = days[-1] * DAY + draw(st.integers(0, DAY - 1))
    return Bought(len(days), len(days), days[0], days[-1], latest, spent, spent * 0.8)


@given(customers(), st.integers(0, 400), st.integers(1, 400))
def test_a_lifetime_value_falls_with_each_day_without_an_order(
    bought: Bought, ago: int, later: int
) -> None:
    day = bought.last + ago
    for score in ("ltv", "ltv_orders", "ltv_alive"):
        read = ltv.SCORES[score].read
        now, then = read(CDNOW, (bought,), day), read(CDNOW, (bought,), day + later)
        assert isinstance(now, float)
        assert isinstance(then, float)
        assert then <= now * (1 + 1e-9)


@given(customers(), st.floats(1, 500))
def test_a_lifetime_value_rises_with_what_somebody_spends_each_time(
    bought: Bought, more: float
) -> None:
    rich = bought._replace(again=bought.again + more)
    for score in ("ltv", "ltv_each"):
        read = ltv.SCORES[score].read
        less, much = (read(CDNOW, (one,), bought.last + 30) for one in (bought, rich))
        assert isinstance(less, float)
        assert isinstance(much, float)
        assert much > less


@given(customers(), st.integers(0, 100 * DAY), st.integers(0, 9), st.floats(0, 300))
def test_marks_are_no_lower_for_who_bought_later_more_often_or_for_more(
    bought: Bought, later: int, orders: int, more: float
) -> None:
    other = bought._replace(
        latest=bought.latest + later, orders=bought.orders + orders, spent=bought.spent + more
    )
    for name in ("recency", "frequency", "monetary"):
        read = rfm.SCORES[f"rfm.{name}"].read
        less, much = (read(FIFTHS, (one,), 0) for one in (bought, other))
        assert isinstance(less, int)
        assert isinstance(much, int)
        assert 1 <= less <= much <= 5


@pytest.mark.parametrize("model", [churn, propensity])
@given(st.lists(st.integers(0, 50), min_size=3, max_size=3), st.integers(0, 2), st.integers(1, 50))
def test_more_of_a_condition_moves_a_likelihood_as_its_weight_says(
    model: object, features: list[int], nth: int, more: int
) -> None:
    (read,) = (one.read for one in model.SCORES.values())  # type: ignore[attr-defined] # a module
    raised = [value + more * (place == nth) for place, value in enumerate(features)]
    less, much = (read(WEIGHTS, (1, *one), 0) for one in (features, raised))
    weight = WEIGHTS[f"weight.{nth}"]
    assert (much - less) * weight > 0 or less == pytest.approx(much, abs=1e-12)
