"""Examples wait until their time is up, and are drawn where there are too many."""

import random
from math import log

import pytest

from models.runtime import examples, logistic
from models.runtime.days import DAY
from models.runtime.examples import FEWEST, Decision, Examples
from models.runtime.judged import auc, calibration, calibration_error, log_loss
from models.runtime.sampled import PENDING, Sampled

WITHIN = 7 * DAY


def over(nth: int | str, *features: float | None) -> Decision:
    """A decision whose time is up."""
    return Decision(0, f"u{nth}", (1, *features))


def taught(count: int, *, within: int = WITHIN) -> Examples:
    """Examples of which those with much of one feature come to be."""
    found = Examples(within)
    for nth in range(count):
        found.learn(over(nth, nth % 10, None), nth % 10 > 6)
    return found


def test_an_example_is_over_when_its_time_is_up_and_not_before() -> None:
    found = Examples(WITHIN)
    for nth in range(3):
        found.decided(1000 * nth, f"u{nth}", (nth,))
    assert list(found.over(WITHIN)) == []
    assert [one.whom for one in found.over(WITHIN + 1001)] == ["u0", "u1"]
    assert [one.due for one in found.over(WITHIN + 10_000)] == [WITHIN + 2000]


def test_no_more_wait_than_there_is_room_for() -> None:
    found, crowd = Sampled(WITHIN), PENDING // 2
    taken = [
        sum(found.takes(nth % 1000 / 1000, day * DAY) for nth in range(crowd)) for day in range(9)
    ]
    assert taken[0] == pytest.approx(2 * PENDING / 7, abs=1), "nobody knows how many there will be"
    assert sum(taken[1:8]) == pytest.approx(PENDING, rel=0.01)


def test_weights_need_enough_of_each_kind() -> None:
    assert taught(FEWEST - 10).fit() is None
    alike = Examples(WITHIN)
    for nth in range(2 * FEWEST):
        alike.learn(over(nth, 1), label=nth < examples.FEWEST_EACH - 1)
    assert alike.fit() is None
    version = taught(FEWEST).fit()
    assert version is not None
    assert logistic.probability(version, (9, None)) > 0.8
    assert logistic.probability(version, (1, None)) < 0.2


def test_each_is_foretold_before_it_is_learnt() -> None:
    found = taught(FEWEST)
    assert not found.judged, "there were no weights yet"
    found.fit()
    found.learn(over("new", 0, None), label=True)
    foretold, _, label = found.judged[-1]
    assert foretold < 0.05
    assert label


def test_what_changes_is_noticed_and_what_was_before_is_let_go_of() -> None:
    """Of 6,000 examples the first half says that much makes it likely, the second that little does."""
    draw, found = random.Random(1), Examples(WITHIN)
    for nth in range(6_000):
        much = draw.randrange(10)
        found.learn(over(nth, much), draw.random() < (0.9 if (much > 4) == (nth < 3_000) else 0.1))
        if nth % 200 == 199:
            version = found.fit()
    assert found.drift.times > 0
    assert version is not None
    assert version["examples"] < 3_500
    assert logistic.probability(version, (9,)) < 0.2
    assert logistic.probability(version, (0,)) > 0.8
    steady = Examples(WITHIN)
    for nth in range(6_000):
        much = draw.randrange(10)
        steady.learn(over(nth, much), draw.random() < (0.9 if much > 4 else 0.1))
        if nth % 200 == 199:
            version = steady.fit()
    assert steady.drift.times == 0
    assert version is not None
    assert version["examples"] == 6_000
    assert version["quality.challenger"] == 0, "nothing is won by forgetting"


def test_the_challenger_is_published_where_it_is_better() -> None:
    """What makes people act changes so often that who remembers is wrong."""
    draw, found = random.Random(2), Examples(WITHIN)
    for nth in range(9_000):
        much, turned = draw.randrange(10), nth // 1_500 % 2
        found.learn(over(nth, much), draw.random() < (0.95 if (much > 4) == turned else 0.05))
        if nth % 2_900 == 2_899:
            version = found.fit()
    assert version is not None
    assert version["quality.challenger"] == 1
    assert version["quality.log_loss"] < version["quality.log_loss_of_other"]


def test_who_is_forgotten_is_in_nothing_that_is_fitted_later() -> None:
    found = taught(2 * FEWEST)
    found.decided(0, "u1", (1, None))
    found.forget({"u1", "u2"})
    version = found.fit()
    assert version is not None
    assert version["examples"] == 2 * FEWEST - 2
    assert not list(found.over(WITHIN + 1))


def test_what_is_no_number_is_missing() -> None:
    assert logistic.row(["7", "dear", None, True, float("nan"), 10**400, [1]])[7:] == [
        0.0,
        1.0,
        1.0,
        0.0,
        1.0,
        1.0,
        1.0,
    ]


def test_what_moves_the_odds_adds_up() -> None:
    version = taught(FEWEST).fit()
    assert version is not None

    def odds(value: float) -> float:
        likely = logistic.probability(version, (value, None))
        return log(likely / (1 - likely))

    few, many = (sum(logistic.moved(version, (value, None))) for value in (2, 8))
    assert many - few == pytest.approx(odds(8) - odds(2), rel=1e-6)


def test_judges_agree_with_plain_counts() -> None:
    likely, labels = [0.9, 0.8, 0.3, 0.2, 0.2], [True, False, True, False, False]
    pairs = [
        1.0 if a > b else 0.5 if a == b else 0.0
        for a, one in zip(likely, labels, strict=True)
        for b, other in zip(likely, labels, strict=True)
        if one and not other
    ]
    assert auc(likely, labels) == pytest.approx(sum(pairs) / len(pairs))
    assert log_loss([0.0], [True]) < 14, "who was sure and wrong does not outweigh all others"
    sure = [0.05] * 100 + [0.95] * 100
    came = [n % 20 == 0 for n in range(100)] + [n % 20 != 0 for n in range(100)]
    assert calibration_error(sure, came) < 0.02
    assert sum(count for _, _, count in calibration(sure, came)) == 200
