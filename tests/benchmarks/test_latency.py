"""From notes and answers to a latency: who is late, what is lost, when a run is worth nothing."""

from pathlib import Path

import pytest

from benchmarks.bed import BenchError
from benchmarks.beside import Look
from benchmarks.books import check_answers, lost, taken
from benchmarks.generator import GAVE_UP, Answer, Plan
from benchmarks.latency import Generated, Latency, Lived, judged
from benchmarks.processes import MachineCpu
from benchmarks.quantiles import quantiles
from benchmarks.recorder import Arrival, Recorded, arrivals
from events.sources.memory import MemoryLog
from kairos.figures import Figures
from triggers.activation import Activation, encode

NAMES = ("collector", "live", "workers", "log", "ledger", "generator", "bench")
START = 1_000_000_000  # us
PLAN = Plan("", 0, "", rate=100, seconds=1, seed=1, answers="")


def activation(name: str, scheduled_us: int = START, accepted_us: int | None = 1) -> Activation:
    return Activation(
        id=name,
        trigger="hello",
        version="v",
        step="0",
        channel="log",
        purpose="product",
        template=None,
        person="p",
        leaf="l",
        address=None,
        facts={},
        event={"scheduled_us": scheduled_us},
        decided=0,
        valid_until=None,
        accepted_us=accepted_us,
    )


def look(at: float) -> Look:
    return Look(at, dict.fromkeys(NAMES, at), MachineCpu(10 * at, 0), 3, 0, 0, 0)


def answer(ms: int, late_ms: int, after_ms: int, status: int = 200) -> Answer:
    at = START + ms * 1000
    return Answer(at, at + late_ms * 1000, at + after_ms * 1000, status, 50)


def result(answers: list[Answer], handed: list[Arrival], figures: Figures) -> Latency:
    looks = [look(999.0), look(1003.0)]
    generated = Generated(answers, quantiles([0.1]), looks)
    return judged(Lived(PLAN, generated, 1004.0, handed, figures))


def test_what_is_reported_is_what_was_measured() -> None:
    answers = [answer(0, 1, 4), answer(500, 30, 80), answer(1000, 2, 1000)]
    handed = [
        Arrival(START + 7_000, activation("a")),
        Arrival(START + 9_000, activation("b", accepted_us=None)),  # its time was up
        Arrival(START + 600_000, activation("c", START + 500_000)),
    ]
    figures = Figures(counts={"applied": 149, "duplicate": 1, "sent:hello:log": 4})
    found = result(answers, handed, figures)
    assert found.achieved == 150 / 2.0  # the last 200 came two seconds after the first schedule
    assert (found.ack_p50_ms, found.ack_max_ms) == (80, 1000)
    assert 2 < found.late_sends_p99_ms <= 30
    assert (found.measured, found.max_ms) == (2, 100)
    assert (found.activations, found.lost) == (4, 1)
    assert found.drained_s == pytest.approx(2.0)
    assert (found.cpu_live, found.cpu_other) == (1.0, 3.0)
    assert found.pending_max == 3


def test_events_that_are_not_accounted_for_are_no_result() -> None:
    handed = [Arrival(START, activation("a"))]
    with pytest.raises(BenchError, match="50 events were accepted, 49 are accounted for"):
        result([answer(0, 0, 1)], handed, Figures(counts={"applied": 49}))


def test_no_activation_is_no_latency_of_zero() -> None:
    with pytest.raises(BenchError, match="--seconds"):
        result([answer(0, 0, 1)], [], Figures(counts={"applied": 50}))


def test_an_activation_that_comes_again_is_handed_once() -> None:
    again = [Arrival(1, activation("a")), Arrival(2, activation("a"))]
    assert lost(2, again) == 1
    assert lost(1, again) == 0
    with pytest.raises(BenchError, match="handed 1 activations, 0 were decided"):
        lost(0, again)


def test_taken_counts_every_outcome() -> None:
    assert (
        taken(Figures(deliveries={"log": {"delivered": 3, "pending": 1}, "email": {"x": 2}})) == 6
    )


def test_notes_are_of_what_the_log_gave(tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    recorded = Recorded(MemoryLog(clock=lambda: 0), notes)
    recorded.append(0, encode([activation("a"), activation("b")]))
    recorded.read(0, -1, 10, 0)
    recorded.close()
    assert [one.activation.id for one in arrivals(notes)] == ["a", "b"]


def test_a_full_log_is_said_in_words() -> None:
    answers = [answer(0, 0, 1), answer(1, 0, 1, 503), answer(2, 0, 1, 503)]
    with pytest.raises(BenchError, match=r"the log was full: .*maxmemory.* 2 of 3 .*--rate"):
        check_answers(answers, 100, fullness=0.999)
    check_answers(answers, 100, fullness=0.4)  # refused for another reason: they are counted
    check_answers(answers[:1], 100, fullness=0.999)  # nothing was refused yet


def test_nothing_accepted_is_said_in_words() -> None:
    with pytest.raises(BenchError, match=r"none of 2 requests.*\[0, 503\], where 0 is no answer"):
        check_answers([answer(0, 0, 1, 503), answer(1, 0, 1, GAVE_UP)], 100, fullness=0)
