"""Erase a person, by a record of the log."""

import secrets
from typing import NamedTuple

from events.naming import KINDS, candidates
from events.record import Erase
from kairos.operators.words import NotDoneError, say
from kairos.profile.beside import Beside


class Erased(NamedTuple):
    """Who is erased, or would be."""

    identifiers: list[str]
    events: int
    erased: bool  # the engine has done it


def erase(engine: Beside, who: str, by: str, reason: str, *, really: bool) -> Erased:
    """Erase whom an id means.

    Args:
        engine: whose person it is.
        who: as a user writes it.
        by: who says so.
        reason: why.
        really: else it is only said who it would be.

    Raises:
        NotDoneError: nobody is that, and it is not one identifier with its type.
        AmbiguousError: it could be several people.
        LogUnavailableError: the log did not confirm.
    """
    engine.caught_up()
    person = engine.person(who)
    if person is not None:
        identifiers = sorted(person.ids)
        events = sum(leaf.total for leaf in person.leaves.values())
    elif who.partition(":")[0] in KINDS:
        identifiers, events = candidates(who), 0
    else:
        raise NotDoneError(
            f"nobody is {who!r}; to erase somebody ahead of their first event, give the "
            "identifier with its type, such as user_id:u-1"
        )
    if not really:
        return Erased(identifiers, events, erased=False)
    known = engine.store.erasure_keys()
    key = known[0] if known else secrets.token_bytes(16)
    record = Erase(identifiers[0], key, engine.now(), by, reason)
    _, applied = say(engine, [record])
    return Erased(identifiers, events, erased=applied)
