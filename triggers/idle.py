"""Visitors who stay away: nobody knows who they are, and they have not come back for long.

What is let go of follows from the log alone: a sweep comes by, and its time says who is idle. A
visitor stays who took back a consent in words, whose run waits, or whose device says who shares it.
"""

from events.record import Offset
from profile_state.consent import GPC
from profile_state.identity import ANONYMOUS, kind_of
from profile_state.person import Person
from triggers.state import State
from triggers.work import Work


def stayed_away(state: State, person: Person) -> bool:
    """Say whether a person is a visitor who stayed away for as long as the workspace says."""
    workspace = state.workspace
    return (
        workspace is not None
        and 0 < person.seen <= state.now - workspace.forget_after
        and not person.refused
        and not person.waits
        and all(kind_of(i) == ANONYMOUS for i in person.ids)
        and all(
            granted or key == GPC  # which comes again with whoever comes back
            for leaf in person.leaves.values()
            for key, (_, _, granted) in leaf.consents.items()
        )
    )


def let_go(work: Work, person: Person, offset: Offset) -> None:
    """Take a visitor out of state and ledger; what they did is counted as `expired`."""
    state = work.state
    work.count(person.id, "expired", sum(leaf.total for leaf in person.leaves.values()))
    work.count(person.id, "people", -1)
    for segment in person.member:
        work.count(person.id, f"segment:{segment}", -1)
    for way in person.ways:
        state.index[way] = None
        work.index[way] = person.id
    state.expire(person, offset)
    work.dirty.add(person.id)
