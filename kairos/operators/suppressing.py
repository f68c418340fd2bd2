"""Suppress addresses, or lift that: events of the addresses themselves, so they hold for whoever has them.

A list of another sender's comes along so, whether or not anybody here has these addresses yet.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from events.addresses.base import kinds
from events.record import (
    ADDRESS_LOST,
    ADDRESS_RESTORED,
    OPERATOR_SOURCE,
    Event,
    encode,
    own_event,
)
from events.rows import rows
from kairos.operators.words import PATIENCE_S
from kairos.profile.beside import Beside
from profile_state.reach import named, why_lost
from profile_state.stored import unpack
from profile_state.stores.base import everybody

# Where the first line names columns, those that hold the address.
COLUMNS = ("email", "address", "recipient", "phone")
REASON = "reason"
LISTED = "listed"  # why, where nobody says more
TOGETHER = 500  # events in an entry of the log
_LONGEST = 200  # characters of a reason


class Wanted(NamedTuple):
    """An address that is to be suppressed."""

    kind: str
    address: str  # in its one spelling
    reason: str


class Listed(NamedTuple):
    """What a list holds."""

    wanted: list[Wanted]  # in its order, each once
    unread: list[int]  # lines, from 1, that hold no address


class Suppressed(NamedTuple):
    """An address that leads nowhere, and whose it is."""

    kind: str
    address: str
    reason: str
    person: str


def read_address(text: str) -> tuple[str, str] | None:
    """Return kind and spelling of an address, None where it is none.

    >>> read_address(" Ana@Shop.example "), read_address("+49 170 1234567"), read_address("ana")
    (('email', 'ana@shop.example'), ('phone', '+491701234567'), None)
    """
    for kind, normal in kinds().items():
        address = normal(text.strip())
        if address:
            return kind, address
    return None


def read_list(text: str, reason: str = LISTED) -> Listed:
    r"""Read a list: an address a line, or the export of a mail provider, whose columns have names.

    Args:
        text: lines, of which columns are separated by commas or semicolons.
        reason: why, where the list does not say.

    Raises:
        RowError: a line cannot be read.

    >>> read_list("Email,Reason\nAna@Shop.example,550 no such user\nnobody,\n").wanted
    [Wanted(kind='email', address='ana@shop.example', reason='550 no such user')]
    >>> read_list("a@shop.example\n\nb\n", "bounced")
    Listed(wanted=[Wanted(kind='email', address='a@shop.example', reason='bounced')], unread=[3])
    """
    head, _, _ = text.partition("\n")
    separator = ";" if head.count(";") > head.count(",") else ","
    place, why = 0, -1
    wanted: dict[tuple[str, str], Wanted] = {}
    unread: list[int] = []
    for line, cells in rows(text, separator):
        if line == 1 and (names := _names(cells)):
            place = min(names[name] for name in COLUMNS if name in names)
            why = names.get(REASON, -1)
            continue
        known = read_address(cells[place]) if place < len(cells) else None
        if known is None:
            unread.append(line)
        else:
            said = cells[why] if 0 <= why < len(cells) else ""
            wanted.setdefault(known, Wanted(*known, (said or reason)[:_LONGEST]))
    return Listed(list(wanted.values()), unread)


def _names(cells: list[str]) -> dict[str, int]:
    """Return where the columns are that a first line names, nothing where it names none of ours."""
    names = {cell.casefold(): nth for nth, cell in enumerate(cells)}
    return names if not names.keys().isdisjoint(COLUMNS) else {}


def suppress(engine: Beside, wanted: Sequence[Wanted], by: str) -> bool:
    """Suppress addresses; returns whether the engine has done it.

    Raises:
        LogUnavailableError: the log did not confirm; saying it again is safe.
    """
    now = engine.now()
    return _said(
        engine,
        [
            _event(ADDRESS_LOST, one.kind, one.address, now, {"reason": one.reason, "by": by})
            for one in wanted
        ],
    )


def lift(engine: Beside, kind: str, address: str, by: str) -> bool:
    """Say that an address is good again; returns whether the engine has done it.

    Raises:
        LogUnavailableError: the log did not confirm; saying it again is safe.
    """
    return _said(engine, [_event(ADDRESS_RESTORED, kind, address, engine.now(), {"by": by})])


def suppressed(engine: Beside) -> Iterator[Suppressed]:
    """Yield the addresses that lead nowhere, also those that nobody has.

    Raises:
        LedgerLostError: the ledger does not answer.
    """
    for value in everybody(engine.store):
        person = unpack(value, {})
        for name in sorted(person.view.suppressions):
            reason = why_lost(person.view, name)
            if reason:
                kind, _, address = name.partition(":")
                yield Suppressed(kind, address, reason, person.id)


def _event(name: str, kind: str, address: str, at: int, said: Mapping[str, str]) -> Event:
    leaf = named(kind, address)
    about = {"kind": kind, "address": address, **said}
    return own_event(OPERATOR_SOURCE, leaf, f"{name}/{leaf}/{at}", name, at, properties=about)


def _said(engine: Beside, events: Sequence[Event]) -> bool:
    entry = 0
    for first in range(0, len(events), TOGETHER):
        entry = engine.log.append(0, encode(list(events[first : first + TOGETHER])))
    return engine.caught_up(entry, PATIENCE_S)
