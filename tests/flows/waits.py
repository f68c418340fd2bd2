"""What timers must do, told without our code: a log and what was sent in, what is wrong out.

One walk along the log. It knows the rules of `WORKSPACE` by heart, keeps every wait in a list,
and asks of each entry whether exactly that was sent which had to be. Where a tick has little
room it is not told who gets it: whoever fired was served, and then with all that was due.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from events.record import Event, Join, Record, Tick

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000  # ms
TRIAL, CART = 30 * MINUTE, 45 * MINUTE
TOUR = 2 * HOUR  # from its first step to its last
CAP = 2 * HOUR  # between two alarms of one person
WARM, LAPSED = 3 * HOUR, 4 * HOUR
HELD = ("alarm", "letter", "tour")  # whose sends wait for more than an instant of their own
BERLIN = ZoneInfo("Europe/Berlin")

_TRIGGERS = {
    "trial": """
when: {event: trial_started, then_no: trial_used, within: 30m}
key: trial_id
exit_when: [account_closed]
reentry: always
do: [{send: {channels: [webhook]}}]
deliver: {purpose: transactional}
""",
    "cart": """
when: {event: cart_updated, then_no: order_completed, within: 45m}
key: cart_id
while_active: restart
exit_when: [account_closed]
reentry: always
do: [{send: {channels: [webhook]}}]
deliver: {purpose: transactional}
""",
    "letter": """
when: {event: letter_asked}
key: letter_id
exit_when: [letter_declined, account_closed]
reentry: always
do: [{send: {channels: [webhook]}}]
deliver: {purpose: product}
""",
    "tour": """
when: {sequence: [tour_started, tour_done same tour_id], within: 2h}
key: tour_id
reentry: always
do: [{send: {channels: [webhook]}}]
deliver: {purpose: product}
""",
    "alarm": """
when: {event: alarm_raised}
key: alarm_id
exit_when: [alarm_ended, account_closed]
reentry: always
do: [{send: {channels: [log]}}]
deliver: {purpose: product, quiet_hours: off, caps: {log: 1 per 2h}, on_cap: delay}
""",
    "cooled": """
when: {segment: exited warm}
reentry: always
do: [{send: {channels: [webhook]}}]
deliver: {purpose: product, quiet_hours: off}
""",
    "lapsed": """
when: {segment: entered lapsed}
reentry: always
do: [{send: {channels: [webhook]}}]
deliver: {purpose: product, quiet_hours: off}
""",
}
FILES = {
    "workspace.yaml": """
workspace: timers
timezone: Europe/Berlin
purposes: {product: {default: allowed}, transactional: {default: allowed, caps: off, quiet_hours: off}}
quiet_hours: 21:00-08:00
""",
    "segments/warm.yaml": "segment: warm\nif: ['count(product_viewed, last 3h) >= 2']\n",
    "segments/lapsed.yaml": "segment: lapsed\nif: ['since(product_viewed) > 4h']\n",
    **{f"triggers/{name}.yaml": f"trigger: {name}{text}" for name, text in _TRIGGERS.items()},
}
KEYS = {
    "trial": "trial_id",
    "cart": "cart_id",
    "letter": "letter_id",
    "tour": "tour_id",
    "alarm": "alarm_id",
}
EDGES = {"cooled", "lapsed"}  # triggers of segments that time alone leaves or enters
ENDINGS = {
    "trial": ("trial_used", "account_closed"),
    "cart": ("order_completed", "account_closed"),
    "letter": ("letter_declined", "account_closed"),
    "tour": (),
    "alarm": ("alarm_ended", "account_closed"),
}


class Fired(NamedTuple):
    """Something that was sent."""

    trigger: str
    whose: str  # the run's key; the leaf of a segment's edge
    decided: int  # ms


class Written(NamedTuple):
    """An entry of the log."""

    time: int  # ms
    records: list[Record]


class Wait(NamedTuple):
    """Something that waits for its time."""

    trigger: str
    key: str
    leaf: str
    due: int  # ms; of a send that is held the earliest that one can tell
    time: int  # ms; of the event that it follows from
    message_id: str


class Leaf:
    """What one identifier's own events said, and what was sent because of them."""

    def __init__(self) -> None:
        self.seen = False
        self.views: list[int] = []
        self.ends: list[Event] = []  # all its events; some of them end something
        self.alarms: list[int] = []  # when they were sent


class Group:
    """One person: identifiers that are said to be one, and the segments that they were last in."""

    def __init__(self, leaves: dict[str, Leaf], before: Iterable["Group"] = ()) -> None:
        self.leaves = leaves
        own = {name for name, leaf in leaves.items() if leaf.seen}
        former = [old for old in before if own & old.leaves.keys()]
        self.warm: bool = any(old.warm for old in former)
        self.lapsed: bool = any(old.lapsed for old in former)

    def ended(self, trigger: str, key: str, time: int) -> bool:
        """Say whether an ending event happened at or after `time`."""
        return any(
            e.name in ENDINGS[trigger]
            and e.time >= time
            and e.properties.get(KEYS[trigger]) in (None, key)
            for leaf in self.leaves.values()
            for e in leaf.ends
        )

    def edges(self, now: int) -> list[str]:
        """Name the triggers that occur when segments are looked at now."""
        found = []
        if self.warm and not self._is_warm(now):
            found.append("cooled")
        if self._is_lapsed(now) and not self.lapsed:
            found.append("lapsed")
        return found

    def look(self, now: int) -> None:
        """Take the segments over as they are now."""
        self.warm, self.lapsed = self._is_warm(now), self._is_lapsed(now)

    def _views(self) -> list[int]:
        return [view for leaf in self.leaves.values() for view in leaf.views]

    def _is_warm(self, now: int) -> bool:
        return sum(view >= now - WARM for view in self._views()) >= 2

    def _is_lapsed(self, now: int) -> bool:
        return now - max(self._views(), default=now) > LAPSED

    @property
    def open(self) -> bool:
        """Whether time alone will still change a segment."""
        return self.warm or (bool(self._views()) and not self.lapsed)

    @property
    def free_at(self) -> int:
        """When the cap lets the next alarm through, ms."""
        sent = [alarm for leaf in self.leaves.values() for alarm in leaf.alarms]
        return max(sent, default=-CAP) + CAP


class People:
    """Who is one person: an identifier's word joins it with another until an operator parts them."""

    def __init__(self) -> None:
        self.leaves: dict[str, Leaf] = {}
        self._said: dict[frozenset[str], bool] = {}  # pair -> does it hold
        self._by_operator: set[frozenset[str]] = set()
        self._groups: dict[str, Group] = {}

    def of(self, leaf: str) -> Group:
        """Return whose leaf it is."""
        return self._groups[leaf]

    def __iter__(self) -> Iterator[Group]:
        yield from {id(group): group for group in self._groups.values()}.values()

    def name(self, ids: Iterable[str]) -> None:
        """Take note that these identifiers are there."""
        for one in ids:
            if one not in self.leaves:
                self.leaves[one] = Leaf()
                self._groups[one] = Group({one: self.leaves[one]})

    def tie(self, one: str, other: str, *, holds: bool = True, operator: bool = False) -> bool:
        """Join two identifiers, or part them. Returns whether people are others than before."""
        pair = frozenset((one, other))
        self.name(pair)
        if operator:
            self._by_operator.add(pair)
        elif pair in self._by_operator:
            return False
        before = self._said.get(pair, False)
        self._said[pair] = holds
        if before == holds:
            return False
        self._regroup({id(self.of(i)): self.of(i) for i in pair}.values())
        return True

    def _regroup(self, before: Collection[Group]) -> None:
        ahead = {name for group in before for name in group.leaves}
        while ahead:
            reached, new = set(), {min(ahead)}
            while new:
                reached |= new
                tied = {i for p, holds in self._said.items() if holds and p & new for i in p}
                new = tied - reached
            ahead -= reached
            group = Group({name: self.leaves[name] for name in reached}, before)
            self._groups |= dict.fromkeys(reached, group)


class Waits:
    """Every wait there is, and what is wrong with what was sent."""

    def __init__(self) -> None:
        self.wrong: list[str] = []
        self.fired: list[tuple[Wait, int]] = []  # each with its instant
        self.ended: list[tuple[Wait, int]] = []  # by a record
        self.edges: Counter[str] = Counter()  # of segments, that time alone made
        self.idle = 0  # ticks at which nobody was due
        self._waiting: dict[tuple[str, str], Wait] = {}
        self._people = People()
        self._seen: set[tuple[str, str]] = set()
        self._tours: dict[str, dict[str, Event]] = {}
        self._open: Counter[tuple[str, str]] = Counter()  # sent at the entry at hand, unexplained

    def walk(self, log: Iterable[Written], sent: Iterable[Fired]) -> None:
        """Judge a whole life, at whose end nobody is due."""
        by_instant: dict[int, Counter[tuple[str, str]]] = {}
        for one in sent:
            by_instant.setdefault(one.decided, Counter())[one.trigger, one.whose] += 1
        last = 0
        for entry in log:
            last = entry.time
            self._open = by_instant.pop(entry.time, Counter())
            for record in entry.records:
                match record:
                    case Event():
                        self._event(record, entry.time)
                    case Join():
                        self._join(record, entry.time)
                    case Tick():
                        self._tick(entry.time, record)
            for (trigger, whose), times in (+self._open).items():
                self.wrong += [self._no_reason(trigger, whose, entry.time)] * times
        for instant, rest in by_instant.items():
            self.wrong.append(f"{dict(rest)} at {instant}, at which nothing was appended")
        for wait in self._waiting.values():
            if not self._people.of(wait.leaf).ended(wait.trigger, wait.key, wait.time):
                self.wrong.append(f"{wait} was lost: nothing happens after {last}")
        for group in self._people:
            if group.open:
                self.wrong.append(f"the windows of {sorted(group.leaves)} never closed")

    def _no_reason(self, trigger: str, whose: str, now: int) -> str:
        wait = self._waiting.get((trigger, whose))
        why = f"it is due at {wait.due}" if wait is not None else "nothing waits for it"
        return f"{trigger} of {whose} fired at {now}, but {why}"

    # Records.

    def _event(self, e: Event, now: int) -> None:
        if (e.leaf, e.message_id) in self._seen:
            return
        self._seen.add((e.leaf, e.message_id))
        people = self._people
        people.name(e.ids)
        leaf = people.leaves[e.leaf]
        leaf.seen = True
        leaf.ends.append(e)
        if e.name == "product_viewed":
            leaf.views.append(e.time)
        joined = [people.tie(e.leaf, other) for other in e.ids[1:]]
        self._look(e.ids, now, must=any(joined) or e.name == "product_viewed")
        group = people.of(e.leaf)
        for wait in self._of(group):
            if e.name in ENDINGS[wait.trigger]:
                self._end(wait, group, now)
        match e.name:
            case "trial_started":
                self._absence("trial", e, group, TRIAL)
            case "cart_updated":
                self._absence("cart", e, group, CART)
            case "letter_asked":
                self._send("letter", e, now, now if quiet(now) else 0)
            case "tour_started" | "tour_done":
                self._step(e, now)
            case "alarm_raised":
                self._send("alarm", e, now, group.free_at if group.free_at > now else 0)

    def _join(self, said: Join, now: int) -> None:
        changed = self._people.tie(said.one, said.other, holds=not said.cut, operator=True)
        self._look((said.one, said.other), now, must=changed)

    def _of(self, group: Group) -> list[Wait]:
        return [wait for wait in self._waiting.values() if wait.leaf in group.leaves]

    def _end(self, wait: Wait, group: Group, now: int) -> bool:
        """End a wait if an event says so."""
        ended = group.ended(wait.trigger, wait.key, wait.time)
        if ended:
            del self._waiting[wait.trigger, wait.key]
            self.ended.append((wait, now))
        return ended

    def _absence(self, trigger: str, e: Event, group: Group, within: int) -> None:
        """Begin to wait, or begin anew."""
        key = e.properties[KEYS[trigger]]
        known = self._waiting.get((trigger, key))
        begins = not group.ended(trigger, key, e.time)
        if begins if known is None else (e.time, e.message_id) > (known.time, known.message_id):
            wait = Wait(trigger, key, e.leaf, e.time + within, e.time, e.message_id)
            self._waiting[trigger, key] = wait

    def _step(self, e: Event, now: int) -> None:
        steps = self._tours.setdefault(e.properties["tour_id"], {})
        steps[e.name] = e
        if len(steps) < 2:
            return
        first, last = steps["tour_started"], steps["tour_done"]
        in_order = (first.time, first.message_id) < (last.time, last.message_id)
        if in_order and last.time - first.time <= TOUR and last.time >= now - DAY:
            self._send("tour", last, now, now if quiet(now) else 0)

    def _send(self, trigger: str, e: Event, now: int, held: int) -> None:
        """Something is to be sent: now, or, where it is held, not before some instant."""
        key = e.properties[KEYS[trigger]]
        if held:
            self._waiting[trigger, key] = Wait(trigger, key, e.leaf, held, e.time, e.message_id)
        else:
            self._sent(trigger, key, e.leaf, now)

    def _sent(self, trigger: str, key: str, leaf: str, now: int) -> None:
        self._must(trigger, key, now)
        if trigger == "alarm":
            self._people.leaves[leaf].alarms.append(now)

    # Time.

    def _tick(self, now: int, tick: Tick) -> None:
        """Serve whom a tick reaches: everybody due before `tick.due`, and some of those due then."""
        due_at_all = 0
        for group in self._people:
            due = [wait for wait in self._of(group) if self._is_due(wait, group, now)]
            edges = group.edges(now)
            fired = any(self._open[wait.trigger, wait.key] for wait in due)
            fired |= any(self._whose(edge, group) is not None for edge in edges)
            due_at_all += bool(due or edges)
            own = [wait.due for wait in due if wait.trigger not in HELD]
            if fired or tick.due >= now or any(at < tick.due for at in own):
                self._serve(group, due, now)
        self.idle += not due_at_all

    def _is_due(self, wait: Wait, group: Group, now: int) -> bool:
        match wait.trigger:
            case "alarm":
                return now >= max(wait.due, group.free_at)
            case "letter" | "tour":
                return not quiet(now)
        return wait.due <= now

    def _serve(self, group: Group, due: list[Wait], now: int) -> None:
        """Whoever is served gets all that is due; of alarms the cap lets one through, whichever."""
        left = [wait for wait in due if not self._end(wait, group, now)]
        alarms = [wait for wait in left if wait.trigger == "alarm"]
        lucky = [wait for wait in alarms if self._open["alarm", wait.key]] or alarms
        for wait in (*(w for w in left if w.trigger != "alarm"), *lucky[:1]):
            del self._waiting[wait.trigger, wait.key]
            self.fired.append((wait, now))
            self._sent(wait.trigger, wait.key, wait.leaf, now)
        for wait in self._of(group):
            if wait.trigger == "alarm" and wait.due <= now:
                self._waiting["alarm", wait.key] = wait._replace(due=group.free_at)
        self._look_at(group, now, must=True)

    def _look(self, identifiers: Iterable[str], now: int, *, must: bool) -> None:
        """Look at the segments of all whom a record names, which the engine may do with any."""
        for group in {id(g): g for g in map(self._people.of, identifiers)}.values():
            self._look_at(group, now, must=must)

    def _look_at(self, group: Group, now: int, *, must: bool) -> None:
        edges = {edge: self._whose(edge, group) for edge in group.edges(now)}
        if not must and not any(edges.values()):
            return
        for edge, leaf in edges.items():
            self._must(edge, leaf or min(group.leaves), now)
            self.edges[edge] += 1
        group.look(now)

    def _whose(self, edge: str, group: Group) -> str | None:
        """Return the leaf under which an edge was told; None where it was not."""
        return next((leaf for leaf in sorted(group.leaves) if self._open[edge, leaf]), None)

    def _must(self, trigger: str, whose: str, now: int) -> None:
        if self._open[trigger, whose]:
            self._open[trigger, whose] -= 1
        else:
            self.wrong.append(f"{trigger} of {whose} did not fire at {now}")


def quiet(now: int) -> bool:
    """Say whether it is night.

    >>> quiet(0), quiet(12 * HOUR)
    (True, False)
    """
    hour = datetime.fromtimestamp(now / 1000, BERLIN).hour
    return hour >= 21 or hour < 8


def told(trigger: str, leaf: str, event: Mapping[str, object], decided: int) -> Fired:
    """Say what an activation is in these words.

    >>> told("cart", "user_id:u1", {"cart_id": "c1"}, 5)
    Fired(trigger='cart', whose='c1', decided=5)
    """
    key = KEYS.get(trigger)
    return Fired(trigger, leaf if key is None else str(event[key]), decided)
