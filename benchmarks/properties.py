"""What the load is made of, measured: on its bytes, and on what the real engine makes of it."""

import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

import msgspec
import orjson

from benchmarks import encoded, marketing
from benchmarks.workload import Call, Shop
from events.names import slug
from events.sources.memory import MemoryLog
from flows.engine import Engine
from kairos.discovery import found_in
from profile_state.stores.memory import MemoryStore, Shelf
from triggers import activation
from triggers.load import load

START_MS = 1_795_600_800_000  # 2026-11-25 10:00 UTC; the engine's clock is simulated here
RATE = 25_000.0  # events a second, on that clock
LONGEST_WAIT_MS = 31 * 60_000  # after which every absence's time is up
LATE_MS = 3_600_000


class Properties(msgspec.Struct, frozen=True):
    """Of one sample. Shares are of all calls, 0 to 1."""

    events: int
    mean_bytes: float
    names: dict[str, float]  # share by name, of the calls that have one
    copies: float
    identifies: float
    merges: float
    late: float
    people: int  # distinct, after merges
    top_person: float  # share of the events of whoever does most
    triggers: dict[str, int]  # by form
    entered_by: dict[str, int]  # frequent name -> triggers that it may enter
    at_once: float  # activations for each event, decided with the event
    later: float  # the same, when an absence's time was up

    @property
    def firing(self) -> float:
        """Activations for each event."""
        return self.at_once + self.later


def measured(seed: int, events: int) -> Properties:
    """Make a sample and measure it; 50,000 events take a few seconds."""
    calls = Shop(seed).calls(events)
    fresh = [call for call in calls if call.copy_of < 0]
    said = [orjson.loads(call.body) for call in fresh]
    names = Counter(slug(one["event"]) for one in said if "event" in one)
    identifies = [one for one in said if one["type"] == "identify"]
    who = Counter(_person(one) for one in said)
    at_once, later = fired(calls)
    return Properties(
        events=events,
        mean_bytes=sum(len(call.body) for call in calls) / events,
        names={name: n / names.total() for name, n in names.most_common()},
        copies=(events - len(fresh)) / events,
        identifies=len(identifies) / events,
        merges=sum("anonymousId" in one for one in identifies) / events,
        late=sum(call.age >= LATE_MS for call in fresh) / events,
        people=len(who),
        top_person=who.most_common(1)[0][1] / len(said),
        triggers=forms(marketing.files()),
        entered_by=entered_by(marketing.files()),
        at_once=at_once / events,
        later=later / events,
    )


def _person(said: Mapping[str, Any]) -> str:
    return str(said.get("userId") or said["anonymousId"])[2:]


def forms(files: Mapping[str, str]) -> dict[str, int]:
    """Count triggers by form.

    >>> forms({"triggers/a.yaml": "when: {sequence: [a, b], within: 1d}"})
    {'sequence': 1}
    """
    counted: Counter[str] = Counter()
    for path, text in files.items():
        if not path.startswith("triggers/"):
            continue
        if "sequence:" in text:
            counted["sequence"] += 1
        elif "then_no:" in text:
            counted["absence"] += 1
        elif re.search(r"\b(count|sum|distinct|never|since)\(", text):
            counted["window"] += 1
        else:
            counted["plain"] += 1
    return dict(counted)


def entered_by(files: Mapping[str, str]) -> dict[str, int]:
    """Count for each frequent name the triggers that such an event may enter."""
    triggers = load(files, addresses()).triggers
    return {name: sum(name in t.events for t in triggers) for name in marketing.FREQUENT}


def addresses() -> dict[str, str | None]:
    """Return channel -> kind of address, as the engine asks for it."""
    return {name: channel.ADDRESS for name, channel in found_in("channels").items()}


def fired(calls: list[Call]) -> tuple[int, int]:
    """Let the real engine decide over a log and a ledger in memory, on a simulated clock.

    Returns:
        How many activations were decided at once, and how many when an absence's time was up.
    """
    now = START_MS
    log, shelf = MemoryLog(clock=lambda: now), Shelf()
    engine = Engine(
        log, MemoryStore(shelf), addresses(), clock=lambda: now, monotonic=lambda: now / 1000
    )
    engine.recover()
    engine.adopt(marketing.files())
    for nth, payload in enumerate(encoded.entries(calls, START_MS * 1000, RATE), 1):
        now = START_MS + int(nth * encoded.ENTRY / RATE * 1000)
        log.append(0, payload)
        _run(engine)
    until = now + LONGEST_WAIT_MS
    while now < until:
        _run(engine)
        now = min(until, max(engine.state.dues.next(), now + 100))
    _run(engine)
    decided = [a for entry in shelf.activations for a in activation.decode(entry)]
    later = sum(a.trigger in marketing.ABSENCES for a in decided)
    return len(decided) - later, later


def _run(engine: Engine) -> None:
    while entries := engine.read():
        engine.process(entries)
        engine.pump()
    engine.pump()


def described(found: Properties) -> str:
    """Write the properties for people."""
    shares = ", ".join(f"{name} {share:.1%}" for name, share in found.names.items())
    return "\n".join(
        (
            f"events        {found.events}, {found.mean_bytes:.0f} bytes of JSON on average",
            f"names         {len(found.names)}: {shares}",
            f"copies        {found.copies:.2%}",
            f"identifies    {found.identifies:.2%}, of which {found.merges:.2%} merge",
            f"late          {found.late:.2%}",
            f"people        {found.people}; the busiest makes {found.top_person:.1%} of the events",
            "triggers      " + ", ".join(f"{n} {form}" for form, n in found.triggers.items()),
            "may enter     " + ", ".join(f"{name} {n}" for name, n in found.entered_by.items()),
            f"activations   {found.firing:.2%} of the events: {found.at_once:.2%} at once, "
            f"{found.later:.2%} when an absence's time is up",
        )
    )
