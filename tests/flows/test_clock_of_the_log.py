"""The core's clock follows from the log alone, whoever reads it from where (DESIGN 1, I1)."""

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from confluent_kafka import Producer

from events import record
from events.sources.kafka import KafkaLog
from flows.engine import Engine
from profile_state.stores.memory import MemoryStore, Shelf
from tests.flows.test_crashes import people_of
from tests.shop import ADDRESSES, an_event, at

NOW = at("10:00")


@contextmanager
def engine(url: str, shelf: Shelf) -> Iterator[Engine]:
    log = KafkaLog(url, 4)
    made = Engine(
        log, MemoryStore(shelf), ADDRESSES, clock=lambda: NOW - 1, monotonic=lambda: NOW / 1000
    )
    made.recover()
    yield made
    log.close()


def read(engine: Engine, upto: int) -> None:
    while engine.position < upto:
        engine.process(engine.read()[: upto - engine.position])


def test_time_does_not_go_back_where_an_engine_begins_in_the_middle(kafka_url: str) -> None:
    """As after a crash: the clock of the broker that leads now is behind the one before."""
    parts = urlsplit(kafka_url)
    producer = Producer({"bootstrap.servers": parts.netloc})
    for n, time in enumerate((NOW + 60_000, NOW, NOW + 5)):
        event = an_event("seen", user="ana", message_id=f"m{n}", time=NOW)
        producer.produce(parts.path[1:], record.encode([event]), partition=0, timestamp=time)
    producer.flush(10)

    through, crashed = Shelf(), Shelf()
    with engine(kafka_url, through) as one:
        read(one, 2)
        one.drain()
    with engine(kafka_url, crashed) as one:
        read(one, 0)
        one.drain()
        read(one, 1)
    with engine(kafka_url, crashed) as one:
        assert (one.position, one.state.now) == (0, NOW + 60_000)
        read(one, 2)
        one.drain()
    assert [c.time for row in through.seen for c in row] == [NOW + 60_000] * 3
    assert {c.time for row in crashed.seen for c in row} == {NOW + 60_000}
    assert people_of(crashed) == people_of(through)
