"""R19: what one trigger raises concerns it alone; 50 failures within a minute pause it."""

from collections.abc import Iterator
from random import Random
from typing import Any

import pytest
from structlog.testing import capture_logs

from events import record
from events.record import Paused, Record, Version
from events.sources.base import Log
from events.sources.memory import MemoryLog
from flows.bounds import DEFAULT
from flows.replayed import ReplayedEngine
from profile_state.leaf import NEVER
from profile_state.stores.memory import MemoryStore, Shelf
from tests.extension import installed
from tests.flows.partition import Clock, Partition
from tests.flows.test_crashes import CROWDED, activations_of, people_of, read_again
from tests.shop import (
    ADDRESSES,
    DAY,
    HOUR,
    MINUTE,
    SECOND,
    WORKSPACE,
    Shop,
    an_event,
    at,
)
from triggers.failing import MOST, WITHIN, versions
from triggers.load import hash_of, load

RAISES, TWIN = "share(order_completed.total) < 50", "last(order_completed.total) >= 0"
SENDS = "do: [{send: {channels: [webhook]}}]"
DELIVER = "deliver: {purpose: product, quiet_hours: off}"
ONCE_EACH = "reentry: always"
# Where a condition of a trigger's own may stand.
PLACES = {
    "if": f"when: {{event: order_completed}}\nif: ['COND']\n{SENDS}\n{DELIVER}",
    "where": f"when: {{event: order_completed, where: ['COND']}}\n{SENDS}\n{DELIVER}",
    "if of a sequence": (
        f"when: {{sequence: [cart_updated, order_completed], within: 1d}}\nif: ['COND']\n{SENDS}\n"
        f"{DELIVER}"
    ),
    "if of an absence": (
        f"when: {{event: cart_updated, then_no: order_paid, within: 30m}}\nif: ['COND']\n{SENDS}\n"
        f"{DELIVER}"
    ),
    "if at an edge": f"when: {{segment: entered buyer}}\nif: ['COND']\n{SENDS}\n{DELIVER}",
    "if at a change": f"when: {{changed: plan, to: pro}}\nif: ['COND']\n{SENDS}\n{DELIVER}",
    "if of a calendar": f"when: {{every: day 12:00}}\nif: ['COND']\n{SENDS}\n{DELIVER}",
    "crosses": f"when: {{crosses: 'COND'}}\n{SENDS}\n{DELIVER}",
    "step": (
        "when: {event: order_completed}\n"
        f"do: [{{if: ['COND'], then: [{{send: {{channels: [webhook]}}}}]}}]\n{DELIVER}"
    ),
    "step after a wait": (
        "when: {event: cart_updated}\ndo: [{wait: 1h}, "
        f"{{if: ['COND'], then: [{{send: {{channels: [webhook]}}}}]}}]\n{DELIVER}"
    ),
    "exit_when": (
        "when: {event: cart_updated}\nexit_when: [{none_of: ['COND', 'never(order_completed)']}]\n"
        f"do: [{{wait: 1h}}, {{send: {{channels: [webhook]}}}}]\n{DELIVER}"
    ),
    "if of a held send": (
        f"when: {{event: cart_updated}}\nif: [{{any_of: ['never(order_completed)', 'COND']}}]\n"
        f"{SENDS}\ndeliver: {{purpose: product, quiet_hours: '09:00-11:00'}}"
    ),
}
SHARED = {
    "segments/buyer.yaml": "segment: buyer\nif: ['count(order_completed) >= 1']\n",
    "triggers/thanked.yaml": (
        f"trigger: thanked\nwhen: {{event: order_completed}}\n{ONCE_EACH}\n{SENDS}\n{DELIVER}\n"
    ),
    "triggers/welcomed.yaml": (
        f"trigger: welcomed\nwhen: {{segment: entered buyer}}\n{SENDS}\n{DELIVER}\n"
    ),
    "triggers/carted.yaml": (
        "trigger: carted\nwhen: {event: cart_updated, then_no: order_paid, within: 20m}\n"
        f"{ONCE_EACH}\n{SENDS}\n{DELIVER}\n"
    ),
}

Written = list[tuple[int, list[Record]]]  # entries: ms, records


@pytest.fixture(autouse=True)
def extension() -> Iterator[None]:
    with installed():
        yield


def written(name: str, place: str, condition: str = RAISES, rest: str = ONCE_EACH) -> str:
    text = PLACES[place].replace("COND", condition)
    return f"trigger: {name}\n{rest}\n{text}\n"


def lived(files: dict[str, str]) -> Shop:
    """Three people: one whom the condition raises on, one for whom it holds, and one without orders."""
    shop = Shop(files)
    people = {"ana": 0, "bob": 10}
    for user in (*people, "eve"):
        shop.know(user, plan="free")
        shop.do("cart_updated", user=user)
    shop.wait(10 * MINUTE)
    for user, total in people.items():
        shop.do("order_completed", user=user, total=total)
        shop.know(user, plan="pro")
    shop.wait(4 * HOUR)
    shop.engine.drain()
    return shop


def others(shop: Shop, trigger: str) -> tuple[Any, ...]:
    """All that came of a life but for one trigger."""
    people = people_of(shop.shelf)
    for _, leaves, _, _, member in people.values():
        member[:] = [m for m in member if m[0] != f"~{trigger}"]
        for leaf in leaves.values():
            leaf["runs"] = [run for run in leaf["runs"] if run.trigger != trigger]
            leaf["sent"] = [sent for sent in leaf["sent"] if sent.trigger != trigger]
            leaf["completed"].pop(trigger, None)
    sent = {i: a for i, a in activations_of(shop.shelf).items() if a[0] != trigger}
    counts = {n: by for n, by in (+shop.shelf.counts).items() if trigger not in n}
    return people, sent, counts, shop.facts, shop.shelf.dead


@pytest.mark.parametrize("place", PLACES)
def test_r19_what_a_condition_raises_concerns_its_trigger_alone(place: str) -> None:
    twin = {"triggers/twin.yaml": written("twin", place, TWIN)}  # remembers and is asked the same
    faulty = {"triggers/faulty.yaml": written("faulty", place)}
    with_it, without = lived(SHARED | twin | faulty), lived(SHARED | twin)
    assert with_it.shelf.dead == {}
    assert others(with_it, "faulty") == others(without, "faulty")
    assert {"thanked", "welcomed", "carted"} <= {a.trigger for a in without.sent}
    ana, bob = (with_it.person(f"user_id:{user}").id for user in ("ana", "bob"))
    sent = {a.person for a in with_it.sent_by("faulty")}
    assert bob in sent
    assert ana not in sent, "a run of which a condition raises sends nothing"
    assert "failed:error" in with_it.refusals("faulty")
    assert not any(True for _ in with_it.person("user_id:ana").runs())


def test_r19_the_reason_says_what_and_where_and_quotes_nobody() -> None:
    shop = Shop(SHARED | {"triggers/faulty.yaml": written("faulty", "if")})
    said = an_event("order_completed", user="ana", total="dear", time=shop.now, message_id="m")
    shop.log.append(0, record.encode([said]))
    [work] = shop.engine.process(shop.log.read(0, shop.engine.position, 9, 0))
    [why] = [e for e in work.explanations if e.outcome == "failed"]
    assert (why.trigger, why.reason) == ("faulty", "error")
    assert why.detail.startswith("TypeError in alone_1: <workspace ")
    assert "dear" not in why.detail


def test_r19_a_condition_of_everybodys_is_poison_as_before() -> None:
    segment = f"segment: large\nif: ['{RAISES}']\n"
    shop = Shop(SHARED | {"segments/large.yaml": segment})
    shop.do("order_completed", user="ana", total=0)
    assert len(shop.shelf.dead) == 1
    assert not shop.sent


def test_r19_an_exclusion_that_raises_ends_the_run_that_asked() -> None:
    excludes = f"exclude: {{product: ['{RAISES.replace('<', '>')}']}}\n"
    shop = Shop(SHARED, workspace=WORKSPACE + excludes)
    shop.do("order_completed", user="ana", total=0)
    shop.do("order_completed", user="bob", total=10)
    assert shop.shelf.dead == {}
    assert shop.refusals("thanked") == ["failed:error", "sent:webhook"]


@pytest.mark.parametrize("place", ["if", "if at an edge", "step", "crosses"])
def test_r19_memory_that_is_missing_is_nobodys_failure(place: str) -> None:
    shop = Shop(
        SHARED | {"triggers/g.yaml": written("g", place, "room(order_completed.total) > 5")}
    )
    with pytest.raises(MemoryError):
        shop.do("order_completed", user="ana", total=10**17)
    assert not shop.shelf.dead


def pauses(log: Log) -> list[Paused]:
    entries = log.read(0, -1, 10**6, 0)
    return [r for e in entries for r in record.decode(e.payload) if isinstance(r, Paused)]


def fail(shop: Shop, times: int) -> None:
    for nth in range(times):
        shop.do("order_completed", user=f"u{nth % 7}", total=0)


def test_r19_49_failures_within_a_minute_do_not_pause_and_50_do() -> None:
    shop = Shop(SHARED | {"triggers/faulty.yaml": written("faulty", "if")})
    with capture_logs() as alarms:
        fail(shop, MOST - 1)
        shop.now += WITHIN  # the first ones are a minute old, and the minute is over
        fail(shop, MOST - 1)
        assert pauses(shop.log) == []
        assert not alarms
        fail(shop, 1)
    [said] = pauses(shop.log)
    [alarm] = alarms
    assert alarm["log_level"] == "error"
    assert alarm["event"] == "a trigger failed 50 times within a minute and is paused"
    assert alarm["trigger"] == said.trigger == "faulty"
    assert said.reason.startswith("ZeroDivisionError in ")
    failed = shop.count("failed:faulty:error")
    assert failed == 2 * MOST - 1

    # From then on it does nothing, and nobody else notices.
    before = len(shop.sent_by("thanked"))
    shop.do("order_completed", user="bob", total=10)
    fail(shop, 3 * MOST)
    assert len(shop.sent_by("thanked")) == before + 1 + 3 * MOST
    assert not shop.sent_by("faulty")
    assert shop.count("failed:faulty:error") == failed, "nobody is asked any more"
    assert len(pauses(shop.log)) == 1
    assert shop.shelf.dead == {}


def test_r19_a_second_record_changes_nothing_nor_one_of_another_version() -> None:
    shop = Shop(SHARED | {"triggers/faulty.yaml": written("faulty", "if")})
    shop.say([Paused("faulty", "another", "why"), Paused("gone", "v", "why")])
    shop.do("order_completed", user="bob", total=10)
    assert len(shop.sent_by("faulty")) == 1
    fail(shop, MOST)
    [*_, said] = pauses(shop.log)
    shop.say([said, Paused("faulty", said.version, "later")])
    assert shop.engine.state.paused == {"faulty": said}


@pytest.mark.parametrize("place", PLACES)
def test_r19_the_pause_outlives_a_kill_and_an_edit_lifts_it(place: str) -> None:
    shop = Shop(SHARED | {"triggers/faulty.yaml": written("faulty", place)})
    for user in range(MOST):
        shop.know(f"u{user}", plan="free")
        shop.do("cart_updated", user=f"u{user}")
    shop.wait(SECOND)
    for user in range(MOST):
        shop.do("order_completed", user=f"u{user}", total=0)
        shop.know(f"u{user}", plan="pro")
    shop.wait(3 * HOUR)
    [said] = pauses(shop.log)
    shop.open()
    shop.edit(triggers__thanked=SHARED["triggers/thanked.yaml"] + "owner: me\n")
    assert shop.engine.state.paused == {"faulty": said}

    def good(user: str) -> int:
        before = len(shop.sent_by("faulty"))
        shop.know(user, plan="free")
        shop.do("cart_updated", user=user)
        shop.wait(SECOND)
        shop.do("order_completed", user=user, total=10)
        shop.know(user, plan="pro")
        shop.wait(DAY)
        return len(shop.sent_by("faulty")) - before

    failed = shop.count("failed:faulty:error")
    assert good("bob") == 0
    shop.open()
    assert good("cem") == 0
    shop.do("order_completed", user="cem", total=0)
    shop.wait(DAY)
    assert shop.count("failed:faulty:error") == failed, "nobody is asked any more"
    shop.edit(triggers__faulty=written("faulty", place, TWIN))
    assert shop.engine.state.paused == {}
    assert good("dan") >= 1
    assert shop.shelf.dead == {}


def test_r19_who_mends_the_extension_stops_the_trigger_by_hand_and_starts_it_again() -> None:
    faulty = written("faulty", "if")
    shop = Shop(SHARED | {"triggers/faulty.yaml": faulty})
    fail(shop, MOST)
    shop.edit(triggers__faulty=faulty + "status: paused\n")
    fail(shop, MOST)
    assert shop.count("failed:faulty:error") == 2 * MOST, "by hand: asked, and not counted"
    shop.edit(triggers__faulty=faulty)
    shop.do("order_completed", user="bob", total=10)
    assert len(shop.sent_by("faulty")) == 1
    fail(shop, MOST - 1)
    assert len(pauses(shop.log)) == 1, "the count begins anew"
    fail(shop, 1)
    assert len(pauses(shop.log)) == 2


def test_r19_waits_go_on_and_sends_are_held_until_the_edit() -> None:
    later = written("faulty", "if").replace("do: [", "do: [{wait: 1h}, ")
    shop = Shop(SHARED | {"triggers/faulty.yaml": later})
    shop.do("order_completed", user="bob", total=10)
    fail(shop, MOST)
    shop.wait(2 * HOUR)
    shop.do("order_completed", user="bob", total=0)  # who is asked now fails: nobody is
    shop.wait(HOUR)
    assert not shop.sent_by("faulty")
    assert set(shop.refusals("faulty")[-3:]) == {"held:paused"}
    shop.do("order_completed", user="bob", total=10)
    shop.edit(triggers__faulty=later + "key: total\n")
    shop.wait(5 * MINUTE)
    assert len(shop.sent_by("faulty")) == 1


def test_r19_runs_on_a_former_version_fail_and_count_for_none_that_is_in_force() -> None:
    shop = Shop(SHARED | {"triggers/faulty.yaml": written("faulty", "step after a wait")})
    for user in range(MOST):
        shop.do("cart_updated", user=f"w{user}")
        shop.do("order_completed", user=f"w{user}", total=0)
    shop.edit(triggers__faulty=written("faulty", "if"))
    shop.wait(HOUR - SECOND)
    fail(shop, MOST - 1)
    shop.wait(2 * SECOND)
    assert shop.count("failed:faulty:error") == 2 * MOST - 1
    assert pauses(shop.log) == []
    fail(shop, 1)
    assert len(pauses(shop.log)) == 1


def test_r19_the_others_enter_in_the_order_in_which_they_would_have() -> None:
    waits = (
        "when: {event: order_completed, then_no: order_paid, within: 30d, "
        f"where: ['event.total >= LEAST']}}\n{SENDS}\n{DELIVER}\n"
    )
    three = {  # the first and the third ask the same, so they are asked together
        f"triggers/{name}.yaml": f"trigger: {name}\n{waits.replace('LEAST', least)}"
        for name, least in (("a", "0"), ("b", "-1"), ("c", "0"))
    }
    entered = []
    for faulty in ({}, {"triggers/faulty.yaml": written("faulty", "if")}):
        shop = Shop(three | faulty)
        shop.do("order_completed", user="ana", total=0)
        entered.append([run.trigger for _, run in shop.person("user_id:ana").runs()])
    assert entered[0] == entered[1]
    assert sorted(entered[0]) == ["a", "b", "c"]


def test_r19_no_timer_asks_again_and_again_what_raises() -> None:
    crosses = "count(cart_updated, last 1h) + share(order_completed.total) > 200"
    when = f"when: {{crosses: '{crosses}'}}"
    shop = Shop({"triggers/faulty.yaml": f"trigger: faulty\n{when}\n{SENDS}\n{DELIVER}\n"})
    shop.do("cart_updated", user="ana")
    assert shop.person("user_id:ana").recheck, "in an hour it is another number"
    shop.do("order_completed", user="ana", total=0)
    shop.wait(2 * HOUR)
    assert shop.count("failed:faulty:error") == 1
    assert shop.person("user_id:ana").due == NEVER


FILES = SHARED | {
    "segments/returner.yaml": "segment: returner\nif: ['share(order_returned.total) < 5']\n",
    "triggers/faulty.yaml": written("faulty", "if"),
    "triggers/crossed.yaml": written("crossed", "crosses"),
    "triggers/late.yaml": written("late", "step after a wait"),
}
EDITED = FILES | {"triggers/faulty.yaml": written("faulty", "where")}


def some(draw: Random, nth: int, now: int, *, poison: float = 0.2) -> list[Record]:
    """An entry; of the orders half raise in triggers, of the few returns half are poison."""
    said: list[Record] = []
    for place in range(draw.randrange(1, 5)):
        who: dict[str, Any] = {"user": f"u{draw.randrange(9)}"}
        if draw.random() < 0.2:
            who["anon"] = f"d{draw.randrange(9)}"
        name = draw.choices(("order_completed", "cart_updated", "order_returned"), (6, 3, poison))[
            0
        ]
        total = draw.choice((0, 10))
        said.append(an_event(name, total=total, time=now, message_id=f"m{nth}.{place}", **who))
    return said


def version_of(trigger: str, files: dict[str, str]) -> str:
    return load({"workspace.yaml": WORKSPACE, **files}, ADDRESSES).named[trigger].version


@pytest.mark.parametrize("seed", range(3))
def test_r19_wherever_the_engine_dies_each_version_is_paused_once_and_all_else_is_the_same(
    seed: int,
) -> None:
    draw, clock, shelf = Random(seed), Clock(at("9:00")), Shelf()
    log = MemoryLog(clock=clock)
    bounds = (DEFAULT, CROWDED)[seed % 2]
    partition = Partition(log, lambda: MemoryStore(shelf), draw, clock, deaths=0.2, bounds=bounds)
    for part, files in enumerate((FILES, EDITED)):
        partition.adopt({"workspace.yaml": WORKSPACE, **files})
        for nth in range(80):
            log.append(0, record.encode(some(draw, part * 1000 + nth, clock())))
            clock.now += draw.choice((0, 100, SECOND))
            partition.turn()
        partition.read_on()
        partition.wait_until(clock.now + 5 * SECOND)
    partition.wait_until(clock.now + 2 * HOUR)
    partition.rest()
    assert partition.crashes > 10
    found = pauses(log)
    of_faulty = [p.version for p in found if p.trigger == "faulty"]
    assert of_faulty == [version_of("faulty", FILES), version_of("faulty", EDITED)]
    assert len(found) == len(versions(found)), "each once"
    assert shelf.dead, "poison is met as well, for which the log is read again"
    assert {s.trigger for s in shelf.mark.paused} >= {"faulty"}
    died = 0
    for nth, limits in enumerate((DEFAULT, DEFAULT, CROWDED)):
        again, crashes, _ = read_again(log, seed * 100 + nth, limits)
        died += crashes
        assert again.dead == shelf.dead
        assert people_of(again) == people_of(shelf)
        assert activations_of(again) == activations_of(shelf)
        assert +again.counts == +shelf.counts
        assert (again.failures, again.mark.paused) == (shelf.failures, shelf.mark.paused)
    assert died > 1


def written_ahead(shop: Shop, entries: Written) -> None:
    """Let an engine process entries at once, and die when everybody is written, and the mark is not."""
    shop.engine.drain()
    mark = shop.shelf.mark
    for shop.now, group in entries:
        shop.log.append(0, record.encode(group))
    shop.engine.process(shop.log.read(0, shop.engine.position, 10**6, 0))
    shop.engine.drain()
    shop.shelf.mark = mark
    shop.open()
    shop.run()


def failing(shop: Shop, times: int, now: int | None = None) -> Written:
    now = shop.now if now is None else now
    named = range(shop.log.last(0), shop.log.last(0) + times)
    return [
        (now, [an_event("order_completed", user=f"f{n}", total=0, time=now, message_id=f"f{now}")])
        for n in named
    ]


def test_r19_an_engine_that_dies_before_the_record_is_appended_appends_it_afterwards() -> None:
    shop = Shop(SHARED | {"triggers/faulty.yaml": written("faulty", "if")})
    later = shop.now + 2 * MINUTE  # by then fifty within a minute are long ago
    written_ahead(shop, [*failing(shop, MOST), *failing(shop, 1, later)])
    assert len(pauses(shop.log)) == 1
    shop.open()
    shop.run()
    assert len(pauses(shop.log)) == 1
    assert shop.count("failed:faulty:error") == MOST + 1


def test_r19_what_failed_behind_an_edit_counts_also_where_the_edit_is_read_again() -> None:
    faulty = written("faulty", "if")
    shop = Shop(SHARED | {"triggers/faulty.yaml": faulty})
    stopped = shop.files | {"triggers/faulty.yaml": faulty + "status: paused\n"}
    by_hand: Written = [
        (shop.now, [Version(hash_of(files), files, "")]) for files in (stopped, shop.files)
    ]
    before, behind = failing(shop, MOST // 2), failing(shop, MOST - 1, shop.now + 1)
    written_ahead(shop, [*before, *by_hand, *behind])
    assert pauses(shop.log) == [], "the count began anew at the edit"
    shop.do("order_completed", user="ana", total=0)
    assert len(pauses(shop.log)) == 1


def replayed(entries: Written, seed: int, drains: float) -> tuple[Any, ...]:
    now, draw = 0, Random(seed)
    log, shelf = MemoryLog(clock=lambda: now), Shelf()
    engine = ReplayedEngine(
        log, MemoryStore(shelf), ADDRESSES, clock=lambda: now, monotonic=lambda: 0.0
    )
    engine.recover()
    engine.adopt({"workspace.yaml": WORKSPACE, **FILES})
    for now, group in entries:  # noqa: B007 - the log's clock reads it
        log.append(0, record.encode(group))
    while found := log.read(0, engine.position, draw.randrange(1, 9), 0):
        engine.process(found)
        if draw.random() < drains:
            engine.drain()
    engine.drain()
    assert not pauses(log), "the log of the past takes nothing"
    return people_of(shelf), activations_of(shelf), +shelf.counts, shelf.dead, shelf.mark.paused


def test_r19_a_replay_on_the_clock_of_its_file_pauses_in_the_same_place() -> None:
    draw, now = Random(3), at("9:00")
    entries: Written = []
    for nth in range(150):
        now += draw.choice((0, 100, SECOND))
        entries.append((now, some(draw, nth, now, poison=0)))
    clean = replayed(entries, 0, drains=0.5)
    assert MOST <= clean[2]["failed:faulty:error"] < MOST + 4, "behind the entry with the fiftieth"
    # Poison comes late, so that all of it is read again by an engine whose ledger is ahead of it.
    poison = an_event("order_returned", user="zoe", total=0, time=now, message_id="poison")
    for seed, drains in enumerate((0.0, 0.02, 0.5)):
        found = replayed([*entries, (now, [poison])], seed, drains)
        assert found[:3] == clean[:3]
        assert found[4] == clean[4]
        assert len(found[3]) == 1
