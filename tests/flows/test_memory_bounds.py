"""What stands beside people in memory is bounded as well (H3, DESIGN 6)."""

from flows.bounds import MB, Bounds
from tests.shop import Shop

ACTIVE = """
segment: active
if: count(seen, last 30d) >= 1
"""


def test_instants_that_passed_over_do_not_pile_up() -> None:
    """Each event moves when the segment is left; what it was before must not stay for 30 days."""
    shop = Shop({"segments/active.yaml": ACTIVE})
    shop.do("seen", user="quiet")  # due first
    for _ in range(2_000):
        shop.now += 10
        shop.do("seen", user="ana")
    dues = shop.engine.state.dues
    assert len(dues) == 2
    assert len(dues._heap) < 200


def test_identifiers_that_join_nobody_leave_memory() -> None:
    workspace = "workspace: test\ntimezone: Europe/Berlin\nidentity: {email: {merge: false}}\n"
    shop = Shop({}, workspace=workspace, bounds=Bounds(people=MB, stride=4096))
    for n in range(500):
        shop.now += 10
        shop.do("seen", user="ana", email=f"alias{n}@shop.example")
    for _ in range(200):
        shop.now += 100
        shop.engine.pump()
    assert len(shop.engine.state.index) < 100
