"""What the door lets in: against an engine of known capacity, over simulated minutes."""

from collections import deque
from typing import NamedTuple

import pytest

from collector.quotas import BROWSER, FIRST, VIEWS, Admission, Rank
from flows.pressure import LOOK_S, TARGET_MS, Pace


class Course(NamedTuple):
    """What came of a course of events."""

    offered: int
    accepted: int
    worked_off: int
    lags: list[float]  # ms, at each look
    refused: dict[Rank, float]  # share of what was offered


class Model:
    """An engine that works off so many events a second while it is there, and the door before it."""

    def __init__(self) -> None:
        self.pace, self.admission = Pace(), Admission()
        self.now = 0.0
        self.records = 0
        self.queue: deque[list[float]] = deque()  # when they were accepted, how many are left

    def run(
        self, seconds: float, offered: int, capacity: int, *, away: bool = False, turn: float = 0.0
    ) -> Course:
        """Go on.

        Args:
            seconds: how long.
            offered: events a second, in batches of ten, of each rank a third.
            capacity: events a second that the engine works off.
            away: nobody hears of the engine, and it does nothing.
            turn: seconds that it works at once, ten times as fast, and then rests.
        """
        ranks: tuple[Rank, ...] = (VIEWS, BROWSER, FIRST)
        tried, let = dict.fromkeys(ranks, 0), dict.fromkeys(ranks, 0)
        lags: list[float] = []
        before, owed, room, looked = self.records, 0.0, 0.0, self.now
        end = self.now + seconds
        while self.now < end:
            self.now += 0.005
            owed += offered * 0.005 / 10
            while owed >= 1:
                owed -= 1
                rank = ranks[sum(tried.values()) % 3]
                tried[rank] += 1
                if self.admission.lets_in(rank, 10, int(self.now * 1e6)):
                    let[rank] += 1
                    self.queue.append([self.now, 10])
            if not away:
                works = not turn or self.now % (10 * turn) < turn
                room = min(room + capacity * 0.005 * (10 if turn else 1) * works, 2_000)
                room = self._work_off(room)
            if self.now - looked >= LOOK_S:
                looked = self.now
                lag = (self.now - self.queue[0][0]) * 1000 if self.queue else 0.0
                lags.append(lag)
                rate = self.pace.look(self.now, None if away else lag, self.records)
                self.admission.limit(rate, VIEWS)
        return Course(
            10 * sum(tried.values()),
            10 * sum(let.values()),
            self.records - before,
            lags,
            {rank: 1 - let[rank] / max(tried[rank], 1) for rank in ranks},
        )

    def _work_off(self, room: float) -> float:
        while self.queue and room >= 1:
            taken = min(int(room), int(self.queue[0][1]))
            self.queue[0][1] -= taken
            room -= taken
            self.records += taken
            if not self.queue[0][1]:
                self.queue.popleft()
        return room if self.queue else 0.0


@pytest.mark.parametrize("turn", [0.0, 0.05])
@pytest.mark.parametrize("times", [2, 10])
def test_r20_what_is_let_in_is_what_the_engine_works_off(times: int, turn: float) -> None:
    model, capacity = Model(), 2_000
    calm = model.run(20, capacity // 2, capacity, turn=turn)
    assert calm.accepted == calm.offered
    course = model.run(60, times * capacity, capacity, turn=turn)
    assert course.accepted >= 0.95 * capacity * 60
    assert course.worked_off >= 0.95 * capacity * 60, "it is never without work"
    late = course.lags[len(course.lags) // 2 :]
    assert max(late) < 3 * TARGET_MS
    after = model.run(30, capacity // 2, capacity, turn=turn)
    assert after.lags[-1] < TARGET_MS
    settled = model.run(20, capacity // 2, capacity, turn=turn)
    assert settled.accepted == settled.offered


def test_r20_views_are_refused_first_and_servers_last() -> None:
    model = Model()
    course = model.run(40, 3_000, 2_000)
    assert course.refused[VIEWS] > course.refused[BROWSER] > course.refused[FIRST]
    assert course.refused[VIEWS] > 0.7
    assert course.refused[FIRST] < 0.1


def test_an_engine_that_is_away_is_no_reason_to_refuse_anything() -> None:
    model = Model()
    model.run(5, 1_000, 5_000)
    gone = model.run(60, 1_000, 5_000, away=True)
    assert gone.accepted == gone.offered
    back = model.run(60, 1_000, 5_000)
    assert back.accepted == back.offered, "what comes is less than it works off"
    assert back.lags[-1] < 100


def test_a_pause_is_none_either() -> None:
    model = Model()
    model.run(5, 1_000, 5_000)
    for _ in range(5):
        paused = model.run(0.8, 1_000, 0)
        assert paused.accepted == paused.offered
        on = model.run(3, 1_000, 5_000)
        assert on.accepted == on.offered


def test_an_engine_that_stands_still_is_as_good_as_away() -> None:
    model = Model()
    model.run(20, 4_000, 2_000)
    model.run(8, 1_000, 0)
    stuck = model.run(10, 1_000, 0)
    assert stuck.accepted == stuck.offered
