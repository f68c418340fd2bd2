"""A new version of the workspace reaches everybody, without an event of theirs, and starts nothing."""

from tests.shop import MINUTE, WORKSPACE, Shop

WARM = "segment: warm\nif: ['count(product_viewed, last 7d) >= {}']\n"
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
