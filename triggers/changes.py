"""Changes of traits: what they were before an event, and which triggers that concerns.

A change is what an event states anew. Where people are joined or parted, nobody changed anything.
"""

from collections.abc import Mapping
from typing import Any

from events.record import Event
from events.scores import SIGN
from profile_state.fold import FROM_CONTEXT
from profile_state.naming import name_of
from profile_state.person import Person
from triggers.definitions import Trigger, Workspace
from triggers.runtime import trait

NOTHING: Mapping[str, Any] = {}  # of most events


def watched(workspace: Workspace, person: Person, event: Event) -> Mapping[str, Any]:
    """Return the values of the traits that an event states and something goes by; None for none."""
    if not workspace.watched:
        return NOTHING
    stated = [*event.traits, *(name for name in FROM_CONTEXT if name in event.context)]
    traits = person.view.traits
    return {name: trait(traits, name) for name in stated if name in workspace.watched}


def moved(person: Person, before: Mapping[str, Any]) -> Mapping[str, tuple[Any, Any]]:
    """Return what of these is another value now, with what it was and is."""
    traits = person.view.traits
    now = {name: trait(traits, name) for name in before}
    return {n: (was, now[n]) for n, was in before.items() if _text(was) != _text(now[n])}


def changed(
    workspace: Workspace, moved: Mapping[str, tuple[Any, Any]]
) -> list[tuple[Trigger, dict[str, Any]]]:
    """Return the triggers that changes concern, each with what was before and is now."""
    found = []
    for name, (was, now) in moved.items():
        for trigger in workspace.changing.get(name, ()):
            wanted = trigger.changed
            assert wanted is not None
            if wanted.before in (None, _text(was)) and wanted.after in (None, _text(now)):
                found.append((trigger, {"trait": name.removeprefix(SIGN), "from": was, "to": now}))
    return found


def _text(value: Any) -> str | None:
    return None if value is None else name_of(value)
