"""R7 and R8 in short: one stack through random kills, power cuts, and a death at each crash point.

KAIROS_KILLS and KAIROS_POWER_CUTS say how many; `.ci/run` takes 25 and 5.
"""

import os
from importlib import import_module

import pytest

from benchmarks.bed import BenchError
from benchmarks.torture.points import POINTS, Point, known
from benchmarks.torture.rig import missing
from benchmarks.torture.run import Torture, measure, planned
from tests.shared import lacking

KILLS = int(os.environ.get("KAIROS_KILLS", "10"))
CUTS = int(os.environ.get("KAIROS_POWER_CUTS", "2"))
FROZEN = 2  # crash points that no function names: a frozen engine, a frozen worker


@pytest.fixture(scope="module")
def found() -> Torture:
    if why := missing():
        lacking(why)
    return measure(KILLS, CUTS, points=1, seed=1)


def test_r8_kills_and_power_cuts_lose_nothing_and_double_nothing(found: Torture) -> None:
    assert found.wrong == []
    assert found.accepted == found.applied > 0
    assert (found.lost, found.doubled) == (0, 0)
    assert (found.kills, found.power_cuts) == (KILLS, CUTS)


def test_r8_everybody_owed_a_message_gets_it_once_or_it_is_held_as_unknown(found: Torture) -> None:
    assert (found.double_sends, found.unsent) == (0, 0)
    assert found.owed > 0


def test_r8_collector_engine_and_worker_serve_again_within_five_seconds(found: Torture) -> None:
    assert 0 < found.recovery_max_s <= 5


def test_r7_a_death_at_each_crash_point_has_its_outcome(found: Torture) -> None:
    assert found.points == len(POINTS) + FROZEN
    assert found.unknown > 0, "of the calls that were open, those without a key are held"
    assert found.dropped_by_key > 0, "and those with one were made again"


def test_the_power_cuts_took_something_back(found: Torture) -> None:
    assert found.undone_writes > 0


@pytest.mark.parametrize("point", POINTS, ids=lambda point: point.name)
def test_every_crash_point_names_a_function_that_there_is(point: Point) -> None:
    known(point)
    import_module(point.module)


def test_a_crash_point_whose_function_was_renamed_is_an_error() -> None:
    renamed = POINTS[0]._replace(function="handled_no_more")
    with pytest.raises(BenchError, match=r"there is no collector\.handle\.handled_no_more"):
        known(renamed)


def test_the_same_seed_plans_the_same_and_another_one_does_not() -> None:
    assert planned(5, 50, 10) == planned(5, 50, 10)
    assert planned(5, 50, 10) != planned(6, 50, 10)
    steps = planned(5, 50, 10)
    cut = {step.parts for step in steps if step.cut}
    assert cut == {(), ("log",), ("ledger",), ("workers",), ("archive",)}
