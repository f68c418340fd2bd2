"""An engine vouches for its ledger's withdrawals when it has read what the ledger may have lost."""

from events import record
from tests.shop import Shop, an_event


def test_an_engine_vouches_once_it_has_read_to_where_the_log_ended() -> None:
    shop = Shop()
    shop.shelf.vouched = False
    for n in range(2):
        event = an_event("seen", user="ana", message_id=f"m{n}", time=shop.now)
        shop.log.append(0, record.encode([event]))
    shop.open()
    shop.engine.pump()
    assert not shop.shelf.vouched
    first, second = shop.engine.read()
    shop.engine.process([first])
    shop.engine.pump()
    assert not shop.shelf.vouched
    shop.log.append(0, record.encode([an_event("seen", user="bob", message_id="m", time=shop.now)]))
    shop.engine.process([second])
    shop.engine.pump()
    assert shop.shelf.vouched, "what came after the takeover, the ledger cannot have lost before it"
