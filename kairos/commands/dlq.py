"""`kairos dlq`: dead letters, the events that were accepted and could not be applied.

None of them is lost: each waits with its reason until it is replayed or dropped.
"""

import time
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import msgspec
from cyclopts import Parameter

from events.record import Record, encode
from kairos.durations import duration
from kairos.operators import letters as dead
from kairos.operators.letters import CONFLICT, HOLDS_EVENT, SHOWN_BYTES, Choice, Letter, Retried
from kairos.operators.words import PATIENCE_S, NotDoneError, carried_out, say, speaker
from kairos.profile.beside import Beside
from kairos.say import as_json, columns, failed, moment
from kairos.settings import SettingsError

SHOWN = 20  # letters that a replay tells of one by one
TRUST = {0: "browser", 1: "server"}
HINT = (
    "`kairos dlq show PLACE` shows one whole, `kairos dlq replay` tries them again; "
    "docs/errors.md says what each code means"
)


def list_(
    *,
    code: str | None = None,
    since: str | None = None,
    limit: int = 100,
    data: Path | None = None,
    json: bool = False,
) -> int:
    """List dead letters, the newest last, and count them by code.

    Parameters
    ----------
    code
        Only those with this code, such as no_identifier.
    since
        Only those that came since: a duration back from now, such as 2h or 7d, or a time, such
        as 2026-11-25T10:00 (UTC where it has no offset).
    limit
        How many to show, the newest ones; all are counted.
    data
        The data folder of a running `kairos up`; else the KAIROS_* variables, else kairos-data.
    json
        Print one JSON object.
    """

    def told(running: Beside) -> int:
        counts: Counter[str] = Counter()
        newest: deque[Letter] = deque(maxlen=max(0, limit))
        for letter in dead.letters(running, Choice(code=code, since=_since(since))):
            counts[letter.said.code] += 1
            newest.append(letter)
        if json:
            rows = [_row(letter) for letter in newest]
            as_json({"letters": rows, "by_code": dict(counts.most_common())})
        else:
            print("\n".join(_table(list(newest), counts)))
        return 0

    return carried_out("dlq list", data, told, json=json)


def show(place: str, *, data: Path | None = None, json: bool = False) -> int:
    """Show one dead letter whole, with its body.

    Parameters
    ----------
    place
        As `kairos dlq list` shows it, such as 1884187.0.
    data
        The data folder of a running `kairos up`; else the KAIROS_* variables, else kairos-data.
    json
        Print one JSON object; the body is text in it, exactly as it came.
    """

    def told(running: Beside) -> int:
        letter = next(dead.letters(running, Choice(names=(_place(place),))), None)
        if letter is None:
            raise NotDoneError(_missing(place))
        if json:
            more = {"body": _text(letter.said.body), "context": _text(letter.said.context)}
            as_json({**_row(letter), **_circumstances(letter), **more})
        else:
            print("\n".join(_whole(letter)))
        return 0

    return carried_out("dlq show", data, told, json=json)


def replay(
    places: Annotated[list[str] | None, Parameter(negative=())] = None,
    *,
    code: str | None = None,
    all: bool = False,  # noqa: A002 - the word on the command line
    as_new: bool | None = None,
    simulate: bool = False,
    by: str | None = None,
    data: Path | None = None,
    json: bool = False,
) -> int:
    """Try dead letters again: those that can be read now become events, the others stay.

    Say which: places, a code, or --all. An event counts once however often this is run, also
    where two run it at once or one is killed in the middle.

    Parameters
    ----------
    places
        Letters, as `kairos dlq list` shows them.
    code
        All with this code.
    all
        All there are.
    as_new
        Give a conflicting_copy a message id of its own; without, it would conflict again.
    simulate
        Append nothing; show which would become events, and why the others would stay.
    by
        Who says so; else your login name.
    data
        The data folder of a running `kairos up`; else the KAIROS_* variables, else kairos-data.
    json
        Print one JSON object.
    """
    if not places and code is None and not all:
        which = "say which letters: places, --code CODE or --all; `kairos dlq list` shows them"
        return failed("dlq replay", which, json=json)
    if all and (places or code):
        return failed("dlq replay", "--all is every letter; leave places and --code out", json=json)

    def told(running: Beside) -> int:
        names = tuple(_place(p) for p in places or ())
        found = list(dead.letters(running, Choice(names=names, code=code)))
        append = None if simulate else partial(_append, running)
        done = dead.replay(
            found,
            append,
            speaker(by),
            running.now(),
            as_new=bool(as_new),
            replayed=running.replayed,
        )
        there = {letter.name for letter in found}
        done.missing = [name for name in names if name not in there]
        _wait(running, done)
        if json:
            as_json({"simulated": simulate, **msgspec.to_builtins(done)})
        else:
            print("\n".join(_retried(done, simulated=simulate)))
        return 0 if done.applied and not (done.kept or done.missing or done.conflicts) else 1

    return carried_out("dlq replay", data, told, json=json)


def drop(
    places: Annotated[list[str], Parameter(negative=())],
    *,
    reason: str,
    by: str | None = None,
    data: Path | None = None,
    json: bool = False,
) -> int:
    """Give dead letters up, for good: they are neither applied nor listed any more.

    Parameters
    ----------
    places
        Letters, as `kairos dlq list` shows them.
    reason
        Why; it stays in the log, with your name.
    by
        Who says so; else your login name.
    data
        The data folder of a running `kairos up`; else the KAIROS_* variables, else kairos-data.
    json
        Print one JSON object.
    """

    def told(running: Beside) -> int:
        names = tuple(_place(p) for p in places)
        found = list(dead.letters(running, Choice(names=names)))
        there = [letter.name for letter in found]
        missing = [name for name in names if name not in there]
        if missing:
            raise NotDoneError(f"{_missing(', '.join(missing))}; nothing was dropped")
        entry, applied = say(running, dead.drop(found, speaker(by), reason))
        if json:
            as_json({"dropped": there, "entry": entry, "applied": applied})
        else:
            print(f"dropped {', '.join(there)}: entry {entry} of the log")
            print(*([] if applied else [_LATE]), sep="", end="" if applied else "\n")
        return 0 if applied else 1

    return carried_out("dlq drop", data, told, json=json)


COMMANDS = {"drop": drop, "list": list_, "replay": replay, "show": show}

_LATE = "it is in the log, but the engine has not come to it yet; see `kairos doctor`"


def _append(running: Beside, records: list[Record]) -> int:
    return running.log.append(0, encode(records))


def _wait(running: Beside, done: Retried) -> None:
    """Wait until the engine has come to what was appended, and see what it made of it."""
    entries = {one.entry for one in done.replayed if one.entry is not None}
    if not entries:
        return
    done.applied = running.caught_up(max(entries), PATIENCE_S)
    after = dead.letters(running, Choice(code=CONFLICT))
    done.conflicts = [letter.name for letter in after if letter.place.entry in entries]


def _place(text: str) -> str:
    entry, dot, nth = text.partition(".")
    if not (dot and entry.isdecimal() and nth.isdecimal()):
        raise SettingsError(
            f"a place such as 1884187.0 was expected, found {text!r}; `kairos dlq list` shows them"
        )
    return f"{int(entry)}.{int(nth)}"


def _missing(place: str) -> str:
    return (
        f"no dead letter at {place}: it is done with, or never was; "
        "`kairos dlq list` shows those that there are"
    )


def _since(text: str | None) -> int:
    """Read a time as ms since 1970.

    >>> _since("1970-01-01T00:00:01")
    1000
    """
    if text is None:
        return 0
    try:
        return time.time_ns() // 1_000_000 - duration(text)
    except ValueError:
        pass
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise SettingsError(
            f"--since: a duration such as 2h or 7d, or a time such as 2026-11-25T10:00 was "
            f"expected, found {text!r}"
        ) from None
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)


def _row(letter: Letter) -> dict[str, Any]:
    said = letter.said
    return {
        "place": letter.name,
        "at": letter.at,
        "code": said.code,
        "reason": said.reason,
        "source": said.source,
        "bytes": len(said.body),
        "starts": _text(said.body[:SHOWN_BYTES]),
    }


def _circumstances(letter: Letter) -> dict[str, Any]:
    """Return what the request said, without which the body means something else."""
    said = letter.said
    return {
        "key": TRUST.get(said.trust, str(said.trust)),
        "kind": said.kind,
        "sent_at": said.sent_at,
        "import_id": said.import_id,
    }


def _table(shown: list[Letter], counts: Counter[str]) -> Iterator[str]:
    if not counts:
        yield "no dead letters"
        return
    rows = [("place", "when", "code", "reason", "source", "body")]
    for letter in shown:
        said = letter.said
        starts = _plain(_text(said.body[:SHOWN_BYTES]))
        reason = said.reason if len(said.reason) <= 60 else f"{said.reason[:59]}…"
        rows.append(
            (letter.name, moment(letter.at), said.code, _plain(reason), said.source, starts)
        )
    yield from columns(rows)
    by_code = ", ".join(f"{many:,} {code}" for code, many in counts.most_common())
    yield ""
    total = counts.total()
    some = f", the newest {len(shown):,} above" if len(shown) < total else ""
    yield f"{total:,} dead letter{'' if total == 1 else 's'}: {by_code}{some}"
    yield HINT


def _whole(letter: Letter) -> Iterator[str]:
    said = letter.said
    yield f"{letter.name}, accepted {moment(letter.at)}"
    yield f"{said.code}: {_plain(said.reason)}"
    context = msgspec.json.decode(said.context, type=dict[str, Any])
    given = {name: value for name, value in context.items() if value is not None}
    more = {"source": said.source, **_circumstances(letter), "context": given}
    for name, value in more.items():
        if value:
            yield f"  {name:<10} {_plain(str(value))}"
    yield ""
    yield from (_plain(line) for line in _body(letter).splitlines())


def _body(letter: Letter) -> str:
    """Lay a body out where it is JSON; numbers stay as they were written."""
    body = letter.said.body
    try:
        if letter.said.code in HOLDS_EVENT:
            fields = msgspec.structs.asdict(dead.event_of(letter))
            body = msgspec.json.encode({**fields, "key": fields["key"].hex()})
        return msgspec.json.format(body, indent=2).decode()
    except (ValueError, UnicodeDecodeError):
        return _text(letter.said.body)


def _text(body: bytes) -> str:
    return body.decode(errors="backslashreplace")


def _plain(text: str) -> str:
    r"""Write out what a terminal would obey instead of showing it.

    >>> _plain("a\x1b[2J")
    'a\\x1b[2J'
    """
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def _retried(done: Retried, *, simulated: bool) -> Iterator[str]:
    verb = "would be replayed" if simulated else "replayed"
    yield from _first(
        f"{one.place}  {verb}: {one.name} of {one.leaf}, {moment(one.time)}, {one.message_id}"
        for one in done.replayed
    )
    yield from _first(f"{x.place}  stays: {x.code}: {_plain(x.reason)}" for x in done.kept)
    yield from _first(map(_missing, done.missing))
    yield from _first(
        f"{name}  is a dead letter now: an event with its message id was applied before"
        for name in done.conflicts
    )
    yield f"{len(done.replayed):,} {verb}, {len(done.kept):,} stay"
    if done.old:
        yield f"{done.old:,} are older than 30 days: they change traits, no counter, and send nothing"
    if not done.applied:
        yield _LATE


def _first(rows: Iterable[str]) -> Iterator[str]:
    """Yield as many rows as somebody reads; `--json` has them all."""
    kept = list(rows)
    yield from kept[:SHOWN]
    if len(kept) > SHOWN:
        yield f"  and {len(kept) - SHOWN:,} more"
