"""The delivery ledgers beside a running worker: read without a lease, and what is held, decided.

What is `dead` or `unknown` waits for an operator: it is sent again, known to have arrived, or let
go of. SQLite keeps both writers apart, and the worker notices within a second that somebody wrote.
"""

import json
import sqlite3
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import msgspec

from channels.delivery.ledger import START, summed
from channels.delivery.slot import (
    HORIZON,
    KEPT,
    VERSION,
    Row,
    SlotUnusableError,
    counted,
    decoded,
    encoded,
    lost,
)
from triggers.activation import Activation, slot_of

UNRENDERED = "render_failed"  # how the reason of a template that could not be filled begins
_ROWS = (
    "SELECT id, channel, trigger_name, state, detail, attempts, decided, changed FROM activation"
)
T = TypeVar("T")


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """Which activations are meant: all that is said holds."""

    states: tuple[str, ...] = KEPT
    ids: tuple[str, ...] = ()
    channel: str | None = None
    trigger: str | None = None
    reason: str | None = None  # how it begins

    def where(self) -> tuple[str, dict[str, Any]]:
        """Return it for SQLite."""
        terms, values = ["state IN (SELECT value FROM json_each(:states))"], {}
        values["states"] = json.dumps(self.states)
        if set(self.states) <= set(KEPT):
            terms.append("state IN ('dead', 'unknown')")  # so that their index serves
        if self.ids:
            terms.append("id IN (SELECT value FROM json_each(:ids))")
            values["ids"] = json.dumps(self.ids)
        for column, asked in (("channel", self.channel), ("trigger_name", self.trigger)):
            if asked is not None:
                terms.append(f"{column} = :{column}")
                values[column] = asked
        if self.reason is not None:
            terms.append("substr(detail, 1, length(:reason)) = :reason")
            values["reason"] = self.reason
        return " AND ".join(terms), values


class Held(NamedTuple):
    """An activation in a ledger, and its body where one is kept."""

    row: Row
    activation: Activation | None


def summary(folder: Path) -> dict[str, dict[str, int]]:
    """Count every slot without a lease, beside a running worker: channel -> state -> how many.

    Raises:
        SlotUnusableError: when a file is damaged.
    """
    return summed(_asked(path, counted) or {} for path in _files(folder))


def lost_slots(folder: Path) -> list[str]:
    """Say, without a lease, of which slots the file has gone that was there once.

    Raises:
        SlotUnusableError: when a file is damaged.
    """
    cursors = folder / "cursor.db"
    if not cursors.exists():
        return []
    try:
        with closing(sqlite3.connect(f"{cursors.resolve().as_uri()}?mode=ro", uri=True)) as db:
            rows = db.execute("SELECT slot FROM used ORDER BY slot").fetchall()
    except sqlite3.OperationalError:
        return []  # of a release that noted nothing, or being made
    paths = [folder / f"slot-{n:02}.db" for (n,) in rows]
    return [lost(p) for p in paths if not p.exists() or _asked(p, lambda _: True) is None]


def floor_of(folder: Path) -> int:
    """Return `Ledger.floor` without a lease, beside a running worker.

    Raises:
        SlotUnusableError: when a file is damaged.
    """
    query = "SELECT max(decided) FROM floor"
    found = (
        _asked(path, lambda db: int(db.execute(query).fetchone()[0])) for path in _files(folder)
    )
    return max((floor for floor in found if floor is not None), default=START)


def rows_of(folder: Path, ids: Iterable[str]) -> dict[str, Row]:
    """Find activations by id without a lease, beside a running worker.

    Raises:
        SlotUnusableError: when a file is damaged.
    """
    groups: dict[int, list[str]] = defaultdict(list)
    for i in ids:
        groups[slot_of(i)].append(i)
    found: dict[str, Row] = {}
    for slot, wanted in groups.items():
        path = folder / f"slot-{slot:02}.db"
        if path.exists():
            rows = _asked(path, partial(_by_id, wanted)) or []
            found.update((row.id, row) for row in rows)
    return found


def _by_id(ids: list[str], db: sqlite3.Connection) -> list[Row]:
    query = _ROWS + " WHERE id IN (SELECT value FROM json_each(?))"  # noqa: S608 - both ours
    return [Row._make(row) for row in db.execute(query, (json.dumps(ids),))]


def listed(folder: Path, state: str, limit: int = 1000) -> list[Row]:
    """List activations of a state without a lease, such as those held as `unknown`.

    Raises:
        SlotUnusableError: when a file is damaged.
    """
    return chosen(folder, Choice(states=(state,)), limit)


def chosen(folder: Path, choice: Choice, limit: int = 1000) -> list[Row]:
    """List activations, those that changed last first.

    Raises:
        SlotUnusableError: when a file is damaged.
    """
    where, values = choice.where()
    query = f"{_ROWS} WHERE {where} ORDER BY changed DESC LIMIT :limit"

    def select(db: sqlite3.Connection) -> list[Row]:
        return [Row._make(row) for row in db.execute(query, {**values, "limit": limit})]

    found = [row for path in _files(folder) for row in _asked(path, select) or []]
    return sorted(found, key=lambda row: (-row.changed, row.id))[:limit]


def tallied(folder: Path, choice: Choice) -> dict[tuple[str, str, str], int]:
    """Count activations: (state, channel, reason) -> how many.

    Raises:
        SlotUnusableError: when a file is damaged.
    """
    where, values = choice.where()
    query = (
        f"SELECT state, channel, detail, count(*) FROM activation WHERE {where} GROUP BY 1, 2, 3"  # noqa: S608 - ours
    )
    total: dict[tuple[str, str, str], int] = defaultdict(int)
    for path in _files(folder):
        for *what, n in _asked(path, lambda db: db.execute(query, values).fetchall()) or []:
            total[tuple(what)] += n
    return dict(total)


def held(folder: Path, activation: str) -> Held | None:
    """Find an activation with its body.

    Raises:
        SlotUnusableError: when a file is damaged.
    """

    def select(db: sqlite3.Connection) -> Held | None:
        rows = _by_id([activation], db)
        (body,) = db.execute(
            "SELECT body FROM activation WHERE id = ?", (activation,)
        ).fetchone() or (None,)
        return Held(rows[0], None if body is None else decoded(body)) if rows else None

    path = _file(folder, activation)
    return _asked(path, select) if path.exists() else None


def resend(folder: Path, ids: Iterable[str], now: int, by: str, version: str) -> dict[str, str]:
    """Have held messages sent once more; a worker takes them up within a second.

    Args:
        folder: of the delivery ledgers.
        ids: of what is dead or unknown.
        now: ms.
        by: who says so.
        version: of the workspace in force, from which a template comes that could not be filled.

    Returns:
        What became of each: `resent`; `too_late`, since its time is over; `elsewhere`, since it
        went to another channel; `no_body`, since it was erased or has waited for too long;
        `not_held`.

    Raises:
        SlotUnusableError: when a file is damaged.
    """

    def one(db: sqlite3.Connection, row: Row, body: bytes | None) -> str:
        if body is None:
            return "no_body"
        a = decoded(body)
        if a.tell:
            return "elsewhere"
        if (a.valid_until is not None and a.valid_until < now) or a.decided < now - HORIZON:
            return "too_late"
        if row.detail.startswith(UNRENDERED):
            a = msgspec.structs.replace(a, version=version)
        db.execute(
            "UPDATE activation SET state = 'pending', attempts = 0, next_attempt = ?, detail = ?,"
            " changed = ?, body = ?, told = 1 WHERE id = ?",
            (now, f"resent by {by}", now, encoded(a), row.id),
        )
        return "resent"

    return _decide(folder, ids, KEPT, one)


def confirm(folder: Path, ids: Iterable[str], now: int, by: str) -> dict[str, str]:
    """Say of unknown messages that they have arrived: `confirmed`, or `not_held`.

    Raises:
        SlotUnusableError: when a file is damaged.
    """

    def one(db: sqlite3.Connection, row: Row, body: bytes | None) -> str:
        db.execute(
            "UPDATE activation SET state = 'delivered', detail = ?, changed = ?, told = ?"
            " WHERE id = ?",
            (f"confirmed by {by}", now, body is None, row.id),
        )
        return "confirmed"

    return _decide(folder, ids, ("unknown",), one)


def drop(folder: Path, ids: Iterable[str], now: int, by: str) -> dict[str, str]:
    """Let go of held messages: `dropped`, or `not_held`.

    Raises:
        SlotUnusableError: when a file is damaged.
    """

    def one(db: sqlite3.Connection, row: Row, _body: bytes | None) -> str:
        db.execute(
            "UPDATE activation SET state = 'refused', detail = ?, changed = ?,"
            " body = iif(told, NULL, body) WHERE id = ?",
            (f"dropped by {by}", now, row.id),
        )
        return "dropped"

    return _decide(folder, ids, KEPT, one)


def _decide(
    folder: Path,
    ids: Iterable[str],
    states: Sequence[str],
    one: Callable[[sqlite3.Connection, Row, bytes | None], str],
) -> dict[str, str]:
    """Decide about each that is held; a file at a time, whole."""
    groups: dict[Path, list[str]] = defaultdict(list)
    for i in ids:
        groups[_file(folder, i)].append(i)
    became = {i: "not_held" for group in groups.values() for i in group}
    for path, wanted in groups.items():
        if not path.exists():
            continue
        with _written(path) as db:
            query = "SELECT body FROM activation WHERE id = ?"
            for row in _by_id(wanted, db):
                (body,) = db.execute(query, (row.id,)).fetchone()
                if row.state in states:
                    became[row.id] = one(db, row, body)
    return became


@contextmanager
def _written(path: Path) -> Iterator[sqlite3.Connection]:
    try:
        with closing(sqlite3.connect(path, isolation_level=None)) as db:
            for pragma in ("busy_timeout = 5000", "synchronous = FULL", "secure_delete = ON"):
                db.execute(f"PRAGMA {pragma}")
            (version,) = db.execute("PRAGMA user_version").fetchone()
            if version != VERSION:
                raise SlotUnusableError(
                    f"{path.name} is of version {version}, this release knows {VERSION}; "
                    "start its worker first"
                )
            db.execute("BEGIN IMMEDIATE")
            try:
                yield db
            except BaseException:
                db.execute("ROLLBACK")
                raise
            db.execute("COMMIT")
    except sqlite3.Error as error:
        raise SlotUnusableError(f"{path.name} cannot be written: {error}") from error


def _files(folder: Path) -> list[Path]:
    return sorted(folder.glob("slot-*.db"))


def _file(folder: Path, activation: str) -> Path:
    return folder / f"slot-{slot_of(activation):02}.db"


def _asked(path: Path, question: Callable[[sqlite3.Connection], T]) -> T | None:
    """Read a ledger, also while a worker writes it; None while its tables are being made."""
    try:
        try:
            return _answer(path, "ro", question)
        except sqlite3.OperationalError as error:
            if "readonly" not in str(error):
                raise
            # A worker was killed, and what it had written last is taken in by who may write alone.
            return _answer(path, "rw", question)
    except sqlite3.Error as error:
        raise SlotUnusableError(f"{path.name} cannot be read: {error}") from error


def _answer(path: Path, mode: str, question: Callable[[sqlite3.Connection], T]) -> T | None:
    with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode={mode}", uri=True)) as db:
        db.execute("PRAGMA busy_timeout = 5000")
        (version,) = db.execute("PRAGMA user_version").fetchone()
        return question(db) if version else None
