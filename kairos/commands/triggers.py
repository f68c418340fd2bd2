"""`kairos triggers`: what became of each trigger, and whether its goal was reached more often for it."""

from pathlib import Path
from typing import Any

import msgspec

from kairos.figures import Decisions, FiguresError, Gauge
from kairos.say import as_json, failed
from kairos.settings import SettingsError
from kairos.where import engine
from triggers.failing import MOST
from triggers.lift import SIDES, Lift, lift

REASONS = ("sent", "held", "refused", "ignored", "waits", "went", "ended", "failed")


def command(name: str | None = None, *, data: Path | None = None, json: bool = False) -> int:
    """Show what became of triggers: entries, sends, every refusal's reason, goals and their lift.

    Parameters
    ----------
    name
        A trigger; without it all of them.
    data
        The data folder of a running `kairos up`; else the KAIROS_* variables, else kairos-data.
    json
        Print one JSON object.
    """
    try:
        gauge = Gauge(engine(data))
        try:
            found = gauge.read().triggers()
        finally:
            gauge.close()
    except (SettingsError, FiguresError) as error:
        return failed("triggers", error, json=json)
    if name is not None and name not in found:
        failed("triggers", f"nothing has become of a trigger {name!r} yet", json=json)
        return 1
    chosen = found if name is None else {name: found[name]}
    if json:
        as_json({trigger: _plain(one) for trigger, one in chosen.items()})
        return 0
    for trigger, one in chosen.items():
        print("\n".join(_lines(trigger, one)))
    if not chosen:
        print("nothing has become of any trigger yet")
    return 0


def lift_of(decisions: Decisions) -> Lift | None:
    """Return the lift of a trigger with a goal and a hold-out; None where there is nothing to compare."""
    treated, held_out = (
        (decisions.goal.get(side, 0), decisions.tried.get(side, 0)) for side in SIDES
    )
    return lift(treated, held_out)


def _plain(decisions: Decisions) -> dict[str, Any]:
    found = lift_of(decisions)
    lifted = None if found is None else found._asdict()
    return {**msgspec.to_builtins(decisions), "lift": lifted}


def _lines(trigger: str, decisions: Decisions) -> list[str]:
    lines = [f"{trigger}: {decisions.entered:,} entered"]
    if decisions.paused:
        said = f"it failed {MOST} times within a minute, last with {decisions.paused}"
        lines.append(f"  paused   {said}")
    if decisions.warming:
        lines.append(
            f"  warming  it looks back at what nobody asked for before: {decisions.warming}"
        )
    for outcome in REASONS:
        by_reason = getattr(decisions, outcome)
        if by_reason:
            said = ", ".join(
                f"{reason} {n:,}" if reason else f"{n:,}" for reason, n in by_reason.items()
            )
            lines.append(f"  {outcome:<8} {said}")
    for side, tried in decisions.tried.items():
        came = decisions.goal.get(side, 0)
        lines.append(
            f"  goal     {side.replace('_', ' ')}: {came:,} of {tried:,} ({came / tried:.1%})"
        )
    lines += [f"  arm      {_arm(name, counted)}" for name, counted in decisions.arms.items()]
    found = lift_of(decisions)
    if found is not None:
        lines.append(
            f"  lift     {found.lift:+.1%}, 95 % between {found.low:+.1%} and {found.high:+.1%}"
        )
    return lines


def _arm(name: str, counted: dict[str, int]) -> str:
    """Say what came of an arm of a split.

    >>> _arm("0 short", {"tried": 200, "reached": 50}), _arm("0 short", {"tried": 2, "cents": 999})
    ('0 short: 50 of 200 (25.0%)', '0 short: 9.99 of 2 (5.00 each)')
    """
    tried = counted.get("tried", 0)
    if "cents" in counted and tried:
        cents = counted["cents"]
        return f"{name}: {cents / 100:,.2f} of {tried:,} ({cents / 100 / tried:,.2f} each)"
    reached = counted.get("reached", 0)
    return f"{name}: {reached:,} of {tried:,} ({reached / max(1, tried):.1%})"
