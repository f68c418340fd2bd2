"""The learner: whoever reads the same log comes to the same versions, however often it was ended."""

import random
import time
from collections.abc import Sequence
from functools import partial
from itertools import pairwise
from typing import Any

import msgspec
import pytest

from events import record
from events.record import Erase, Learned, Offset
from events.sources.base import Entry
from events.sources.memory import MemoryLog
from flows import learn
from flows.learner import AT, LATEST, SOONEST, Learner, definitions
from flows.poison import decoded
from models import ltv, rfm
from models.base import MADE_FOR, Seen, Version
from tests.models.histories import ALL, START, history
from tests.shop import ADDRESSES, DAY, MINUTE, SECOND, an_event
from triggers.core import Batch

FILES = {"workspace.yaml": ALL}


class Rig:
    """A log on a clock, and a learner that is ended and begun again as the test says."""

    def __init__(self) -> None:
        self.now, self.begun = START, 0
        self.log = MemoryLog(clock=lambda: self.now)
        self.learner = self.begin()

    def begin(self) -> Learner:
        self.begun += 1
        newest = self.log.back(0, self.log.last(0) + 1, 1)
        self.learner = Learner(FILES, ADDRESSES, newest[0].time if newest else 0)
        return self.learner

    def say(self, *records: record.Record) -> None:
        self.log.append(0, record.encode(list(records)))

    def run(self, most: int = 1_000) -> None:
        """Learn until nothing comes, or so many reads were done; publish what there is."""
        reads = iter(range(most))
        idle = [False]

        def stopped() -> bool:
            idle[0] = self.learner.position >= self.log.last(0)
            return next(reads, None) is None or idle[0]

        learn.run(self.log, self.learner, stopped, lambda: 0)

    def versions(self, model: str) -> list[Version]:
        entries = self.log.read(0, -1, 1_000_000, 0)
        return [
            said.values
            for entry in entries
            for said in decoded(entry).records
            if isinstance(said, Learned) and said.what == f"model {model}"
        ]

    def related(self) -> dict[str, record.Beside]:
        """What goes with each item in the end."""
        records = [r for e in self.log.read(0, -1, 1_000_000, 0) for r in decoded(e).records]
        return {r.item: r.others for r in records if isinstance(r, record.Related)}


class Timed(MemoryLog):
    """A log that knows when it was read, s, and how much that brought."""

    def __init__(self) -> None:
        super().__init__(clock=lambda: START)
        self.reads: list[tuple[float, int]] = []

    def read(self, partition: int, after: int, limit: int, wait_ms: int) -> Sequence[Entry]:
        began = time.monotonic()
        found = super().read(partition, after, limit, wait_ms)
        self.reads.append((began, len(found)))
        return found


def test_entries_gather_once_all_there_were_are_read() -> None:
    log = Timed()
    for nth in range(2 * learn.READ + 1):
        event = an_event("product_viewed", user="u", time=START + nth, message_id=str(nth))
        log.append(0, record.encode([event]))
    learn.run(log, Learner(FILES, ADDRESSES), lambda: len(log.reads) == 5, lambda: 0, gather_s=1.0)
    began, brought = zip(*log.reads, strict=True)
    assert brought == (learn.READ, learn.READ, 1, 0, 0)
    waited = [round(after - before) for before, after in pairwise(began)]
    assert waited == [0, 0, 1, 0], "only behind the one that brought little"


def buyers(seed: int) -> int:
    """How many people these are: a device is somebody's once they were on it."""
    ids = [event.ids for _, event in history(seed)]
    joined = {i for several in ids if len(several) > 1 for i in several if i[:4] == "anon"}
    return len({i for several in ids for i in several} - joined)


def known(rig: Rig, now: int) -> int:
    return sum(one is not None for one in rig.learner.seen("rfm", now))


def told(seed: int, kills: random.Random | None = None) -> Rig:
    """All of a history in the log, read while it grows."""
    rig = Rig()
    for when, event in history(seed):
        rig.now = max(rig.now, START + when)
        rig.say(event)
        if kills is not None and kills.random() < 0.12:
            rig.run(kills.randrange(4))
            rig.begin()
    rig.now += 2 * DAY
    rig.say(record.Tick(rig.now))
    rig.run()
    return rig


def test_r41_a_learner_that_was_killed_50_times_comes_to_the_same_versions() -> None:
    clean = told(0)
    torn = told(0, random.Random(0))
    assert torn.begun > 50
    for model in ("ltv", "rfm", "churn", "propensity", "recommended"):
        assert torn.versions(model)[-1] == clean.versions(model)[-1], model
        assert len(torn.versions(model)) > len(clean.versions(model)), "it read while it grew"
    assert torn.related() == clean.related() != {}
    again = torn.begin()
    torn.run()
    assert again.said["ltv"] == torn.versions("ltv")[-1]
    assert torn.versions("ltv") == sorted(torn.versions("ltv"), key=lambda said: said[AT])


def test_a_version_is_what_a_fit_of_everybody_says() -> None:
    rig = told(7)
    now = int(rig.versions("ltv")[-1][AT])
    assert known(rig, now) == buyers(7)
    for model in (ltv, rfm):
        name = model.__name__.rpartition(".")[2]
        options: Any = rig.learner.workspace.models[name].options
        order = random.Random(1).sample(range(rig.learner.people), rig.learner.people)

        def see(now: int, name: str, order: list[int]) -> list[Seen | None]:
            found = rig.learner.seen(name, now)
            return [found[nth] for nth in order]

        expected = model.fit(partial(see, name=name, order=order), now, options)
        assert expected is not None
        found = dict(rig.versions(name)[-1])
        del found[AT], found[MADE_FOR]
        assert found == expected


def test_nothing_new_is_no_version() -> None:
    rig = told(7)
    marks = len(rig.versions("rfm"))
    for _ in range(5):
        rig.now += DAY
        rig.say(record.Tick(rig.now))
        rig.run()
    assert len(rig.versions("rfm")) == marks, "marks follow orders, not time"
    rig.say(an_event("order_completed", user="new", time=rig.now, message_id="n", total=5))
    rig.now += DAY
    rig.say(record.Tick(rig.now))
    rig.run()
    assert len(rig.versions("rfm")) == marks + 1


def test_who_is_erased_is_learnt_from_no_more() -> None:
    rig = told(7)
    rig.say(Erase("user_id:u3", b"k" * 16, rig.now, "officer", ""))
    rig.now += DAY
    rig.say(record.Tick(rig.now))
    rig.run()
    assert rig.versions("rfm")[-1]["people"] == buyers(7) - 1


def test_copies_count_once() -> None:
    rig = told(7)
    before = known(rig, rig.now), rig.versions("rfm")[-1]["monetary.4"]
    for when, event in history(7):
        rig.say(event)
        assert when >= 0
    rig.now += DAY
    rig.say(record.Tick(rig.now))
    rig.run()
    assert (known(rig, rig.now), rig.learner.said["rfm"]["monetary.4"]) == before


def test_looks_come_sooner_while_a_log_is_young() -> None:
    learner = Learner(FILES, ADDRESSES)
    looks: list[int] = []
    learner.look = lambda: looks.append(learner.state.now)  # type: ignore[method-assign]
    first = an_event("visited", user="u1", time=START, message_id="m")
    learner.take(decoded(_entry(0, START, first)))
    for nth in range(1, 20_000):
        learner.take(decoded(_entry(nth, START + nth * MINUTE, record.Tick(0))))
    ages = [look - START for look in looks]
    assert ages[0] >= SOONEST
    gaps = [later - one for one, later in pairwise(ages)]
    assert gaps == sorted(gaps) or max(gaps) <= LATEST + MINUTE
    assert LATEST - MINUTE <= gaps[-1] <= LATEST + MINUTE
    assert len(looks) < 120


def _entry(entry: int, time: int, *records: record.Record) -> Entry:
    return Entry(entry, time, record.encode(list(records)))


def test_where_nothing_comes_the_clock_says_when_to_look() -> None:
    rig = Rig()
    rig.now = START + 25 * DAY
    for when, event in history(7):
        if when < 25 * DAY:
            rig.say(event)
    reads, later = iter(range(8)), rig.now + MINUTE
    learn.run(rig.log, rig.learner, lambda: next(reads, None) is None, lambda: later)
    assert rig.now < rig.versions("rfm")[0][AT] <= later - 5 * SECOND
    assert len(rig.versions("rfm")) == 1


@pytest.mark.parametrize(
    ("files", "same"),
    [
        ({"workspace.yaml": ALL + "quiet_hours: 21:00-08:00\n"}, True),
        ({"workspace.yaml": ALL, "segments/a.yaml": "segment: a\nif: [ltv > 5]"}, True),
        ({"workspace.yaml": ALL.replace("273d", "100d")}, False),
        ({"workspace.yaml": ALL.replace("rfm: ", "rfm: {value: price}")}, False),
        ({"workspace.yaml": ALL + "identity: {email: {max: 1}}\n"}, False),
    ],
)
def test_an_edit_begins_anew_only_where_it_concerns_models(
    files: dict[str, str], same: bool
) -> None:
    assert (definitions(files, ADDRESSES)[1] == definitions(FILES, ADDRESSES)[1]) is same


def test_what_the_engine_put_aside_is_not_learnt_from() -> None:
    events = [
        an_event("order_completed", user=f"u{nth}", time=START, message_id=f"m{nth}", total=5)
        for nth in range(3)
    ]
    learner = Learner(FILES, ADDRESSES, dead=[Offset(0, 1)])
    learner.take(Batch(0, START, list(events)))
    assert sum(one is not None for one in learner.seen("rfm", START)) == 2


def test_an_event_that_cannot_be_applied_ends_nobody(capsys: pytest.CaptureFixture[str]) -> None:
    learner = Learner(FILES, ADDRESSES)
    order = an_event("order_completed", user="u1", time=START, message_id="m1", total=5)
    broken: Any = msgspec.structs.replace(order, time="never", key=b"k" * 16)
    learner.take(Batch(0, START, [broken]))
    learner.take(Batch(1, START, [order]))
    assert sum(one is not None for one in learner.seen("rfm", START)) == 1
    assert "left out" in capsys.readouterr().out


def test_who_is_erased_in_the_entry_that_names_them_waits_no_more() -> None:
    learner = Learner(FILES, ADDRESSES)
    seen = an_event("visited", anon="phone", time=START, message_id="m1")
    learner.take(Batch(0, START, [seen]))
    assert [one.whom for one in learner._examples["propensity"]._waiting] == ["anonymous_id:phone"]
    login = an_event("identify", user="ana", anon="phone", time=START, message_id="m2")
    learner.take(Batch(1, START, [login, Erase("user_id:ana", b"k" * 16, START, "officer", "")]))
    assert not any(
        one.whom == "anonymous_id:phone" for one in learner._examples["propensity"]._waiting
    )
