"""Each benchmark once, in a short form, on a real stack. Nothing here asserts how fast it is."""

import orjson
import pytest

from benchmarks import (
    asking,
    endurance,
    idle,
    latency,
    learning,
    models,
    profiled,
    scale,
    throughput,
    variety,
)
from benchmarks.encoded import entries
from benchmarks.workload import Call, Shop
from tests.shared import LONG


@LONG
def test_throughput_ends_with_the_oracles_facts() -> None:
    found = throughput.measure(events=5_000)
    assert found.facts
    assert (found.events, found.triggers) == (5_000, 50)
    assert found.profiles > 1_000
    assert found.activations > 10
    assert found.events_per_s == pytest.approx(5_000 / found.seconds)
    assert found.cpu_us_per_event > 0
    assert found.share_sent == found.activations / 5_000


@LONG
def test_latency_accounts_for_every_event_that_was_accepted() -> None:
    found = latency.measure(rate=500, seconds=3)
    assert found.refused == 0
    assert found.accepted == 1_500 == found.applied + found.duplicate + found.dead
    assert found.duplicate > 0
    assert found.dead == 0
    assert found.measured > 0
    assert found.from_200_p50_ms + found.p50_ms > 0
    assert found.p50_ms <= found.p99_ms <= found.p999_ms <= found.max_ms
    assert 0 < found.ack_p50_ms <= found.ack_p99_ms <= found.ack_max_ms
    assert found.hiccup_p50_ms > 0
    assert found.lost == 0
    assert found.activations >= found.measured
    assert found.drained_s > 0
    assert found.pending_max > 0
    assert 0 < found.cpu_live < 2
    assert 0 < found.cpu_generator < 2
    assert 0 < found.cpu_bench < 2


@LONG
def test_asking_waits_for_what_is_known_at_rest_and_beside_a_load(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert asking.main(["--rate", "200", "--seconds", "2"]) == 0
    rest, beside, load = capsys.readouterr().out.splitlines()
    assert rest.startswith("at rest: 100 answers, p50 ")
    assert beside.startswith("beside the load: 90 answers, p50 ")
    assert load.startswith("load of 200 events/s")


@LONG
def test_a_learner_reads_along_where_there_are_models(capsys: pytest.CaptureFixture[str]) -> None:
    assert learning.main(["--rate", "500", "--seconds", "3", "--rounds", "1"]) == 0
    without, beside, *medians = capsys.readouterr().out.splitlines()
    assert without.startswith("no models: p50 ")
    assert without.endswith("learner 0.00")
    assert beside.startswith("all models: p50 ")
    assert not beside.endswith("learner 0.00")
    assert [line.partition(",")[0] for line in medians] == ["no models", "all models"]


@pytest.mark.parametrize(("name", "kinds"), [("ltv, rfm", 2), ("all models", 7)])
def test_what_is_learnt_of_the_load(name: str, kinds: int) -> None:
    payloads = list(entries(Shop(1).calls(2_000), 1_800_000_000_000_000, 25_000))
    learner, took = models.learning(payloads, 1_800_000_000_000, models.LEARNT[name])
    assert len(learner.workspace.models) == kinds
    assert learner.people > 500
    assert took > 0


@LONG
def test_idle_counts_every_process_and_what_supervises_them() -> None:
    found = idle.measure(seconds=2)
    assert set(found.rss_mb_of) == {
        "up",
        "log",
        "ledger",
        "live",
        "archive",
        "workers",
        "collector",
    }
    assert found.processes == 7
    assert found.memory in ("pss", "rss")
    assert found.rss_mb == pytest.approx(sum(found.rss_mb_of.values()), abs=0.5)
    assert found.rss_mb > 50
    assert found.cpu_percent >= 0


def test_scale_keeps_everybody_in_memory_and_lets_as_many_act_a_second() -> None:
    found = scale.measure(people=4_000)
    assert (found.few, found.people, found.events) == (40, 4_000, scale.SECONDS * 100)
    assert found.cost_ratio == found.cpu_us_per_event_many / found.cpu_us_per_event_few > 0
    assert found.bytes_per_hot_profile > 500
    assert 200 < found.bytes_per_cold_profile < 5_000


def test_ten_times_as_many_triggers_ask_and_as_many_messages_leave() -> None:
    found = variety.measure(events=4_000, turns=1)
    assert (found.few, found.triggers, found.events) == (50, 500, 2_000)
    assert found.activations > 10
    assert found.trigger_cost_ratio == found.cpu_us_per_event_many / found.cpu_us_per_event_few > 0


@LONG
def test_endurance_reads_everything_again() -> None:
    found = endurance.measure(events=2_000)
    assert (found.events, found.wrong, found.sent_again) == (2_000, [], 0)
    assert found.people > 500
    assert found.activations > 0
    assert 0 < found.log_max_mb < endurance.LOG_MB


def test_the_crowd_acts_in_turn_and_others_each_second() -> None:
    crowd = scale.Crowd(1, 90)
    assert len(_actors(crowd.once_each(0, 90))) == 90
    seconds = [_actors(crowd.second(nth, 40, 90)) for nth in range(2)]
    assert [len(actors) for actors in seconds] == [40, 40]
    assert not seconds[0] & seconds[1]


def _actors(calls: list[Call]) -> set[str]:
    bodies = [orjson.loads(call.body) for call in calls]
    return {body.get("userId") or body["anonymousId"] for body in bodies}


def test_a_profile_names_functions_of_the_engine() -> None:
    text = profiled.profile(events=1_000)
    assert text.startswith("1000 events in ")
    assert "core.py" in text
