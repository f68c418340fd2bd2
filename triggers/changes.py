"""Changes of traits: what they were before an event, and which triggers that concerns.

A change is what an event states anew. Where people are joined or parted, nobody changed anything.
"""

from typing import Any

from events.record import Event
from profile_state.fold import FROM_CONTEXT
from profile_state.naming import name_of
from profile_state.person import Person
from triggers.definitions import Trigger, Workspace
from triggers.runtime import trait

Values = dict[str, Any]  # of traits, None where there is none


def watched(workspace: Workspace, person: Person, event: Event) -> Values:
    """Return the values of the traits that an event states and some trigger watches."""
    stated = [*event.traits, *(name for name in FROM_CONTEXT if name in event.context)]
    traits = person.view.traits
    return {name: trait(traits, name) for name in stated if name in workspace.changing}


def changed(
    workspace: Workspace, person: Person, before: Values
) -> list[tuple[Trigger, dict[str, Any]]]:
    """Return the triggers that changes concern, each with what was before and is now."""
    found = []
    for name, was in before.items():
        now = trait(person.view.traits, name)
        if _text(was) == _text(now):
            continue
        for trigger in workspace.changing[name]:
            wanted = trigger.changed
            assert wanted is not None
            if wanted.before in (None, _text(was)) and wanted.after in (None, _text(now)):
                found.append((trigger, {"trait": name, "from": was, "to": now}))
    return found


def _text(value: Any) -> str | None:
    return None if value is None else name_of(value)
