"""I9: no timer is lost, none fires early, and none fires past a record that had ended its wait."""

from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache
from itertools import count
from random import Random
from typing import Any

import pytest

from events import record
from events.record import Event, Join, Tick
from events.sources.memory import MemoryLog
from flows.bounds import DEFAULT, Bounds
from profile_state.stores.memory import MemoryStore, Shelf
from tests.flows.partition import Clock, Partition
from tests.flows.waits import EDGES, FILES, KEYS, Fired, Wait, Waits, Written, told
from tests.shop import HOUR, MINUTE, SECOND, Shop, an_event, at
from triggers import activation

HUMANS = 16
GAPS = (0, 0, 20, 300, 5 * SECOND, MINUTE, 10 * MINUTE, 40 * MINUTE)  # between two entries, ms
LATE = (0, 0, 0, 0, 5 * MINUTE, 40 * MINUTE, 3 * HOUR, -MINUTE)  # a clock may be a little fast
SKEWS = (0, 0, -HOUR, -MINUTE, MINUTE, 10 * MINUTE)  # of the engine's clock
STRAY = ((HOUR,), (HOUR, HOUR), (-MINUTE, -SECOND))  # how far ticks reach that nobody asked for
NARROW = Bounds(fired=3)  # so that a storm takes many ticks
DOES = {
    "trial_started": 8, "trial_used": 6, "cart_updated": 9, "order_completed": 5,
    "letter_asked": 6, "letter_declined": 4, "tour": 7, "alarm_raised": 7, "alarm_ended": 4,
    "product_viewed": 16, "identify": 5, "account_closed": 1,
}  # fmt: skip
TOURS = 2  # of a leaf; the engine looks at the eight newest of a person


Who = dict[str, str]  # user, anon


class People:
    """What people do: each call is one entry's events, at a time."""

    def __init__(self, draw: Random) -> None:
        self._draw = draw
        self._ids = count(1)
        self._said: list[Event] = []
        self._under_way: dict[str, list[tuple[int, Who, str]]] = {}  # kind -> whose, and its key
        self._tours: dict[str, int] = {}

    def do(self, now: int) -> list[Event]:
        """Somebody does something, or everybody does the same."""
        draw = self._draw
        if draw.random() < 0.03:
            return [
                self._start(human, "trial_started", now, who)
                for human in range(HUMANS)
                for who in ({"user": f"u{human}"}, {"anon": f"d{human}a"})
            ]
        human = draw.randrange(HUMANS)
        events = list(self._one(human, now)) or [self._event(human, "product_viewed", now)]
        self._said += events
        if draw.random() < 0.1:
            events.append(draw.choice(self._said))  # a copy
        return events

    def word(self, now: int) -> Join:
        """An operator parts a user from a device, or joins them."""
        human = self._draw.randrange(HUMANS)
        user, device = f"user_id:u{human}", f"anonymous_id:{self._anon(human)}"
        n = f"op{next(self._ids)}"
        return Join(n, now, user, device, self._draw.random() < 0.7, "operator", "")

    def _one(self, human: int, now: int) -> Iterator[Event]:
        draw = self._draw
        what = draw.choices(list(DOES), list(DOES.values()))[0]
        match what:
            case "trial_started" | "letter_asked":
                yield self._start(human, what, now)
            case "alarm_raised":
                who = self._who(human)
                for _ in range(draw.choice((1, 1, 2, 3))):
                    yield self._start(human, what, now, who)
            case "cart_updated":
                carts = self._under_way.get("cart", [])
                if carts and draw.random() < 0.5:
                    human, who, cart = draw.choice(carts[-4:])
                else:
                    who = self._who(human)
                    cart = f"{next(iter(who.values()))}-{draw.randrange(2)}"
                yield self._begun(human, what, now, who, "cart", cart)
            case "trial_used" | "letter_declined" | "alarm_ended" | "order_completed":
                yield from self._end(what, now)
            case "tour":
                yield from self._tour(human, now)
            case "identify":
                yield self._event(
                    human, what, now, {"user": f"u{human}", "anon": self._anon(human)}
                )
            case _:
                yield self._event(human, what, now)

    def _start(self, human: int, name: str, now: int, who: Who | None = None) -> Event:
        kind = name.partition("_")[0]
        key = f"{kind}{next(self._ids)}"
        return self._begun(human, name, now, who or self._who(human), kind, key)

    def _begun(self, human: int, name: str, now: int, who: Who, kind: str, key: str) -> Event:
        self._under_way.setdefault(kind, []).append((human, who, key))
        return self._event(human, name, now, who, **{f"{kind}_id": key})

    def _end(self, name: str, now: int) -> Iterator[Event]:
        """End something that began not long ago; some orders name no cart."""
        draw = self._draw
        kind = "cart" if name == "order_completed" else name.partition("_")[0]
        under_way = self._under_way.get(kind)
        if not under_way:
            return
        human, who, key = draw.choice(under_way[-4:])
        named = {} if kind == "cart" and draw.random() < 0.2 else {f"{kind}_id": key}
        if draw.random() < 0.6:
            yield self._event(human, name, now, who, **named)
        else:  # on another device, which only then turns out to be theirs
            device = who.get("anon") or self._anon(human)
            other = {"user": f"u{human}"} if "anon" in who else {"anon": device}
            yield self._event(human, name, now, other, **named)
            yield self._event(human, "identify", now, {"user": f"u{human}", "anon": device})

    def _tour(self, human: int, now: int) -> Iterator[Event]:
        """Both steps of a tour, in any order, the second one sometimes too late."""
        draw, who = self._draw, self._who(human)
        leaf = next(iter(who.values()))
        self._tours[leaf] = self._tours.get(leaf, 0) + 1
        if self._tours[leaf] > TOURS:
            return
        tour, began = f"tour{next(self._ids)}", now - draw.choice((MINUTE, HOUR, 3 * HOUR))
        steps = [
            self._event(human, "tour_started", began, who, tour_id=tour),
            self._event(human, "tour_done", now, who, tour_id=tour),
        ]
        yield from steps if draw.random() < 0.7 else reversed(steps)

    def _event(self, human: int, name: str, now: int, who: Who | None = None, **rest: Any) -> Event:
        """Let a human be seen under one of their leaves; some events come late."""
        time = now - self._draw.choice(LATE)
        n = f"m{next(self._ids)}"
        who = who or self._who(human)
        return an_event(name, message_id=n, time=time, **who, **rest)  # type: ignore[arg-type]

    def _who(self, human: int) -> Who:
        device = {"anon": self._anon(human)}
        return device if self._draw.random() < 0.6 else {"user": f"u{human}"}

    def _anon(self, human: int) -> str:
        return f"d{human}{self._draw.choice('ab')}"


class Life:
    """What is left of a partition's life: its log, and what was sent, each once by its instant."""

    def __init__(self, log: MemoryLog, shelf: Shelf, crashes: int) -> None:
        entries = log.read(0, -1, 1 << 30, 0)
        self.log = [Written(e.time, record.decode(e.payload)) for e in entries]
        made = [a for entry in shelf.activations for a in activation.decode(entry)]
        distinct = {(a.id, a.decided): a for a in made}.values()
        self.sent = [told(a.trigger, a.leaf, a.event, a.decided) for a in distinct]
        self.remade = len(made) - len(self.sent)  # by engines that read again after a crash
        self.crashes = crashes

    def judged(self) -> Waits:
        waits = Waits()
        waits.walk(self.log, self.sent)
        return waits


@cache
def lived(seed: int, *, narrow: bool = False) -> Life:
    """Let a history happen around an engine that dies, lags, and whose clock is off."""
    draw = Random(seed)
    clock = Clock(at("9:00") if seed % 3 else at("15:00", day=26))  # the clocks change on day 27
    log = MemoryLog(clock)
    shelf, people = Shelf(), People(Random(f"{seed}/people"))
    bounds = NARROW if narrow else DEFAULT
    partition = Partition(log, lambda: MemoryStore(shelf), draw, clock, bounds=bounds)
    partition.adopt(FILES)
    for _ in range(160):
        gap = draw.choice(GAPS)
        if draw.random() < 0.6:
            partition.wait_until(clock.now + gap)
        else:
            clock.now += gap  # nobody watches meanwhile
        log.append(0, record.encode(people.do(clock.now)))
        if draw.random() < 0.12:
            for reach in draw.choice(STRAY):
                log.append(0, record.encode([Tick(clock.now + reach)]))
        if draw.random() < 0.06:
            log.append(0, record.encode([people.word(clock.now)]))
        if draw.random() < 0.12:
            just_in_time(partition, draw)
        if draw.random() < 0.06:
            partition.skew = draw.choice(SKEWS)
        for _ in range(draw.choice((0, 1, 2, 5))):
            partition.turn()
    partition.rest()
    return Life(log, shelf, partition.crashes)


def just_in_time(partition: Partition, draw: Random) -> None:
    """Let a tick come at the very instant at which somebody is due, or a millisecond before."""
    dues = partition.engine.state.dues
    instant = dues.next() - draw.choice((0, 1))
    if partition.clock.now < instant < dues.horizon - 1:
        partition.clock.now = instant - 1
        partition.log.append(0, record.encode([Tick(instant)]))


def kinds_of(waits: Waits) -> set[str]:
    return {wait.trigger for wait, _ in waits.fired} | set(waits.edges)


@pytest.mark.parametrize("seed", [0, 1, 2, 5])
def test_i9_every_timer_fires_once_and_in_time_however_often_the_engine_dies(seed: int) -> None:
    life = lived(seed)
    waits = life.judged()
    assert not waits.wrong, "\n".join(waits.wrong[:5])
    assert kinds_of(waits) == set(KEYS) | EDGES, "a life without some timers proves less"
    assert life.crashes > 20
    assert life.remade > 0, "what was sent is made again, and is the same"
    assert waits.ended
    assert waits.idle > 20, "ticks came before anybody was due"


@pytest.mark.parametrize("seed", range(100, 102))
def test_i9_a_storm_of_timers_is_several_ticks_and_none_is_lost(seed: int) -> None:
    life = lived(seed, narrow=True)
    waits = life.judged()
    assert not waits.wrong, "\n".join(waits.wrong[:5])
    assert life.crashes > 20
    assert max(Counter(now for _, now in waits.fired).values()) >= NARROW.fired


def test_i9_a_tick_with_little_room_serves_the_same_people_when_it_is_read_again() -> None:
    shop = Shop(FILES, bounds=Bounds(fired=1))
    for user in ("ana", "bob"):
        shop.now += 1
        shop.do("trial_started", user=user, trial_id=user)
    shop.engine.drain()
    mark = shop.shelf.mark
    shop.now += 31 * MINUTE
    shop.engine.pump()
    shop.engine.process(shop.engine.read())
    shop.engine.drain()
    used = an_event("trial_used", user="bob", message_id="m", time=shop.now, trial_id="bob")
    shop.log.append(0, record.encode([used]))
    shop.shelf.mark = mark  # a crash after ana was written, before the offset was
    shop.open()
    shop.engine.process(shop.engine.read())
    assert [a.leaf for a in shop.sent] == ["user_id:ana"]


def without(life: Life, wait: Wait, now: int) -> list[Fired]:
    return [one for one in life.sent if one != Fired(wait.trigger, wait.key, now)]


def lost(life: Life, waits: Waits) -> list[Fired]:
    return without(life, *waits.fired[len(waits.fired) // 2])


def once_more(life: Life, waits: Waits) -> list[Fired]:
    wait, _ = waits.fired[0]
    return [*life.sent, Fired(wait.trigger, wait.key, life.log[-1].time)]


def too_early(life: Life, waits: Waits) -> list[Fired]:
    """Fire at the last entry before it was due."""
    wait, now = max(
        (fired for fired in waits.fired if fired[0].trigger == "trial"), key=lambda f: f[0].due
    )
    before = max(entry.time for entry in life.log if entry.time < wait.due)
    return [*without(life, wait, now), Fired(wait.trigger, wait.key, before)]


def by_another_clock(life: Life, waits: Waits) -> list[Fired]:
    wait, now = waits.fired[0]
    return [*without(life, wait, now), Fired(wait.trigger, wait.key, now + 10 * MINUTE)]


def past_its_end(life: Life, waits: Waits) -> list[Fired]:
    wait, _ = waits.ended[0]
    return [*life.sent, Fired(wait.trigger, wait.key, life.log[-1].time)]


@pytest.mark.parametrize("change", [lost, once_more, too_early, by_another_clock, past_its_end])
def test_the_check_bites(change: Callable[[Life, Waits], list[Fired]]) -> None:
    life = lived(1)
    honest = life.judged()
    assert not honest.wrong
    again = Waits()
    again.walk(life.log, change(life, honest))
    assert again.wrong
