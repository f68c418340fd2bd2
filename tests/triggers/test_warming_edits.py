"""Edit upon edit, back and forth, while the past is read in parts and the engine dies in between.

Whatever came when: what is not warming is as if the last files had been there from the start, all of it
is once the past is read, and reading the log again from its first entry comes to the same.
"""

from typing import Any

from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from events.record import Event, Sweep
from flows.warming import steps
from profile_state.identity import PLACES
from tests.shop import ADDRESSES, SECOND, Shop
from tests.triggers.test_warming import (
    DELIVER,
    NARROW,
    SEND,
    WIDE,
    is_warming,
    known,
    moments,
    said,
    workspace_of,
)

WAITS = f"""
trigger: late
when: {{event: seen}}
reentry: always
do:
  - wait: 9d
  - if: 'never(bought, since entry) and count(seen, since entry) > 1'
    then: {SEND.removeprefix("do: ")}
{DELIVER}
"""
OTHER = {
    "segments/many.yaml": "segment: many\nif: ['count(seen, last 1h) >= 4 or count(seen, last 30d) >= 5 or never(bought)']\n",
    "segments/kinds.yaml": "segment: kinds\nif: ['distinct(seen.colour, last 20d) >= 3 or sum(seen.price) > 5 or streak(seen, day) >= 2 or last(seen.price) > 2']\n",
    "triggers/late.yaml": WAITS,
}
MORE = {
    "segments/many.yaml": "segment: many\nif: ['count(seen, last 60d) >= 3 or sum(seen.price, last 2h) > 3']\n",
    "segments/kinds.yaml": "segment: kinds\nif: ['never(bought) or first(seen.colour, last 2h) = red or count(seen) >= 4']\n",
    "triggers/late.yaml": WAITS.replace("9d", "3d").replace(
        "never(bought, since entry)", "plan = pro"
    ),
}
FILES = {"narrow": NARROW, "wide": WIDE, "other": OTHER, "more": MORE}
ACTS = st.one_of(
    moments, moments, moments, st.sampled_from([*FILES, "restarts", "dies", "reads", "reads", "warms"])
)  # fmt: skip


class Edited:
    """A shop whose files are changed while people act, and somebody reads the past bit by bit."""

    def __init__(self, most: int) -> None:
        self.shop = Shop(NARROW)
        self.told: list[tuple[Event, int]] = []  # what was said, and ms until the next
        self._most = most
        self._reading: Any = None

    def do(self, act: Any) -> None:
        shop = self.shop
        if isinstance(act, tuple):
            copied = act[-2] == "copy" and bool(self.told)
            event = self.told[-1][0] if copied else said(shop, len(self.told), act)
            self.told.append((event, act[-1]))
            shop.say([event])
            shop.wait(act[-1])
        elif act in FILES:
            self.edit(FILES[act])
        elif act == "warms":
            shop.warm(self._most)
        elif act == "reads":
            shop.engine.drain()
            self._reading = self._reading or steps(
                shop.log, shop.writer(), ADDRESSES, most=self._most
            )
            if next(self._reading, None) is None:
                self._reading = None
            shop.run()
        else:
            if act == "restarts":
                shop.engine.drain()
            shop.open()
            shop.run()
            self._reading = None

    def edit(self, files: dict[str, str]) -> None:
        self.shop.files = {"workspace.yaml": self.shop.files["workspace.yaml"], **files}
        self.shop.engine.adopt(self.shop.files)
        self.shop.run()


def swept(shop: Shop) -> Shop:
    """Everybody follows the clock."""
    shop.wait(2 * SECOND)
    shop.say([Sweep(0, PLACES - 1)])
    return shop


def members(shop: Shop, segments: set[str]) -> dict[str, list[str]]:
    people = shop.engine.state.people.values()
    return {min(p.ids): inside for p in people if (inside := sorted(segments & p.member.keys()))}


@given(
    st.lists(ACTS, max_size=40),
    st.sampled_from(sorted(FILES)),
    st.sampled_from([1, 4, 10**6]),
)
@settings(max_examples=25, deadline=None, phases=[Phase.generate])
def test_after_any_edits_it_is_as_if_the_last_files_had_been_there_from_the_start(
    acts: list[Any], last: str, most: int
) -> None:
    edited = Edited(most)
    for act in acts:
        edited.do(act)
    edited.edit(FILES[last])
    late, early = edited.shop, Shop(FILES[last])
    for event, wait in edited.told:
        early.say([event])
        early.wait(wait)
    names = {s.name for s in workspace_of(late).segments if not s.warming}
    assert members(swept(late), names) == members(swept(early), names)
    late.warm(most)
    assert not is_warming(late)
    assert not late.engine.state.history.gaps
    names = {segment.name for segment in workspace_of(late).segments}
    assert members(swept(late), names) == members(swept(early), names)

    late.engine.drain()
    again = Shop(FILES[last])
    again.shelf, again.log, again.now = type(again.shelf)(), late.log, late.now
    again.open()
    again.run()
    assert known(again) == known(late)
    assert again.engine.state.history == late.engine.state.history
    assert workspace_of(again).version == workspace_of(late).version
    assert {a.id for a in again.sent} == {a.id for a in late.sent}
