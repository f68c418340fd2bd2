"""A reader does not wait for the pause between two generations."""

import threading
import time
from pathlib import Path

from flows import asked
from profile_state.stores.redis import RedisStore
from profile_state.write_behind import PERIOD_S
from tests.shop import SECOND, Shop

SEEN = "segment: seen\nif: count(product_viewed) >= 2\n"


def test_what_a_reader_asks_for_is_written_without_a_pause() -> None:
    shop = Shop({"segments/seen.yaml": SEEN})
    shop.wait(10 * SECOND)
    shop.do("product_viewed", user="ana")
    shop.do("product_viewed", user="ana")  # into the generation after that of the first one
    newest = shop.log.last(0)
    for _ in range(5):
        shop.engine.pump()
    assert shop.shelf.mark.offset.entry < newest, "no time has passed"
    shop.engine.hurry(newest)
    for _ in range(5):
        shop.now += 50
        shop.engine.pump()
    assert shop.shelf.mark.offset.entry == newest
    assert shop.shelf.counts["segment:seen"] == 1
    shop.do("product_viewed", user="ben")
    for _ in range(5):
        shop.engine.pump()
    assert shop.shelf.mark.offset.entry == newest, "what comes later has its pause again"


def test_the_engine_hears_of_it_through_the_ledger(valkey: Path) -> None:
    heard: list[int] = []
    stop = threading.Event()
    url = f"unix://{valkey}"
    listening = threading.Thread(target=asked.listen, args=(url, 0, heard.append, stop))
    listening.start()
    reader = RedisStore(url)
    try:
        reader.ask(7)
        reader.ask(9)
        until = time.monotonic() + 10 * PERIOD_S
        while len(heard) < 2 and time.monotonic() < until:
            time.sleep(0.01)
    finally:
        stop.set()
        listening.join()
        reader.close()
    assert heard == [7, 9]
