"""A model as a picture: how what it foretold compares with what came, and how good each version was.

And a trigger's lift: what it brought, beside those whom it was held back from.

Needs matplotlib, which the extra `plots` installs.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from models.base import QUALITY, Version
from models.runtime.draws import AS_DRAWN, BY_CHANCE, EACH
from models.send_time import everybody
from triggers.lift import REACHED, SIDES, lift_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CALIBRATION = f"{QUALITY}calibration."
MANY = 60  # versions, whose marks would hide the line
INK, PALE, OTHER = "#1f4e79", "#9db8d2", "#c0392b"


class NotDrawnError(Exception):
    """There is nothing to draw, or nothing to draw with; says what to do."""


def draw(model: str, versions: Sequence[Version], path: Path) -> None:
    """Draw a model into a PNG.

    Args:
        model: its name.
        versions: with the instants (ms) at which they were learnt, the newest first.
        path: of the file.

    Raises:
        NotDrawnError: matplotlib is not installed, or the versions say nothing of how good they are.
    """
    told = [one for one in reversed(versions) if any(name.startswith(QUALITY) for name in one)]
    newest = told[-1] if told else {}
    drawing = next((how for name, how in _DRAWINGS.items() if QUALITY + name in newest), None)
    if drawing is None:
        raise NotDrawnError(f"{model}: no version says how good it is, so there is nothing to draw")
    figure = _empty(f"{model}, version of {_at(told[-1]):%Y-%m-%d %H:%M}Z")
    left, right = figure.subplots(1, 2)
    drawing(left, right, told)
    _finish(figure, path)


def draw_lift(trigger: str, said: Sequence[Version], path: Path) -> None:
    """Draw what a trigger brought into a PNG, beside those whom it was held back from.

    Args:
        trigger: its name.
        said: figures as `triggers.lift` says them, the newest first.
        path: of the file.

    Raises:
        NotDrawnError: matplotlib is not installed, or nobody came to the goal on one of the sides.
    """
    told = [(one, found) for one in reversed(said) if (found := lift_of(one)) is not None]
    if not told:
        raise NotDrawnError(
            f"{trigger}: nobody came to its goal on both sides, so there is no lift"
        )
    figure = _empty(f"{trigger}, as of {_at(told[-1][0]):%Y-%m-%d %H:%M}Z")
    left, right = figure.subplots(1, 2)
    instants = [_at(one) for one, _ in told]
    shape = "o-" if len(told) < MANY else "-"
    for side, color in zip(SIDES, (INK, OTHER), strict=True):
        shares = [100 * one[side + REACHED] / one[side] for one, _ in told]
        label = f"{side.replace('_', ' ')}, {int(told[-1][0][side]):,} people"
        left.plot(instants, shares, shape, color=color, markersize=4, label=label)
    left.set_ylabel("% who came to the goal")
    left.set_ylim(bottom=0)
    lifts = [[100 * one for one in found] for _, found in told]
    means, lows, highs = zip(*lifts, strict=True)
    right.fill_between(instants, lows, highs, color=PALE, alpha=0.5, label="interval of 95 %")
    right.plot(instants, means, shape, color=INK, markersize=4, label="lift")
    right.axhline(0, color=OTHER, linewidth=1, linestyle=":")
    right.set_ylabel("% more often than who was held out")
    for axes in (left, right):
        axes.tick_params(axis="x", labelrotation=30)
    _finish(figure, path)


def _at(said: Version) -> datetime:
    return datetime.fromtimestamp(said["at"] / 1000, UTC)


def _empty(title: str) -> "Figure":
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415 - an extra
        from matplotlib.figure import Figure  # noqa: PLC0415
    except ImportError as error:
        raise NotDrawnError(
            f"matplotlib was expected, found: {error}; pip install 'kairos-cdp[plots]'"
        ) from error
    figure = Figure(figsize=(10, 5), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(title)
    return figure


def _finish(figure: "Figure", path: Path) -> None:
    for axes in figure.axes:
        axes.legend(frameon=False, fontsize=8)
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, format="png")


def _calibrated(axes: "Axes", version: Version) -> None:
    """Draw how likely it was said to be, of each tenth of people, beside how often it was."""
    rows: list[tuple[float, float]] = []
    while (said := version.get(f"{CALIBRATION}{len(rows)}.said")) is not None:
        rows.append((said, version[f"{CALIBRATION}{len(rows)}.came"]))
    most = max(max(row) for row in rows) * 1.05 or 1.0
    axes.plot([0, most], [0, most], color=PALE, linewidth=1, label="as it was said")
    axes.plot(
        *zip(*rows, strict=True), "o-", color=INK, markersize=5, label="a tenth of the examples"
    )
    axes.set_xlabel("how likely it was said to be")
    axes.set_ylabel("how often it was")
    axes.set_xlim(0, most)
    axes.set_ylim(0, most)


def _offers(axes: "Axes", version: Version) -> None:
    """Draw what each offer would have brought, had everybody got it who may have it."""
    offers = sorted(
        (name.removeprefix(QUALITY + EACH) for name in version if _is_mean_of_an_offer(name)),
        key=lambda offer: version[f"{QUALITY}{EACH}{offer}"],
    )
    heads = [f"{QUALITY}{EACH}{offer}" for offer in offers]
    means = [version[head] for head in heads]
    ends = [
        [version[head] - version[f"{head}.low"] for head in heads],
        [version[f"{head}.high"] - version[head] for head in heads],
    ]
    label = "each offer, had everybody got it who may"
    axes.errorbar(means, offers, xerr=ends, fmt="o", color=INK, capsize=3, label=label)
    drawn = f"{QUALITY}{AS_DRAWN}"
    axes.axvspan(version[f"{drawn}.low"], version[f"{drawn}.high"], color=PALE, alpha=0.5)
    axes.axvline(version[drawn], color=OTHER, linewidth=1, label="as it was drawn")
    axes.set_xlim(left=0)
    axes.set_xlabel("reward of an offer, with its interval of 95 %")


def _is_mean_of_an_offer(name: str) -> bool:
    return name.startswith(QUALITY + EACH) and name.count(".") == (QUALITY + EACH).count(".")


def _over_versions(
    axes: "Axes", versions: Sequence[Version], lines: dict[str, str], head: str = QUALITY
) -> None:
    """Draw a figure of each version, by when it was learnt."""
    for (name, label), color in zip(lines.items(), (INK, OTHER), strict=False):
        known = [one for one in versions if head + name in one]
        instants = [_at(one) for one in known]
        values = [one[head + name] for one in known]
        shape = "o-" if len(values) < MANY else "-"
        axes.plot(instants, values, shape, color=color, markersize=4, label=label)  # type: ignore[arg-type] # its types know no datetime
    axes.tick_params(axis="x", labelrotation=30)


def _likelihood(left: "Axes", right: "Axes", told: Sequence[Version]) -> None:
    _calibrated(left, told[-1])
    _over_versions(right, told, {"auc": "AUC, each foretold before it was learnt"})
    right.axhline(0.5, color=OTHER, linewidth=1, linestyle=":", label="by chance")
    right.set_ylim(0.4, 1.0)


def _bandit(left: "Axes", right: "Axes", told: Sequence[Version]) -> None:
    _offers(left, told[-1])
    ways = {AS_DRAWN: "as it was drawn", BY_CHANCE: "had it been by chance alone"}
    _over_versions(right, told, ways)
    right.set_ylabel("reward of an offer")
    right.set_ylim(bottom=0)


def _recommendations(left: "Axes", right: "Axes", told: Sequence[Version]) -> None:
    _over_versions(left, told, {"items": "items that were bought"}, head="")
    ways = {"recall": "recommended, ten items", "recall_of_bestsellers": "ten bestsellers"}
    _over_versions(right, told, ways)
    right.set_ylabel("part of what people bought next")
    for axes in (left, right):
        axes.set_ylim(bottom=0)


def _hours(left: "Axes", right: "Axes", told: Sequence[Version]) -> None:
    hours = everybody(told[-1])
    shares = [100 * hours.get(str(hour), 0.0) for hour in range(24)]
    left.bar(range(24), shares, color=INK, label="opens")
    left.set_xlabel("hour of the day, where each person is")
    left.set_ylabel("% of everybody's opens")
    ways = {"near": "by the best hour of each person", "near_everybodys": "by everybody's"}
    _over_versions(right, told, ways)
    right.set_ylabel("part of opens within an hour of it")
    right.set_ylim(bottom=0)


def _orders(left: "Axes", right: "Axes", told: Sequence[Version]) -> None:
    ways = {"foretold": "days of orders, foretold", "came": "that came"}
    _over_versions(left, told, ways)
    ways = {"off": "off by so many for a customer", "off_at_own_rate": "by the own rate of each"}
    _over_versions(right, told, ways)
    for axes in (left, right):
        axes.set_ylim(bottom=0)


_Drawing = Callable[["Axes", "Axes", Sequence[Version]], None]
_DRAWINGS: dict[str, _Drawing] = {  # by a figure of the quality that they show
    AS_DRAWN: _bandit,
    "recall": _recommendations,
    "near": _hours,
    "auc": _likelihood,
    "foretold": _orders,
}
