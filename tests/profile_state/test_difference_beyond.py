"""A split that has let go of values: what is read back is what memory has."""

import pytest

from profile_state import cells, difference
from profile_state.stored import unpack
from tests.shop import SECOND, Shop

LEFT = """
trigger: left
when: {absence: {after: seen, of: bought, for: 5m}}
key: colour
do: [{send: {channels: [webhook]}}]
deliver: {purpose: product}
"""


def test_newest_instants_of_a_split_that_lets_go_of_values(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cells, "MOST", 5)  # 10,000 in truth
    monkeypatch.setattr(difference, "MOST", 5)
    shop = Shop({"triggers/left.yaml": LEFT})
    for colour in "abcde":
        shop.now += SECOND
        shop.do("bought", user="ana", colour=colour)
    shop.wait(10 * SECOND)
    shop.do("bought", user="ana", colour="a")  # seen first, and newest as well
    shop.wait(4 * SECOND)
    shop.compare = lambda: None  # type: ignore[method-assign]
    shop.do("bought", user="ana", colour="f")  # memory lets go of "a", the ledger of "b"
    shop.wait(4 * SECOND)
    ana = shop.person("user_id:ana")
    workspace = shop.engine.state.workspace
    assert workspace is not None
    stored = unpack(shop.shelf.people[ana.id], workspace.slots)
    assert stored.leaves["user_id:ana"].cells == ana.leaves["user_id:ana"].cells
