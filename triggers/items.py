"""Items of the catalogue: what changes of them are occurrences, who has seen one, and who hears of it."""

import msgspec

from events.record import Event, Item, Offset, Related, Spread
from profile_state.leaf import Leaf
from profile_state.naming import name_of
from profile_state.person import Person
from triggers import runs
from triggers.catalog import ITEM, ITEM_ID, Change
from triggers.definitions import Trigger, Workspace
from triggers.work import Work

DAY = 86_400_000  # ms


def saw(work: Work, leaf: Leaf, event: Event, workspace: Workspace) -> None:
    """Say that somebody has seen an item, at most once a day; it is asked before that is folded in."""
    for how, by, cell in workspace.seeing[event.name]:
        value = event.properties.get(by)
        if value is None or value == "":
            continue
        item = name_of(value)
        before = (leaf.cells.get(cell) or {}).get(item)
        if before is None or before // DAY < event.time // DAY:
            work.seen_items.append((how, item, event.leaf, event.time))


def change(work: Work, said: Item, offset: Offset) -> None:
    """Change the catalogue; whom a change may concern hears of it by records to come."""
    state = work.state
    was, now = state.catalog.apply(said, offset)
    work.items.append(said.id)
    triggers = state.workspace.on_items if state.workspace is not None else ()
    happened = tuple(
        Change(trigger.name, offset, state.now, was or {}, now or {})
        for trigger in triggers
        if trigger.item is not None
        and trigger.status not in ("draft", "paused")
        and trigger.item.happens(was, now)
    )
    if happened:
        known = state.catalog.get(said.id)
        assert known is not None
        # What nobody has heard of yet is overtaken by a later change of the same kind.
        news = {change.trigger for change in happened}
        waiting = tuple(change for change in known.changes if change.trigger not in news)
        state.catalog.change(said.id, offset, (*waiting, *happened))


def relate(work: Work, said: Related, offset: Offset) -> None:
    """Take what goes with an item; nobody hears of it."""
    work.state.catalog.relate(said, offset)
    work.items.append(said.item)


def spreading(work: Work, said: Spread) -> Change | None:
    """Return the change that people are to hear of; None where a later one has overtaken it."""
    known = work.state.catalog.get(said.item)
    changes = known.changes if known is not None else ()
    return next((c for c in changes if (c.trigger, c.at) == (said.trigger, said.at)), None)


def tell(work: Work, person: Person, trigger: Trigger, item: str, change: Change) -> None:
    """Let somebody hear of a change: it concerns who has seen the item lately, and whom `if` admits."""
    assert trigger.item is not None
    seen = (person.view.cells.get(trigger.item.cell) or {}).get(item, -1)
    if seen < change.time - trigger.item.window:
        return
    entry, nth = change.at
    said = {ITEM_ID: item, ITEM: {**change.item, "id": item, "was": change.was}}
    cause = runs.Cause(f"item/{item}@{entry}.{nth}", work.state.now, event=said)
    runs.take_steps(work, person, runs.occurred(work, person, [trigger], cause))


def told(work: Work, said: Spread, change: Change, offset: Offset) -> None:
    """Remember how far a change has spread."""
    known = work.state.catalog.get(said.item)
    assert known is not None
    rest = tuple(c for c in known.changes if c is not change)
    if not said.last:
        rest = (msgspec.structs.replace(change, told=said.leaves[-1]), *rest)
    work.state.catalog.change(said.item, offset, rest)
    work.items.append(said.item)
