"""Tell what a word did, or would do: in lines for people, as one object for programs."""

from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from kairos.operators.joining import AlreadyError, Outcome, TiedError, problems
from kairos.operators.picture import Change, Run, Someone
from kairos.operators.words import NotDoneError, carried_out
from kairos.profile.beside import Beside
from kairos.profile.links import line_of
from kairos.say import as_json, failed, moment


def carry_out(
    command: str,
    data: Path | None,
    say: Callable[[Beside], Outcome],
    *,
    simulate: bool,
    json: bool,
) -> int:
    """Say a word beside a running engine, tell what came of it, and return the exit code."""

    def do(running: Beside) -> int:
        try:
            outcome = say(running)
        except AlreadyError as already:
            print(already) if not json else as_json({"already": str(already)})
            return 0
        except NotDoneError as error:
            return _not_done(command, error, json=json)
        if json:
            as_json({"simulated": simulate, **msgspec.to_builtins(outcome)})
        else:
            print("\n".join(lines(outcome, simulated=simulate)))
        return 0 if outcome.applied and not outcome.still else 1

    return carried_out(command, data, do, json=json)


def _not_done(command: str, error: NotDoneError, *, json: bool) -> int:
    failed(command, error, json=False)
    if json:
        edges = error.links if isinstance(error, TiedError) else []
        as_json({"error": str(error), "edges": msgspec.to_builtins(edges)})
    return 1


def lines(outcome: Outcome, *, simulated: bool) -> Iterator[str]:
    """Say what was said, and what came of it."""
    verb = "cut" if outcome.cut else "join"
    said = f"{verb} {outcome.one} - {outcome.other}, merge id {outcome.merge}"
    if simulated:
        yield f"simulated, nothing is changed: {said}"
    else:
        yield f"{said}: entry {outcome.entry} of the log, by {outcome.by}"
    yield from _change(outcome.change)
    yield from ("", *found) if (found := list(problems(outcome))) else ()


def _change(change: Change) -> Iterator[str]:
    if not change.before and not change.after:
        yield "  nobody is other than before"
        return
    yield from _part("before", [line for one in change.before for line in _someone(one)])
    yield from _part("after", [line for one in change.after for line in _someone(one)])
    yield from _part(
        "segments",
        [f"{e.person} enters {e.segment}" for e in change.entered]
        + [f"{e.person} leaves {e.segment}" for e in change.left],
    )
    yield from _part("runs", [_run(run) for run in change.runs])
    yield from _part("messages decided by it", change.messages)
    yield from _part("limits that the operator's word is above", change.overruled)
    yield from _part("edges that do not hold any more", [line_of(link) for link in change.refused])


def _part(heading: str, rows: list[str]) -> Iterator[str]:
    yield from ("", heading, *(f"  {row}" for row in rows)) if rows else ()


def _someone(one: Someone) -> Iterator[str]:
    yield f"{one.id}  {one.events:,} events since {moment(one.first)}"
    yield f"  {', '.join(one.identifiers)}"
    if one.segments:
        yield f"  in {', '.join(one.segments)}"


def _run(run: Run) -> str:
    name = f"{run.trigger} {run.key}".strip()
    if not run.goes_on:
        return f"{name} ends"
    then = f", then: {run.outcome}" if run.outcome else ""
    return f"{name} goes on with {run.person}, due {moment(run.due)}{then}"
