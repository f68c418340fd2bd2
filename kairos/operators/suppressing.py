"""Suppress addresses, or lift that: events of the addresses themselves, so they hold for whoever has them.

A list of another sender's comes along so, whether or not anybody here has these addresses yet.
"""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from events.addresses.base import kinds
from events.record import ADDRESS_LOST, ADDRESS_RESTORED, OPERATOR_SOURCE, Event, own_event
from kairos.operators.words import say
from kairos.profile.beside import Beside
from profile_state.reach import found
from profile_state.stored import unpack
from profile_state.stores.base import everybody

COLUMNS = (
    "email",
    "address",
    "recipient",
    "phone",
)  # that hold the address, where a file has names
REASON = "reason"
LISTED = "listed"  # why, where nobody says more
TOGETHER = 500  # events in an entry of the log
_LONGEST = 200  # characters of a reason


class ListError(ValueError):
    """A list that cannot be read; says where."""


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


def kind_of(text: str) -> tuple[str, str] | None:
    """Return kind and spelling of an address, None where it is none.

    >>> kind_of(" Ana@Shop.example "), kind_of("+49 170 1234567"), kind_of("ana")
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
        ListError: it is no such list.

    >>> read_list("Email,Reason\nAna@Shop.example,550 no such user\nnobody,\n").wanted
    [Wanted(kind='email', address='ana@shop.example', reason='550 no such user')]
    >>> read_list("a@shop.example\n\nb\n", "bounced")
    Listed(wanted=[Wanted(kind='email', address='a@shop.example', reason='bounced')], unread=[3])
    """
    head, _, _ = text.partition("\n")
    separator = ";" if head.count(";") > head.count(",") else ","
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    place, why = 0, -1
    wanted: dict[tuple[str, str], Wanted] = {}
    unread: list[int] = []
    for line, cells in _rows(rows):
        if line == 1 and (names := _names(cells)):
            place = min(names[name] for name in COLUMNS if name in names)
            why = names.get(REASON, -1)
            continue
        known = kind_of(cells[place]) if place < len(cells) else None
        if known is None:
            unread.append(line)
        else:
            said = cells[why] if 0 <= why < len(cells) else ""
            wanted.setdefault(known, Wanted(*known, (said or reason)[:_LONGEST]))
    return Listed(list(wanted.values()), unread)


def _rows(rows: Any) -> Iterator[tuple[int, list[str]]]:
    """Yield what stands in each line that is not empty, with its number."""
    line = 1
    try:
        for row in rows:
            cells = [cell.strip() for cell in row]
            if any(cells):
                yield line, cells
            line = rows.line_num + 1
    except csv.Error as error:
        raise ListError(f"line {line}: this is no list: {error}") from None


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
        if not person.view.suppressions:
            continue
        stated = {(one.kind, one.address): one.lost for one in found(person.view)}
        for name, (_, _, reason) in sorted(person.view.suppressions.items()):
            kind, _, address = name.partition(":")
            why = stated.get((kind, address), reason)
            if why:
                yield Suppressed(kind, address, why, person.id)


def _event(name: str, kind: str, address: str, at: int, said: Mapping[str, str]) -> Event:
    leaf = f"{kind}:{address}"
    about = {"kind": kind, "address": address, **said}
    return own_event(OPERATOR_SOURCE, leaf, f"{name}/{leaf}/{at}", name, at, properties=about)


def _said(engine: Beside, events: Sequence[Event]) -> bool:
    applied = True
    for first in range(0, len(events), TOGETHER):
        _, applied = say(engine, list(events[first : first + TOGETHER]))
    return applied
