"""What a trigger brings is put into the log from time to time, so that it can be seen over time."""

from pathlib import Path
from random import Random

import pytest

from events.record import Learned
from flows.poison import decoded
from kairos.operators.drawn import NotDrawnError, draw_lift
from tests.shop import DAY, HOUR, MINUTE, Shop
from triggers.lift import LIFT, figures, lift, lift_of

FILES = {
    "triggers/welcome.yaml": """
trigger: welcome
when: {event: visited}
holdout: 40%
goal: {event: bought, within: 1d}
do: [{send: {channels: [log]}}]
deliver: {purpose: product, quiet_hours: off}
"""
}


def said(shop: Shop) -> list[dict[str, float]]:
    """What the log says of the trigger, the newest first."""
    records = [r for e in shop.log.read(0, -1, 1_000_000, 0) for r in decoded(e).records]
    return [r.values for r in records if isinstance(r, Learned) and r.what == f"{LIFT}welcome"][
        ::-1
    ]


@pytest.fixture(scope="module")
def shop() -> Shop:
    """Six days on which who is sent to buys twice as often."""
    found, draw, sent = Shop(FILES), Random(4), 0
    for day in range(6):
        for n in range(60):
            user = f"u{day}_{n}"
            found.do("visited", user=user)
            treated, sent = len(found.sent) > sent, len(found.sent)
            if draw.random() < (0.6 if treated else 0.3):
                found.do("bought", user=user)
        found.wait(20 * HOUR)
        found.wait_until(found.now + 4 * HOUR)
    found.wait(MINUTE)
    return found


def test_each_day_is_in_the_log_with_what_was_counted_by_then(shop: Shop) -> None:
    points = said(shop)
    assert len({one["at"] // DAY for one in points}) >= 6
    assert len(points) < 30, "no more often than once a day, but for an eighth more"
    last = {name: value for name, value in points[0].items() if name != "at"}
    shop.engine.drain()
    assert last == figures("welcome", shop.shelf.counts)
    assert last["treated"] + last["held_out"] == 360
    assert lift_of(points[0]) == lift(
        (int(last["treated.reached"]), int(last["treated"])),
        (int(last["held_out.reached"]), int(last["held_out"])),
    )
    totals = [one["treated"] + one["held_out"] for one in reversed(points)]
    assert totals == sorted(totals)


def test_nothing_new_is_no_record(shop: Shop) -> None:
    before = len(said(shop))
    shop.wait(3 * DAY)
    assert len(said(shop)) == before


def test_it_is_drawn(shop: Shop, tmp_path: Path) -> None:
    draw_lift("welcome", said(shop), tmp_path / "welcome.png")
    assert (tmp_path / "welcome.png").read_bytes()[:4] == b"\x89PNG"
    nobody = {"treated": 5.0, "treated.reached": 1.0, "held_out": 2.0, "held_out.reached": 0.0}
    with pytest.raises(NotDrawnError, match="nobody came to its goal on both sides"):
        draw_lift("welcome", [{**nobody, "at": 0.0}], tmp_path / "none.png")


def test_a_trigger_without_a_goal_or_a_hold_out_says_nothing() -> None:
    for left_out in ("holdout: 40%\n", "goal: {event: bought, within: 1d}\n"):
        files = {"triggers/welcome.yaml": FILES["triggers/welcome.yaml"].replace(left_out, "")}
        shop = Shop(files)
        shop.do("visited", user="ana")
        shop.do("bought", user="ana")
        shop.wait(DAY)
        assert said(shop) == []
