"""The books: a run that lost, doubled or forged something says so."""

from typing import Any

import msgspec
import pytest

from kairos.demo.drive import Tally
from kairos.demo.report import Arrived, Outcome, as_json, problems
from kairos.demo.request import Truth
from kairos.figures import Figures

FINE = Outcome(
    run="r",
    seed=1,
    data=None,
    seconds=10,
    tally=Tally(accepted=12, rejected=1, truth=Truth(10, 2, 1)),
    base=Figures({"applied": 5}, dead=3),
    total=Figures(
        {"applied": 15, "duplicate": 2, "entered:hi": 3, "sent:hi:email": 2, "people": 4},
        dead=4,
        deliveries={"email": {"delivered": 1, "unknown": 1}},
        latency_ms={"p50": 1.0, "p99": 2.0},
    ),
    arrived_before=Arrived({"email": 7}),
    arrived=Arrived({"email": 8}),
    restarts={"live": 0},
)


def changed(**parts: Any) -> Outcome:
    return msgspec.structs.replace(FINE, **parts)


def total(**parts: Any) -> Outcome:
    return changed(total=msgspec.structs.replace(FINE.total, **parts))


def test_books_that_balance() -> None:
    assert problems(FINE) == []
    said = as_json(FINE)
    assert said["events_accepted"] == 13
    assert (said["events_applied"], said["events_duplicate"], said["events_dead"]) == (10, 2, 1)
    assert said["events_per_s"] == 1.3
    assert said["activations"] == {"hi": 2}
    assert said["latency_ms"] == {"p50": 1.0, "p99": 2.0}


@pytest.mark.parametrize(
    ("outcome", "word"),
    [
        (total(dead=3), "13 events were accepted, but 12 are"),
        (total(counts={**FINE.total.counts, "applied": 16, "duplicate": 1}), "but 11 applied"),
        (total(deliveries={"email": {"delivered": 1, "pending": 1}}), "but 1 have an outcome"),
        (total(deliveries={"email": {"delivered": 2}}), "2 were delivered and 0 are unknown"),
        (changed(arrived=Arrived({"email": 8}, {"email": 1})), "1 mails arrived twice"),
        (changed(arrived=Arrived({"email": 8}, repeated_here=1)), "arrived again"),
        (changed(arrived=Arrived({"email": 8}, forged=1)), "wrong signature"),
        (changed(undrained="the ledger is away"), "not drained: the ledger is away"),
    ],
)
def test_books_that_do_not(outcome: Outcome, word: str) -> None:
    [problem] = problems(outcome)
    assert word in problem


def test_an_unanswered_try_may_be_in_the_log_once_more() -> None:
    again = changed(tally=msgspec.structs.replace(FINE.tally, uncertain=2))
    twice = msgspec.structs.replace(again.total, counts={**FINE.total.counts, "duplicate": 4})
    assert problems(msgspec.structs.replace(again, total=twice)) == []
