"""The load is what DESIGN section 9 says, measured on its bytes and on the real core."""

import re

import orjson
import pytest

from benchmarks import marketing
from benchmarks.encoded import entries
from benchmarks.generator import BATCH, Batches
from benchmarks.properties import Properties, addresses, measured
from benchmarks.workload import LATE_MS, PEOPLE, SHIFT, TIME, Shop, sent_at_rate
from events.record import Event, decode
from triggers.load import load

SAMPLE = 50_000
START_US = 1_795_600_800_000_000


@pytest.fixture(scope="module")
def sample() -> Properties:
    return measured(seed=1, events=SAMPLE)


def test_the_same_seed_makes_the_same_bytes_and_another_makes_others() -> None:
    assert Shop(3).calls(2_000) == Shop(3).calls(2_000)
    assert Shop(3).calls(2_000) != Shop(4).calls(2_000)


def test_a_longer_load_begins_like_a_shorter_one() -> None:
    assert Shop(3).calls(2_000)[:500] == Shop(3).calls(500)


def test_an_event_has_560_bytes(sample: Properties) -> None:
    assert 545 <= sample.mean_bytes <= 575


def test_there_are_twelve_event_names(sample: Properties) -> None:
    assert len(sample.names) == 12


@pytest.mark.parametrize(
    ("share", "expected"),
    [("copies", 0.02), ("identifies", 0.02), ("merges", 0.01), ("late", 0.01)],
)
def test_shares_are_as_the_design_says(sample: Properties, share: str, expected: float) -> None:
    assert getattr(sample, share) == pytest.approx(expected, rel=0.15)


def test_who_acts_follows_zipfs_law_over_a_hundred_thousand_people(sample: Properties) -> None:
    likely = [1 / (rank + SHIFT) for rank in range(1, PEOPLE + 1)]
    assert sample.top_person == pytest.approx(likely[0] / sum(likely), rel=0.25)


def test_fifty_triggers_thirty_of_them_with_windows(sample: Properties) -> None:
    assert sample.triggers == {"window": 30, "sequence": 5, "absence": 10, "plain": 5}


def test_the_engine_sees_the_same_forms() -> None:
    triggers = load(marketing.files(), addresses()).triggers
    assert sum(t.sequence is not None for t in triggers) == 5
    assert sum(t.absence is not None for t in triggers) == 10


def test_every_frequent_name_may_enter_fifteen_triggers_or_more(sample: Properties) -> None:
    frequent = {name for name, share in sample.names.items() if share >= 0.1}
    assert frequent == set(sample.entered_by)
    assert min(sample.entered_by.values()) >= 15


def test_about_two_percent_of_the_events_fire(sample: Properties) -> None:
    assert 0.015 <= sample.firing <= 0.025
    assert sample.later > 0


def test_a_copy_is_the_first_one_byte_for_byte() -> None:
    calls = Shop(1).calls(5_000)
    sent = [body for _, body in sent_at_rate(calls, START_US, 10_000)]
    copies = [(nth, call.copy_of) for nth, call in enumerate(calls) if call.copy_of >= 0]
    assert copies
    assert all(sent[nth] == sent[first] and first < nth for nth, first in copies)
    assert not any(calls[first].copy_of >= 0 for _, first in copies)


def test_an_anonymous_id_joins_one_user_at_most() -> None:
    pairs = {
        (said["anonymousId"], said["userId"])
        for said in (orjson.loads(call.body) for call in Shop(1).calls(20_000))
        if "anonymousId" in said and "userId" in said
    }
    assert pairs
    assert len({anonymous for anonymous, _ in pairs}) == len(pairs)


def test_events_happened_when_they_were_sent_or_a_little_before_or_hours_before() -> None:
    records = [
        record
        for payload in entries(Shop(1).calls(5_000), START_US, 10_000)
        for record in decode(payload)
    ]
    events = [record for record in records if isinstance(record, Event)]
    assert len(events) == 5_000
    assert not [event.flags for event in events if event.flags]
    copies = {event.key for event in events}
    ages = [event.accepted_us // 1000 - event.time for event in events]
    assert sum(age >= LATE_MS[0] for age in ages) == pytest.approx(0.01 * len(copies), rel=0.5)
    assert sum(age < 10_000 for age in ages) > 0.97 * len(ages)


class TestBatches:
    """What the generator sends is the same load, in other bytes for each round."""

    calls = Shop(1).calls(20 * BATCH)
    batches = Batches(calls, START_US, rate=1_000)

    def said(self, nth: int) -> list[dict[str, object]]:
        said: list[dict[str, object]] = orjson.loads(self.batches.body(nth))["batch"]
        return said

    def test_a_batch_has_fifty_events_with_the_instant_it_is_scheduled_for(self) -> None:
        scheduled = self.batches.scheduled_us(3)
        assert scheduled == START_US + 150_000
        assert len(self.said(3)) == BATCH
        body = self.batches.body(3)
        assert len(re.findall(rb'"scheduled_us":%d' % scheduled, body)) >= BATCH - 5
        assert TIME not in body

    def test_a_copy_in_a_later_batch_is_the_first_one_byte_for_byte(self) -> None:
        for nth_round in (0, 1):
            first = 20 * nth_round
            everything = [one for nth in range(first, first + 20) for one in self.said(nth)]
            by_id: dict[object, dict[str, object]] = {}
            copies = [
                one for one in everything if by_id.setdefault(one["messageId"], one) is not one
            ]
            assert len(copies) == sum(call.copy_of >= 0 for call in self.calls)
            assert all(by_id[one["messageId"]] == one for one in copies)

    def test_the_next_round_has_events_of_its_own(self) -> None:
        assert not {one["messageId"] for one in self.said(0)} & {
            one["messageId"] for one in self.said(20)
        }
