"""R37 and H2: everybody is due at one instant. Bounded rate, bounded memory, everybody accounted for."""

import os
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import orjson
import pytest
import redis

from events import record
from events.record import Tick
from events.sources.memory import MemoryLog
from flows.bounds import Bounds
from flows.engine import TICK_EVERY_S, Engine
from kairos.doctor.engine import _timers
from kairos.parts.live import _facts
from kairos.settings import Settings
from profile_state.stores.redis import RedisStore
from tests.shop import ADDRESSES, SECOND, WORKSPACE, Shop, an_event, at
from triggers import activation

PEOPLE = int(os.environ.get("KAIROS_STORM", "6000"))  # 200,000 by hand
TICKS = 200  # that the storm takes
FIRED = PEOPLE // TICKS
PERSON = 1_500  # bytes in memory of one of them
BATCH = 500  # events in an entry
NIGHT = "quiet_hours: 21:00-08:00"
LETTER = """
trigger: letter
when: {event: letter_asked}
do: [{send: {channels: [webhook]}}]
deliver: {purpose: product}
"""
# Asked for at 23:00, these are worth sending until two seconds past 08:00.
HURRIED = LETTER.replace("letter", "hurried").replace("product}", "product, valid_for: 32402s}")
FILES = {"triggers/letter.yaml": LETTER, "triggers/hurried.yaml": HURRIED}


class Turn(NamedTuple):
    """What there was after a turn of the engine."""

    now: int
    people: int  # in memory
    timers: int  # in memory
    per_s: float
    late_ms: int


def asked_for(bounds: Bounds) -> Shop:
    """Everybody asks for a letter in the night, and most have left memory when it ends."""
    shop = Shop(FILES, start=at("23:00"), bounds=bounds)
    shop.edit(workspace=shop.files["workspace.yaml"] + NIGHT + "\n")
    for first in range(0, PEOPLE, BATCH):
        events = [
            an_event(
                "letter_asked" if n % 2 else "hurried_asked",
                user=f"u{n}",
                time=at("23:00"),
                message_id=f"m{n}",
            )
            for n in range(first, min(PEOPLE, first + BATCH))
        ]
        shop.say(list(events))
        shop.engine.drain()
        shop.engine.pump()
    for _ in range(4096 // bounds.stride * 3):
        shop.engine.residents.step()
    return shop


def storm(shop: Shop, *, dies_at: int = 0) -> list[Turn]:
    """Let the night end; the engine turns every 20 ms, and dies after some of these."""
    shop.now, turns = at("8:00", day=1), list[Turn]()
    while not turns or shop.shelf.dues or not shop.engine.behind.idle:
        shop.now += 20
        shop.engine.process(shop.log.read(0, shop.engine.position, 10, 0))
        shop.engine.pump()
        engine = shop.engine
        people, timers = len(engine.state.people), len(engine.state.dues)
        turns.append(Turn(shop.now, people, timers, engine.storm.per_s, engine.storm.late_ms))
        if len(turns) == dies_at:
            shop.open()
    return turns


@pytest.mark.parametrize("dies_at", [0, 400])
def test_r37_a_storm_of_timers_is_bounded_accounted_for_and_marks_who_is_too_late(
    dies_at: int,
) -> None:
    room = PEOPLE // 10
    shop = asked_for(Bounds(people=room * PERSON, fired=FIRED, stride=256))
    assert len(shop.engine.state.people) < 2 * room, "most are cold when it begins"
    assert shop.count("people") == PEOPLE
    turns = storm(shop, dies_at=dies_at)

    # Bounded: never more a second than ticks may fire, and never more in memory than its bound
    # and what was fired in the few seconds that writing behind takes.
    per_s = FIRED / TICK_EVERY_S
    entries = shop.log.read(0, -1, 10**6, 0)
    ticks = [e.time for e in entries if isinstance(record.decode(e.payload)[0], Tick)]
    for instants, most in ((ticks, 10), ([a.decided for a in shop.sent], per_s)):
        seconds = Counter(instant // SECOND for instant in instants)
        assert max(seconds.values()) <= 1.2 * most
    peak = max(turn.people for turn in turns)
    print(f"{PEOPLE} people, {FIRED} a tick: {peak} in memory at most")
    assert peak <= 2 * room + 5 * per_s

    # Accounted for: everybody is sent to or told to be too late, once; nobody waits any more.
    sent = shop.sent
    letters = [a for a in sent if a.trigger == "letter"]
    hurried = [a for a in sent if a.trigger == "hurried"]
    late = shop.shelf.counts["refused:hurried:expired"]
    assert len(letters) == shop.shelf.counts["entered:letter"] == PEOPLE // 2
    assert len(hurried) + late == shop.shelf.counts["entered:hurried"] == PEOPLE // 2
    assert len({a.person for a in sent}) == len(sent)
    assert not shop.shelf.dues

    # Who is too late is marked, and nobody else: as many as fitted into two seconds were sent.
    end = at("8:00", day=1) + 2 * SECOND
    assert all(a.decided <= end for a in hurried)
    assert 0 < len(hurried) < late

    # Seen while it lasts: how late the timers are, and how many a second are worked off.
    inside = [turn for turn in turns if turn.per_s]
    assert max(turn.late_ms for turn in inside) > 10 * SECOND
    assert 0.7 * per_s < inside[-1].per_s <= 1.1 * per_s
    shop.engine.pump()
    assert shop.engine.storm.per_s == 0


def test_h2_a_storm_over_a_real_ledger_is_bounded_told_of_and_loses_nobody(
    valkey: Path, tmp_path: Path
) -> None:
    now = at("23:00")
    log = MemoryLog(clock=lambda: now)
    url = f"unix://{valkey}"
    store = RedisStore(url)
    room = PEOPLE // 10
    engine = Engine(
        log,
        store,
        ADDRESSES,
        clock=lambda: now,
        monotonic=lambda: now / 1000,
        bounds=Bounds(people=room * PERSON, fired=FIRED, stride=256),
    )
    engine.recover()
    engine.adopt({"workspace.yaml": f"{WORKSPACE}{NIGHT}\n", "triggers/letter.yaml": LETTER})
    settings = Settings(ledger=url, status=tmp_path)

    def turn() -> None:
        engine.process(log.read(0, engine.position, 10, 0))
        engine.pump(eager=True)
        store.settled(0.001)

    for first in range(0, PEOPLE, BATCH):
        events = [
            an_event("letter_asked", user=f"u{n}", time=now, message_id=f"m{n}")
            for n in range(first, min(PEOPLE, first + BATCH))
        ]
        log.append(0, record.encode(events))
    while engine.position < log.last(0) or not engine.behind.idle:
        now += 20
        turn()
    for _ in range(4096 // 256 * 3):
        engine.residents.step()
    assert len(engine.state.people) < 2 * room
    assert _timers(settings).state == "warning", "by the clock of today they are all late"

    now, peak, told = at("8:00", day=1), 0, ""
    with redis.Redis.from_url(url) as ledger:
        while ledger.zcard("due:{p0}") or not engine.behind.idle:
            now += 50
            turn()
            peak = max(peak, len(engine.state.people))
            if not told and engine.storm.per_s > 0:
                (tmp_path / "live.json").write_bytes(orjson.dumps(_facts(engine)))
                told = _timers(settings).found
        rows: Any = ledger.xrange("activations:{p0}")
        counts: Any = ledger.hgetall("counts:{p0}")
    store.close()
    sent = Counter(a.person for _, row in rows for a in activation.decode(row[b"r"]))
    assert len(sent) == sent.total() == PEOPLE
    assert int(counts[b"entered:letter"]) == PEOPLE
    print(f"{PEOPLE} people: {peak} in memory at most; {told}")
    assert peak <= 2 * room + 5 * FIRED / TICK_EVERY_S
    assert " a second are worked off, so " in told
    assert _timers(settings).state == "ok"
