"""What do models cost: a score that is read, a version that comes into force, and learning?

    python -m benchmarks.models --events 100000

In one process, over a log in memory; the ledger is in memory as well, but for the switch. Scores: the engine's own CPU for an event with the
50 triggers of the load, beside the same with one trigger more that asks a score on every event, after
a cheap condition and as its only one; in turn. Readings: each score by itself. Switch: batches of 50 events while a new version comes
into force for everybody, beside the same batches without, and while what goes with 20,000 items comes,
100 of them behind each batch. Learning: events a second of the learner, with two models and with all.
"""

import argparse
import gc
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from itertools import islice
from pathlib import Path

from benchmarks import marketing
from benchmarks.encoded import entries, packed
from benchmarks.workload import Call, Shop, sent_at_rate
from channels.base import addresses
from events import record
from events.record import Learned, Related
from events.sources.base import Entry
from events.sources.memory import MemoryLog
from flows.engine import Engine
from flows.learner import Learner
from flows.live import rest_cycle_collection
from flows.poison import decoded
from kairos.embedded import servers
from kairos.embedded.children import end
from models.base import MADE_FOR
from profile_state.person import Learnt
from profile_state.stores.base import Store
from profile_state.stores.memory import MemoryStore, Shelf
from profile_state.stores.redis import RedisStore
from triggers.modelled import score_of
from triggers.state import MODEL

ROUNDS = 5
TURN = 5  # entries that an engine reads before the next one does
SMALL = 50  # events in a batch, as the latency benchmark sends them
SWITCHES = 6
LTV_AND_RFM = "models: {ltv: {value: value}, rfm: {value: value}}\nbands: {ltv: {high: top 20%}}\n"
EVENTS = (
    "product_viewed, page_viewed, cart_updated, search_performed, email_opened, order_completed"
)
CDNOW = {"r": 0.243, "alpha": 4.414, "a": 0.793, "b": 2.426, "p": 6.25, "q": 3.744, "v": 15.444}
CDNOW |= {"within": 365.0}  # of the load itself there is no such fit: all of it is of one day
TWO = {"workspace.yaml": marketing.WORKSPACE + LTV_AND_RFM}
LEARNT = {"ltv, rfm": TWO, "all models": marketing.with_models()}
PEOPLE = 2_000  # whose scores are read by themselves
RELATED, BESIDE = 100, 20  # items in an entry, and others that go with each
ASKED = {
    "never": "",
    "after a cheap condition": "[event.value >= 450, ltv is high, rfm.stage = champion]",
    "on every event": "[ltv >= 1000000]",
}


def workspace(condition: str) -> dict[str, str]:
    """Return the load's workspace, with one trigger that asks a score on every event."""
    files = marketing.files()
    files["workspace.yaml"] += LTV_AND_RFM
    if condition:
        files["triggers/asking.yaml"] = (
            f"trigger: asking\nwhen: {{event: [{EVENTS}]}}\nif: {condition}\n"
            "reentry: always\ndo: [{send: {channels: [webhook]}}]\ndeliver: {purpose: product}\n"
        )
    return files


class Bench:
    """An engine over memory, on a clock that follows the load."""

    def __init__(
        self, files: Mapping[str, str], payloads: list[bytes], start_ms: int, store: Store
    ) -> None:
        self.now = start_ms
        self.log = MemoryLog(clock=lambda: self.now)
        self._ahead = iter(payloads)
        self.engine = Engine(
            self.log,
            store,
            addresses(),
            clock=lambda: self.now,
            monotonic=lambda: self.now / 1000,
        )
        self.engine.recover()
        self.engine.adopt(dict(files))
        self.read()

    def read(self) -> float:
        """Let the engine read all there is, under load; returns what it took of CPU, s."""
        began = time.thread_time()
        while found := self.engine.read():
            self.engine.process(found)
            self.engine.pump(busy=True)
        return time.thread_time() - began

    def say(self, count: int) -> float:
        """Append so many entries of the load, and let them be read; returns s of CPU."""
        return sum(self.each(count))

    def each(self, count: int) -> list[float]:
        """Do the same; returns what each entry took, with what the engine does beside it."""
        took = []
        for payload in islice(self._ahead, count):
            self.now += 20
            self.log.append(0, payload)
            took.append(self.read())
        return took

    def relate(self, nth: int) -> None:
        """Put into the log what goes with a hundred items."""
        first = nth % 200 * RELATED
        others = tuple((f"sku-{first + n}", 900 - n) for n in range(BESIDE))
        related = [Related.of(f"sku-{n}", others) for n in range(first, first + RELATED)]
        self.log.append(0, record.encode(related))

    def publish(self, version: Mapping[str, Mapping[str, float]]) -> None:
        """Put versions into the log; they come into force with the next entry that is read."""
        assert self.engine.state.workspace is not None
        seen = self.engine.state.workspace.seen
        news = [
            Learned(MODEL + name, {**values, MADE_FOR: seen[name].mark})
            for name, values in version.items()
        ]
        self.log.append(0, record.encode(news))


def versions(payloads: list[bytes], start_ms: int) -> tuple[dict[str, Mapping[str, float]], float]:
    """Learn from the load; returns the versions, and how many seconds of CPU reading it took."""
    learner, took = learning(payloads, start_ms, TWO)
    learner.state.now = start_ms + 20 * len(payloads)
    learner.look()
    return {**learner.owed, "ltv": CDNOW}, took


def learning(
    payloads: list[bytes], start_ms: int, files: Mapping[str, str]
) -> tuple[Learner, float]:
    """Let a learner read the load; returns it, and how many seconds of CPU that took."""
    learner = Learner(files, addresses(), 2**62)
    began = time.thread_time()
    for nth, payload in enumerate(payloads):
        learner.take(decoded(Entry(nth, start_ms + 20 * nth, payload)))
    return learner, time.thread_time() - began


def scores(payloads: list[bytes], start_ms: int, events: int) -> dict[str, list[float]]:
    """Return us of CPU an event, by when a score is asked, of each round.

    The engines read the same entries in turn, a few at a time: what else the machine does hits all.
    """
    version, _ = versions(payloads, start_ms)
    found: dict[str, list[float]] = {name: [] for name in ASKED}
    half = len(payloads) // 2
    for _ in range(ROUNDS):
        benches = {
            name: Bench(workspace(condition), payloads, start_ms, MemoryStore(Shelf()))
            for name, condition in ASKED.items()
        }
        for bench in benches.values():
            bench.say(half)  # people, orders, and what is warm
            bench.publish(version)
        rest_cycle_collection()
        took = dict.fromkeys(ASKED, 0.0)
        for _ in range(half, len(payloads), TURN):
            for name, bench in benches.items():
                took[name] += bench.say(TURN)
        for name, seconds in took.items():
            found[name].append(seconds / (events - events * half // len(payloads)) * 1e6)
        gc.unfreeze()
    return found


def readings(payloads: list[bytes], start_ms: int) -> Iterator[tuple[str, float]]:
    """Yield us of CPU of a score's reading by itself, half of `ROUNDS` over some people."""
    learner, _ = learning(payloads, start_ms, marketing.with_models())
    learner.state.now = now = start_ms + 20 * len(payloads)
    learner.look()
    for one in learner.news():
        if isinstance(one, Related):
            learner.state.catalog.relate(one, learner.state.offset)
    versions = {**learner.owed, "ltv": {**CDNOW, MADE_FOR: learner.workspace.seen["ltv"].mark}}
    learnt, people = Learnt({}, versions), list(islice(learner.state.people.values(), PEOPLE))
    for score, model in learner.workspace.scored.items():
        if model.key in versions:
            took = []
            for _ in range(ROUNDS):
                began = time.thread_time()
                for person in people:
                    score_of(learner.workspace, person, learnt, score, now)
                took.append((time.thread_time() - began) / len(people) * 1e6)
            yield score, statistics.median(took)


def switch(payloads: list[bytes], small: list[bytes], start_ms: int) -> Iterator[tuple[str, float]]:
    """Yield ms of CPU of the slowest and of half of all small batches, around new versions."""
    version, _ = versions(payloads, start_ms)
    files = workspace(ASKED["after a cheap condition"])
    with _ledger() as store:
        bench = Bench(files, [*payloads, *small], start_ms, store)
        bench.say(len(payloads))
        bench.publish(version)
        bench.say(len(small) // 5)
        rest_cycle_collection()
        yield "people in memory", float(len(bench.engine.state.people))
        moved = {"ltv": {**version["ltv"], "v": 1.01 * version["ltv"]["v"]}}
        every = len(small) // (5 * SWITCHES)
        for name in ("alone", "new versions", "what goes with items"):
            took = []
            for nth in range(SWITCHES):
                if name == "new versions":
                    bench.publish((moved, version)[nth % 2])
                for batch in range(every):
                    if name == "what goes with items":
                        bench.relate(nth * every + batch)
                    took += [1000 * s for s in bench.each(1)]
            yield f"{name}: ms of half of all batches", statistics.median(took)
            yield f"{name}: ms of 99 % of them", sorted(took)[int(0.99 * len(took))]
            yield f"{name}: ms of the slowest", max(took)
        gc.unfreeze()


@contextmanager
def _ledger() -> Iterator[RedisStore]:
    """Run a ledger's server."""
    with tempfile.TemporaryDirectory(prefix="kairos-bench-") as folder:
        socket = Path(folder) / "l.sock"
        server = servers.start(servers.LEDGER, Path(folder) / "data", socket)
        try:
            servers.wait_for("ledger", server, socket, Path(folder) / "data")
            with closing(RedisStore(f"unix://{socket}")) as store:
                yield store
        finally:
            end(server)


def main(arguments: list[str]) -> int:
    """Run all of it, and print what came of it."""
    parser = argparse.ArgumentParser(prog="benchmarks.models", description=__doc__)
    parser.add_argument("--events", type=int, default=100_000)
    events = parser.parse_args(arguments).events
    start_us = time.time_ns() // 1000
    payloads = list(entries(Shop(1).calls(events), start_us, 25_000))
    for name, files in LEARNT.items():
        _, took = learning(payloads, start_us // 1000, files)
        us = took / events * 1e6
        print(
            f"learner      {name}: {events / took:,.0f} events/s of one core ({us:.1f} us an event)"
        )
    found = scores(payloads, start_us // 1000, events)
    for name, each in found.items():
        least, most = min(each), max(each)
        more = statistics.median(a - b for a, b in zip(each, found["never"], strict=True))
        print(
            f"asked {name:<24} {statistics.median(each):6.2f} us an event ({least:.2f} to "
            f"{most:.2f}), {more:+.2f} beside never"
        )
    for score, us in readings(payloads, start_us // 1000):
        print(f"reading      {score}: {us:.1f} us")
    small = list(_packed(Shop(2).calls(events), start_us + 4 * events))
    for name, figure in switch(payloads, small, start_us // 1000):
        print(f"switch       {name}: {figure:,.2f}")
    return 0


def _packed(calls: list[Call], start_us: int) -> Iterator[bytes]:
    """Pack calls as entries of small batches."""
    sent = sent_at_rate(calls, start_us, 2_500)
    while few := list(islice(sent, SMALL)):
        yield packed(few)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
