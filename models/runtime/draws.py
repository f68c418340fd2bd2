"""Draws: offers that somebody was given by chance, with what probability, and what came of them.

The core says which offers there were, what it looked at in the person, and how likely the draw was, so
nothing of later is in it. What came of it is asked when the time is up. Each is foretold before it is
learnt. As it is known how likely each draw was, they also say what other ways of choosing would have
brought, see `models.runtime.counterfactual`: each offer for all who may have it, or chance alone.
"""

from collections import Counter, deque
from collections.abc import Collection, Iterator, Mapping
from functools import lru_cache
from heapq import heappop, heappush
from typing import Any, NamedTuple

import msgspec

from models.base import MADE_FOR, QUALITY, InForce, Version
from models.runtime import arms, logistic
from models.runtime.arms import MOST, Tried
from models.runtime.counterfactual import instead, value
from models.runtime.drift import Drift
from models.runtime.judged import log_loss
from models.runtime.sampled import Sampled

KEPT = 50_000  # draws that weights are fitted to, the latest
JUDGED = 20_000  # that were foretold, the latest
FEWEST, FEWEST_EACH = 100, 10  # draws, and of those of which something came, and nothing
AS_DRAWN, BY_CHANCE, EACH = "as_drawn", "by_chance", arms.OFFER


class Draw(msgspec.Struct, frozen=True, kw_only=True):
    """What the core says of one."""

    id: str  # which its messages share, in hex digits
    at: int  # ms; when it was drawn
    offer: str
    probability: float
    among: tuple[str, ...]  # offers that the person could have had
    features: tuple[Any, ...]  # what was weighed
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
    whom: str
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
        self.tried: deque[Tried] = deque(maxlen=KEPT)
        self._within, self._click, self._mark = within, click, mark
        self._waiting: dict[str, Waiting] = {}  # by the draw
        self._dues: list[tuple[int, str]] = []  # ms, and a draw; those that wait no more stay
        self._by_message: dict[str, Waiting] = {}
        self.judged: deque[_Judged] = deque(maxlen=JUDGED)
        self._version: InForce | None = None
        self._fresh = False  # whether something was learnt since

    def sent(self, said: Mapping[str, Any], message: str, whom: str, now: int) -> None:
        """Take a draw, with the first message that went out with it, or another message with it.

        Args:
            said: what the core says of it, as `Draw`.
            message: its id.
            whom: a leaf.
            now: ms.

        Raises:
            ValueError: this is no draw.
        """
        if said.get(MADE_FOR) != self._mark:
            return
        draw = _read(said)
        waiting = self._waiting.get(draw.id)
        if waiting is None:
            due = draw.at + self._within
            if due < now or not self.sampled.takes(int(draw.id[:8], 16) / 2**32, now):
                return
            waiting = self._waiting[draw.id] = Waiting(due, whom, draw, [])
            heappush(self._dues, (due, draw.id))
        if message not in self._by_message:
            waiting.messages.append(message)
            self._by_message[message] = waiting

    def of(self, message: str) -> Waiting | None:
        """Return the draw that a message speaks of, as long as it waits."""
        return self._by_message.get(message)

    def over(self, now: int) -> Iterator[Waiting]:
        """Yield, and let go of, those whose time was up before an instant (ms)."""
        while self._dues and self._dues[0][0] < now:
            waiting = self._waiting.get(heappop(self._dues)[1])
            if waiting is not None:
                self._let_go(waiting)
                yield waiting

    def _let_go(self, waiting: Waiting) -> None:
        del self._waiting[waiting.draw.id]
        for message in waiting.messages:
            del self._by_message[message]

    def learn(self, waiting: Waiting, came: bool) -> None:
        """Learn what came of one, after foretelling it."""
        draw, version = waiting.draw, self._version
        reward = 1.0 if came else self._click * waiting.clicked
        expected: tuple[float, ...] = ()
        if version is not None:
            expected = tuple(arms.likelihood(version, draw.among, draw.features))
            self.drift.watch(log_loss([expected[draw.nth]], [reward]), self.tried, FEWEST)
        self.judged.append(_Judged(waiting.whom, draw, reward, expected))
        self.tried.append(Tried(waiting.whom, draw.offer, logistic.row(draw.features), reward))
        self._fresh = True

    def forget(self, whom: Collection[str]) -> None:
        """Let go of the draws of somebody."""
        self._fresh = True
        for waiting in [one for one in self._waiting.values() if one.whom in whom]:
            self._let_go(waiting)
        self.tried = deque((one for one in self.tried if one.whom not in whom), KEPT)
        self.judged = deque((one for one in self.judged if one.whom not in whom), JUDGED)

    def fit(self) -> Version | None:
        """Fit weights to what came of offers; None where that is too little."""
        if self._fresh:
            self._fresh, found = False, self._fitted()
            self._version = None if found is None else InForce(found)
        return self._version

    def _fitted(self) -> dict[str, float] | None:
        something = sum(one.reward > 0 for one in self.tried)
        count = len(self.tried)
        if count < FEWEST or min(something, count - something) < FEWEST_EACH:
            return None
        return {**arms.fitted(self.tried), "examples": float(count), MADE_FOR: self._mark}

    def quality(self) -> dict[str, float]:
        """Say how good draws were, beside what other ways of choosing would have brought."""
        found = {"judged": float(len(self.judged)), "drifts": float(self.drift.times)}
        given = Counter(one.draw.offer for one in self.judged).most_common(MOST)
        worth = {
            AS_DRAWN: value([one.reward for one in self.judged]),
            BY_CHANCE: value([_instead(one, None) for one in self.judged]),
            **{
                EACH + name: value([_instead(one, name) for one in self.judged])
                for name, _ in given
            },
        }
        for way, of in worth.items():
            found |= {way: of.mean, f"{way}.low": of.low, f"{way}.high": of.high}
        best = max(worth[EACH + offer].mean for offer, _ in given)
        found["regret"] = round(best - worth[AS_DRAWN].mean, 6)
        foretold = [one for one in self.judged if one.expected]
        if foretold:
            labels = [one.reward for one in foretold]
            share = sum(labels) / len(labels)
            likely = [one.expected[one.draw.nth] for one in foretold]
            found["log_loss"] = round(log_loss(likely, labels), 6)
            found["log_loss_of_share"] = round(log_loss([share] * len(labels), labels), 6)
        return {QUALITY + name: number for name, number in found.items()}


def _read(said: Mapping[str, Any]) -> Draw:
    """Read what the core says of a draw.

    Raises:
        ValueError: this is none.

    >>> _read({"id": "7f", "offer": "a", "among": ["b"], "features": []})
    Traceback (most recent call last):
    msgspec.ValidationError: Object missing required field `at`
    """
    draw = msgspec.convert(said, Draw)
    if draw.offer not in draw.among or not 0 < draw.probability <= 1:
        raise ValueError(f"{draw.offer!r} of {draw.among} with {draw.probability}")
    int(draw.id, 16)
    return msgspec.structs.replace(draw, among=_alike(draw.among))


@lru_cache(maxsize=10_000)
def _alike(among: tuple[str, ...]) -> tuple[str, ...]:
    """Return offers that are equal as one object: many draws are of the same."""
    return among


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
