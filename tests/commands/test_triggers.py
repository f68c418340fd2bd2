"""`kairos triggers`: what became of each, and the lift."""

from math import isclose
from random import Random

import pytest

from kairos.commands.triggers import _lines, command, lift_of
from kairos.figures import Figures
from tests.commands.conftest import Site, Told
from triggers.lift import lift


def test_it_shows_what_became_of_a_trigger_of_a_running_stack(
    site: Site, told: Told, capsys: pytest.CaptureFixture[str]
) -> None:
    site.send({"type": "track", "event": "Order Completed", "userId": "lifted"})
    site.settle()
    assert command("order_to_erp", data=site.data, json=True) == 0
    found = told()["order_to_erp"]
    assert found["entered"] >= 1
    assert found["sent"]["webhook"] >= 1
    assert found["lift"] is None
    assert command(data=site.data) == 0
    assert "order_to_erp: " in capsys.readouterr().out


def test_what_is_not_there_is_said(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    assert command("nothing_of_this_name", data=site.data) == 1
    assert "nothing has become of a trigger 'nothing_of_this_name'" in capsys.readouterr().err
    assert command(data=site.data / "nowhere") == 2
    assert "no engine runs" in capsys.readouterr().err


def test_both_sides_of_a_goal_are_told_with_the_lift() -> None:
    counts = {
        "entered:offer": 1200, "sent:offer:email": 1000, "refused:offer:holdout": 200,
        "went:offer:1.then": 3, "tried:offer:treated": 1000, "tried:offer:held_out": 200,
        "goal:offer:treated": 150, "goal:offer:held_out": 20,
    }  # fmt: skip
    decisions = Figures(counts).triggers()["offer"]
    assert lift_of(decisions) == lift((150, 1000), (20, 200))
    assert _lines("offer", decisions) == [
        "offer: 1,200 entered",
        "  sent     email 1,000",
        "  refused  holdout 200",
        "  went     1.then 3",
        "  goal     held out: 20 of 200 (10.0%)",
        "  goal     treated: 150 of 1,000 (15.0%)",
        "  lift     +50.0%, 95 % between -3.5% and +133.2%",
    ]


def test_r19_a_trigger_that_failed_too_often_is_shown_with_what_it_raised() -> None:
    counts = {"entered:offer": 3, "failed:offer:error": 50}
    figures = Figures(counts, paused={"offer": "ValueError in if_0: a:1", "new": "TypeError"})
    assert _lines("offer", figures.triggers()["offer"]) == [
        "offer: 3 entered",
        "  paused   it failed 50 times within a minute, last with ValueError in if_0: a:1",
        "  failed   error 50",
    ]
    assert figures.triggers()["new"].paused == "TypeError"


def test_nineteen_of_twenty_intervals_hold_the_true_lift() -> None:
    draw, inside, runs = Random(1), 0, 1000
    for _ in range(runs):
        treated = sum(draw.random() < 0.15 for _ in range(800))
        held = sum(draw.random() < 0.10 for _ in range(400))
        found = lift((treated, 800), (held, 400))
        assert found is not None
        inside += found.low <= 0.5 <= found.high
    assert isclose(inside / runs, 0.95, abs_tol=0.02)


def test_the_arms_of_a_split_are_told_by_results_or_by_revenue() -> None:
    counts = {
        "entered:offer": 400, "arm:offer:0:short:tried": 300, "arm:offer:0:short:reached": 75,
        "arm:offer:0:long:tried": 100, "arm:offer:2.then.0:dear:tried": 50,
        "arm:offer:2.then.0:dear:cents": 123_450, "arm:offer:2.then.0:dear:squares": 9,
    }  # fmt: skip
    decisions = Figures(counts).triggers()["offer"]
    assert _lines("offer", decisions) == [
        "offer: 400 entered",
        "  arm      0 long: 0 of 100 (0.0%)",
        "  arm      0 short: 75 of 300 (25.0%)",
        "  arm      2.then.0 dear: 1,234.50 of 50 (24.69 each)",
    ]
