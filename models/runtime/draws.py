"""Draws: offers that somebody was given by chance, with what probability, and what came of them.

The core says which offers there were, what it looked at in the person, and how likely the draw was, so
nothing of later is in it. What came of it is asked when the time is up. Each is foretold before it is
learnt. As it is known how likely each draw was, they also say what other ways of choosing would have
brought, see `models.runtime.counterfactual`: each offer for all who may have it, or chance alone.
"""

from collections import deque
from collections.abc import Collection, Iterator, Mapping
from typing import Any, NamedTuple

import msgspec

from models.base import MADE_FOR, QUALITY, InForce, Version
from models.runtime import arms, logistic
from models.runtime.arms import Tried
from models.runtime.asked import weighed
from models.runtime.counterfactual import instead, value
from models.runtime.drift import Drift
from models.runtime.judged import log_loss
from models.runtime.sampled import Sampled

KEPT = 50_000  # draws that weights are fitted to, the latest
JUDGED = 20_000  # that were foretold, the latest
FEWEST, FEWEST_EACH = 100, 10  # draws, and of those of which something came, and nothing
AS_DRAWN, BY_CHANCE, EACH = "as_drawn", "by_chance", "offer."


class Draw(msgspec.Struct, frozen=True):
    """What the core says of one."""

    id: str  # which its messages share
    offer: str
    probability: float
    among: tuple[str, ...]  # offers that the person could have had
    features: tuple[Any, ...]
    made_for: float  # see `models.base`

    @property
    def nth(self) -> int:
        """Which of those that there were it is."""
        return self.among.index(self.offer)


class Waiting(msgspec.Struct):
    """One of which it is not known yet what comes."""

    due: int  # ms; when its time is up
    whom: str
    draw: Draw
    messages: list[str]
    clicked: bool = False


class _Judged(NamedTuple):
    draw: Draw
    reward: float
    expected: tuple[float, ...]  # of each offer, foretold; empty before there was a version


class Draws:
    """The draws of a model.

    Args:
        within: ms; for how long it is waited what comes of one.
        click: what a click is worth, from 0 to 1; what is waited for is worth 1.
        mark: of the features, see `Modelled.mark`; draws by others say nothing.
    """

    def __init__(self, within: int, click: float, mark: float) -> None:
        self.drift = Drift()
        self.sampled = Sampled(within)
        self._within, self._click, self._mark = within, click, mark
        self._waiting: dict[str, Waiting] = {}  # by the draw, in order
        self._by_message: dict[str, Waiting] = {}
        self.tried: deque[Tried] = deque(maxlen=KEPT)
        self._judged: deque[_Judged] = deque(maxlen=JUDGED)
        self._version: InForce | None = None
        self._fresh = False  # whether something was learnt since

    def sent(self, said: Mapping[str, Any], message: str, whom: str, now: int) -> None:
        """Take a draw, with the first message that went out with it, or another message with it.

        Args:
            said: what the core says of it, as `Draw`.
            message: its id.
            whom: a leaf.
            now: ms.
        """
        draw = msgspec.convert(said, Draw)
        if draw.made_for != self._mark:
            return
        waiting = self._waiting.get(draw.id)
        if waiting is None:
            if not self.sampled.takes(int(draw.id[:8], 16) / 2**32, now):
                return
            waiting = self._waiting[draw.id] = Waiting(now + self._within, whom, draw, [])
        waiting.messages.append(message)
        self._by_message[message] = waiting

    def clicked(self, message: str) -> None:
        """Take note that somebody clicked in a message."""
        waiting = self._by_message.get(message)
        if waiting is not None:
            waiting.clicked = True

    def over(self, now: int) -> Iterator[Waiting]:
        """Yield, and let go of, those whose time was up before an instant (ms)."""
        while self._waiting:
            first = next(iter(self._waiting.values()))
            if first.due >= now:
                return
            self._let_go(first)
            yield first

    def _let_go(self, waiting: Waiting) -> None:
        del self._waiting[waiting.draw.id]
        for message in waiting.messages:
            del self._by_message[message]

    def learn(self, waiting: Waiting, came: bool) -> None:
        """Learn what came of one, after foretelling it."""
        draw, version = waiting.draw, self._version
        features = weighed(draw.features)
        reward = 1.0 if came else self._click * waiting.clicked
        expected: tuple[float, ...] = ()
        if version is not None:
            expected = tuple(arms.likelihood(version, draw.among, features))
            latest = self.drift.since(log_loss([expected[draw.nth]], [reward]))
            if latest is not None:
                for _ in range(len(self.tried) - max(FEWEST, latest)):
                    self.tried.popleft()
        self._judged.append(_Judged(draw, reward, expected))
        self.tried.append(Tried(waiting.whom, draw.offer, logistic.row(features), reward))
        self._fresh = True

    def forget(self, whom: Collection[str]) -> None:
        """Let go of the draws of somebody."""
        self._fresh = True
        for waiting in [one for one in self._waiting.values() if one.whom in whom]:
            self._let_go(waiting)
        self.tried = deque((one for one in self.tried if one.whom not in whom), KEPT)

    def fit(self, offers: Collection[str]) -> Version | None:
        """Fit weights to what came of the offers that there are; None where that is too little."""
        if self._fresh:
            self._fresh, found = False, self._fitted(offers)
            self._version = None if found is None else InForce(found)
        return self._version

    def _fitted(self, offers: Collection[str]) -> dict[str, float] | None:
        something = sum(one.reward > 0 for one in self.tried)
        count = len(self.tried)
        if count < FEWEST or min(something, count - something) < FEWEST_EACH:
            return None
        return {
            **arms.fitted(self.tried, offers),
            "examples": float(count),
            MADE_FOR: self._mark,
            **{QUALITY + name: number for name, number in self._quality(offers).items()},
        }

    def _quality(self, offers: Collection[str]) -> dict[str, float]:
        """Say how good draws were, beside what other ways of choosing would have brought."""
        found = {"judged": float(len(self._judged)), "drifts": float(self.drift.times)}
        given = sorted({one.draw.offer for one in self._judged}.intersection(offers))
        worth = {
            AS_DRAWN: value([one.reward for one in self._judged]),
            BY_CHANCE: value([_instead(one, None) for one in self._judged]),
            **{EACH + name: value([_instead(one, name) for one in self._judged]) for name in given},
        }
        for way, of in worth.items():
            found |= {way: of.mean, f"{way}.low": of.low, f"{way}.high": of.high}
        if given:
            best = max(worth[EACH + offer].mean for offer in given)
            found["regret"] = round(best - worth[AS_DRAWN].mean, 6)
        foretold = [one for one in self._judged if one.expected]
        if foretold:
            labels = [one.reward for one in foretold]
            share = sum(labels) / len(labels)
            likely = [one.expected[one.draw.nth] for one in foretold]
            found["log_loss"] = round(log_loss(likely, labels), 6)
            found["log_loss_of_share"] = round(log_loss([share] * len(labels), labels), 6)
        return found


def _instead(one: _Judged, offer: str | None) -> float:
    """Return what giving one offer to whoever may have it would have brought, or giving any by chance.

    Who may not have it gets one by chance.
    """
    draw, among = one.draw, one.draw.among
    if offer in among:
        shares = [float(name == offer) for name in among]
    else:
        shares = [1 / len(among)] * len(among)
    expected = one.expected or [0.0] * len(among)
    return instead(shares, expected, draw.nth, draw.probability, one.reward)
