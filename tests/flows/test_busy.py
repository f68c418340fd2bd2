"""What one hot person, or a change for everybody, may cost the others."""

from events import record
from events.record import Event, Sweep
from flows.bounds import DEFAULT
from flows.engine import SWEEP_EVERY_S
from profile_state.identity import place_of
from profile_state.stored import pack
from profile_state.stores.base import Chunk
from profile_state.stores.memory import MemoryStore
from profile_state.write_behind import PERIOD_S
from tests.shop import SECOND, Shop, an_event

WARM = "segment: warm\nif: ['count(product_viewed, last 7d) >= {}', 'sum(product_viewed.price, last 1h) >= 0']\n"
UNDECIDED = """
trigger: undecided
when: {sequence: [product_viewed, pricing_viewed, product_viewed same product_id], within: 10m}
if: ['distinct(product_viewed.product_id, last 10m) <= 2']
reentry: cooldown 1d
do: [{send: {channels: [webhook]}}]
deliver: {purpose: product}
"""


class Counting(MemoryStore):
    """A ledger that notes how often each person is written."""

    def write(self, chunk: Chunk) -> None:
        for person, _ in (*chunk.people, *chunk.added):
            self.writes[person] = self.writes.get(person, 0) + 1
        super().write(chunk)

    def __init__(self, shop: Shop) -> None:
        super().__init__(shop.shelf)
        self.writes: dict[str, int] = {}


def test_b8_one_hot_id_is_written_seldom_stays_bounded_and_is_named() -> None:
    shop = Shop({"segments/warm.yaml": WARM.format(3), "triggers/undecided.yaml": UNDECIDED})
    store = Counting(shop)
    shop.engine._store = store
    shop.engine.recover()
    seconds, sizes = 24, []
    for second in range(seconds):
        for part in range(10):
            shop.now += SECOND // 10
            events: list[Event] = [
                an_event(
                    "product_viewed",
                    user="robot",
                    time=shop.now,
                    message_id=f"r{second}-{part}-{n}",
                    product_id=f"p{n}",
                    price=n,
                )
                for n in range(100)
            ]
            events += [
                an_event(
                    "page_viewed", user=f"u{n}", time=shop.now, message_id=f"u{second}-{part}-{n}"
                )
                for n in range(part, 100, 10)
            ]
            shop.say(events)
        sizes.append(len(pack(shop.person("user_id:robot"))))
    robot = shop.person("user_id:robot").id
    assert store.writes[robot] <= seconds / PERIOD_S + 2, "however many of its events came"
    assert (shop.engine.hot.busiest, shop.engine.hot.share > 0.9) == (robot, True)
    assert sizes[-1] == sizes[-5], "what is kept has a bound, and 24,000 events are beyond it"


def test_c6_a_change_for_everybody_takes_its_turn_behind_events() -> None:
    shop = Shop({"segments/warm.yaml": WARM.format(3)})
    shop.say(
        [an_event("page_viewed", user=f"u{n}", time=shop.now, message_id="m") for n in range(3000)]
    )
    shop.engine.drain()
    last = shop.log.last(0)
    shop.engine.adopt({**shop.files, "segments/warm.yaml": WARM.format(2)})
    busy_s = 1
    for n in range(busy_s * 200):  # one batch each 5 ms, and no pause between two
        shop.now += 5
        event = an_event("page_viewed", user=f"u{n}", time=shop.now, message_id=f"busy{n}")
        shop.log.append(0, record.encode([event]))
        shop.engine.process(shop.engine.read())
        shop.engine.keep_up()
    records = [r for e in shop.log.read(0, last, 10_000, 0) for r in record.decode(e.payload)]
    sweeps = [r for r in records if isinstance(r, Sweep)]
    assert 0.7 * busy_s / SWEEP_EVERY_S <= len(sweeps) <= busy_s / SWEEP_EVERY_S + 1
    for sweep in sweeps:
        swept = [p for p in shop.engine.state.people if sweep.first <= place_of(p) <= sweep.last]
        assert len(swept) <= 1.6 * DEFAULT.swept
    shop.run()
    assert shop.engine.state.sweep is None, "the rest follows at once when nothing waits"
