"""Examples: what somebody had done when something could have been decided, and what came of it.

Features are frozen at that instant. Whether it came to be is asked when the time is up, not sooner and
not later, so nothing of the future is in the features and nobody counts before their time is over. Each
example is foretold by the weights of that moment before its label is learnt: so all that is said of how
good they are is said of what they had not seen.

Two are foretelling: weights that are fitted to the latest examples at once, and a challenger that learns
one by one, see `models.runtime.online`. The one that was better lately is published. Where the first one
becomes worse than it was, examples from before that are let go of, see `models.runtime.drift`.
"""

from collections import deque
from collections.abc import Collection, Iterator
from typing import Any, NamedTuple

from models.base import QUALITY, Version
from models.runtime import logistic
from models.runtime.asked import weighed
from models.runtime.drift import Drift
from models.runtime.judged import auc, calibration, calibration_error, log_loss
from models.runtime.online import Online
from models.runtime.sampled import Sampled

KEPT = 50_000  # examples that weights are fitted to, the latest
JUDGED = 10_000  # that were foretold, the latest
FEWEST, FEWEST_EACH = 200, 20  # examples, and of each label


class Decision(NamedTuple):
    """One that waits."""

    due: int  # ms; when its time is up
    whom: str
    features: tuple[Any, ...]


class Judged(NamedTuple):
    """One that was foretold, by both."""

    likely: float  # by the weights that are fitted
    online: float  # by the challenger's
    label: bool


class Known(NamedTuple):
    """One of which it is known what came."""

    whom: str
    row: list[float]
    label: bool


class Examples:
    """The examples of one model.

    Args:
        within: ms; for how long it is waited what comes of a decision.
    """

    def __init__(self, within: int) -> None:
        self.judged: deque[Judged] = deque(maxlen=JUDGED)
        self.drift = Drift()
        self._within = within
        self._challenger = Online()
        self.sampled = Sampled(within)  # which decisions are examples
        self._waiting: deque[Decision] = deque()
        self._known: deque[Known] = deque(maxlen=KEPT)
        self._weights: dict[str, float] | None = None
        self._version: Version | None = None
        self._fresh = False  # whether something was learnt since

    def decided(self, now: int, whom: str, features: tuple[Any, ...]) -> None:
        """Take an example, of which it is not known what comes."""
        self._waiting.append(Decision(now + self._within, whom, features))

    def over(self, now: int) -> Iterator[Decision]:
        """Yield, and let go of, those whose time was up before an instant (ms)."""
        while self._waiting and self._waiting[0].due < now:
            yield self._waiting.popleft()

    def learn(self, decision: Decision, label: bool) -> None:
        """Learn what came of an example, after foretelling it."""
        features = weighed(decision.features)
        row = logistic.row(features)
        if self._weights is not None:
            likely = logistic.probability(self._weights, features)
            self.judged.append(Judged(likely, self._challenger.probability(row), label))
            self.drift.watch(log_loss([likely], [label]), self._known, FEWEST)
        self._fresh = True
        self._known.append(Known(decision.whom, row, label))
        self._challenger.learn(row, label)

    def forget(self, whom: Collection[str]) -> None:
        """Let go of the examples that somebody was."""
        self._fresh = True
        self._waiting = deque(one for one in self._waiting if one.whom not in whom)
        self._known = deque((one for one in self._known if one.whom not in whom), KEPT)

    def fit(self) -> Version | None:
        """Fit weights to the examples there are; None where they are too few."""
        if not self._fresh:
            return self._version
        self._fresh, self._version = False, self._fitted()
        return self._version

    def _fitted(self) -> Version | None:
        labels = [one.label for one in self._known]
        with_it, count = sum(labels), len(labels)
        if count < FEWEST or min(with_it, count - with_it) < FEWEST_EACH:
            return None
        self._weights = logistic.fitted([one.row for one in self._known], labels)
        version, quality = self._weights, self._quality()
        if quality.get("challenger"):
            version = self._challenger.version()
        return {
            **version,
            "examples": float(count),
            **{QUALITY + name: round(value, 6) for name, value in quality.items()},
        }

    def _quality(self) -> dict[str, float]:
        labels = [one.label for one in self.judged]
        if len(labels) < FEWEST or not 0 < sum(labels) < len(labels):
            return {}
        share = sum(labels) / len(labels)
        fitted, online = [one.likely for one in self.judged], [one.online for one in self.judged]
        losses = log_loss(fitted, labels), log_loss(online, labels)
        likely = online if losses[1] < losses[0] else fitted
        return {
            "auc": auc(likely, labels),
            "log_loss": min(losses),
            "log_loss_of_share": log_loss([share] * len(labels), labels),
            "log_loss_of_other": max(losses),
            "share": share,
            "off": calibration_error(likely, labels),
            "judged": float(len(labels)),
            "challenger": float(likely is online),
            "drifts": float(self.drift.times),
            **{
                f"calibration.{nth}.{what}": float(figure)
                for nth, row in enumerate(calibration(likely, labels))
                for what, figure in zip(("said", "came", "of"), row, strict=True)
            },
        }
