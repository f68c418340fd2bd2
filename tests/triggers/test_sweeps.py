"""A new version of the workspace reaches everybody, without an event of theirs, and starts nothing."""

from importlib.metadata import version

import pytest

from events import record
from events.record import VERIFIED, Build, Join
from kairos import __version__
from tests.shop import MINUTE, SECOND, WORKSPACE, Shop, an_event

WARM = "segment: warm\nif:\n  - count(product_viewed, last 7d) >= {}\n"
WARMED = """
trigger: warmed
when: {segment: entered warm}
reentry: always
do: [{send: {channels: [webhook]}}]
deliver: {purpose: product, quiet_hours: off}
"""
FILES = {"segments/warm.yaml": WARM.format(4), "triggers/warmed.yaml": WARMED}


def viewed(shop: Shop, people: int) -> None:
    """The n-th of them looks at n products."""
    for n in range(people):
        for _ in range(n):
            shop.do("product_viewed", user=f"u{n}")


def members(shop: Shop) -> set[str]:
    people = shop.engine.state.people.values()
    return {next(iter(p.ids)) for p in people if "warm" in p.member}


def test_a_new_rule_changes_who_is_inside_and_nothing_occurs_from_it() -> None:
    shop = Shop(FILES)
    viewed(shop, 6)
    sent = len(shop.sent)
    assert shop.count("segment:warm") == sent == 2
    shop.edit(segments__warm=WARM.format(2))
    assert members(shop) == {f"user_id:u{n}" for n in range(2, 6)}
    shop.edit(segments__warm=WARM.format(3))
    assert members(shop) == {f"user_id:u{n}" for n in range(3, 6)}
    assert shop.count("segment:warm") == 3
    assert len(shop.sent) == sent
    assert shop.engine.state.sweep is None


def test_c4_who_an_edit_excludes_is_out_within_seconds_in_memory_or_not() -> None:
    exited = """
trigger: cooled
when: {segment: exited warm}
do: [{send: {channels: [webhook]}}]
deliver: {purpose: product}
"""
    shop = Shop(FILES | {"segments/warm.yaml": WARM.format(1), "triggers/cooled.yaml": exited})
    viewed(shop, 8)
    for n in range(8):
        shop.know(f"u{n}", plan="free" if n < 4 else "pro")
    assert shop.count("segment:warm") == len(members(shop)) == 7
    shop.engine.drain()
    shop.open()
    shop.do("visited", user="u3")  # the others are in the ledger alone
    began = shop.now
    shop.edit(segments__warm=WARM.format(1) + "  - plan != free\n")
    while shop.count("segment:warm") > 4:
        shop.wait(SECOND)
    assert shop.now - began <= 5 * SECOND
    for n in range(8):
        shop.do("visited", user=f"u{n}")
    assert shop.count("segment:warm") == 4
    assert members(shop) == {f"user_id:u{n}" for n in range(4, 8)}
    assert shop.sent_by("cooled") == [], "an edit is nothing that anybody did"


def test_whom_nobody_has_in_memory_is_swept_too() -> None:
    shop = Shop(FILES)
    viewed(shop, 6)
    shop.engine.drain()
    shop.open()
    assert not shop.engine.state.people
    shop.edit(segments__warm=WARM.format(3))
    assert members(shop) == {"user_id:u3", "user_id:u4", "user_id:u5"}


def test_a_sweep_that_was_cut_off_goes_on_after_the_crash() -> None:
    shop = Shop(FILES)
    viewed(shop, 30)
    shop.engine.drain()
    shop.engine.adopt({**shop.files, "segments/warm.yaml": WARM.format(3)})
    shop.engine.process(shop.engine.read())
    shop.engine.pump()  # appends the first sweep, of about a hundred people
    shop.engine.drain()
    assert shop.engine.state.sweep is not None
    shop.open()
    shop.run()
    assert shop.engine.state.sweep is None
    assert len(members(shop)) == 27


def test_new_limits_part_whom_they_no_longer_allow() -> None:
    shop = Shop()
    for n in range(4):
        shop.wait(MINUTE)
        shop.do("page_viewed", user="ana", anon=f"d{n}")
    assert len(shop.person("user_id:ana").ids) == 5
    shop.edit(workspace=WORKSPACE + "identity: {anonymous_id: {max: 2}}\n")
    assert len(shop.person("user_id:ana").ids) == 3
    assert shop.count("people") == 1, "a device without events of its own is nobody"
    shop.edit(workspace=WORKSPACE)
    assert len(shop.person("user_id:ana").ids) == 5


def test_who_was_written_after_a_version_and_is_read_again_from_before_it_follows_it() -> None:
    shop = Shop()
    shop.do("identify", user="ana", anon="phone")
    shop.do("page_viewed", anon="phone")
    shop.engine.drain()
    mark = shop.shelf.mark
    shop.do("page_viewed", user="ana")  # will be read again, and is what loads her then
    shop.edit(segments__buyer="segment: buyer\nif: ['count(bought, last 7d) >= 2']\n")
    shop.do("bought", user="ana")
    shop.engine.drain()
    shop.shelf.mark = mark  # a crash after she was written, before the offset was
    shop.open()
    shop.run()
    shop.do("bought", anon="phone")
    assert "buyer" in shop.person("user_id:ana").member


def test_members_of_a_segment_that_is_no_more_leave_it_whoever_they_are_joined_with() -> None:
    shop = Shop({"segments/warm.yaml": "segment: warm\nif: ['count(seen, last 7d) >= 1']\n"})
    shop.do("seen", user="p")
    shop.wait(MINUTE)
    shop.do("seen", user="q")
    shop.engine.adopt({"workspace.yaml": WORKSPACE})
    shop.engine.process(shop.engine.read())  # the version, and no sweep yet
    for said in (
        an_event("other", user="q", time=shop.now, message_id="other"),
        Join("op", shop.now, "user_id:p", "user_id:q", False, "me", ""),
    ):
        shop.log.append(0, record.encode([said]))
        shop.engine.process(shop.engine.read())
    shop.run()
    assert shop.person("user_id:p").member == {}
    assert shop.count("segment:warm") == 0


@pytest.mark.parametrize("user", [f"u0{n}" for n in range(6)])
def test_what_a_sweep_changes_is_counted_with_whom_it_writes(user: str) -> None:
    identity = "identity: {{anonymous_id: {{max: {}}}}}\n"
    shop = Shop(workspace=WORKSPACE + identity.format(1))
    shop.do("page_viewed", anon="d2")
    shop.do("page_viewed", user="u1", anon="d2", trust=VERIFIED)
    shop.do("page_viewed", anon="d0")
    shop.join("user_id:u1", "anonymous_id:d0")  # d2 is one too many now
    shop.do("page_viewed", user=user, anon="d0")  # refused, and so connected with them
    shop.wait(MINUTE)
    shop.edit(workspace=WORKSPACE + identity.format(200))
    shop.engine.drain()
    people = [p for p in shop.engine.state.people.values() if p.leaves]
    assert shop.count("people") == len(people) == 2


def test_a_counter_that_is_asked_for_again_counts_what_came_meanwhile() -> None:
    buyer = {"segments/buyer.yaml": "segment: buyer\nif: ['count(bought) >= 3']\n"}
    shop = Shop(buyer)
    shop.do("bought", user="ana")
    shop.files = {"workspace.yaml": WORKSPACE}
    shop.edit()
    shop.do("bought", user="ana")
    assert shop.person("user_id:ana").leaves["user_id:ana"].cells == {}
    shop.files |= buyer
    shop.edit_cold()
    shop.do("bought", user="ana")
    assert shop.person("user_id:ana").leaves["user_id:ana"].cells["total bought"] == 1
    assert shop.person("user_id:ana").member == {}
    shop.warm()
    assert shop.person("user_id:ana").leaves["user_id:ana"].cells == {"total bought": 3}
    assert set(shop.person("user_id:ana").member) == {"buyer"}


def test_another_build_is_written_into_the_log_once_and_outlives_the_engine() -> None:
    shop = Shop()
    for _ in range(2):
        shop.engine.announce()
        shop.run()
        shop.engine.drain()
        shop.open()
        shop.run()
    found = [r for e in shop.log.read(0, -1, 100, 0) for r in record.decode(e.payload)]
    builds = [r for r in found if isinstance(r, Build)]
    assert builds == [Build(__version__, version("tzdata"))]
    assert shop.engine.state.build == builds[0]
    older = Build("0.0.9", builds[0].tzdata)
    shop.say([older])
    shop.engine.announce()
    shop.run()
    assert shop.engine.state.build == builds[0]
