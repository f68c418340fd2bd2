"""Triggers that fail: what a condition or a step of one trigger raises concerns that trigger alone.

The event is applied, and every other trigger goes on as if this one were not there. One that fails
again and again is paused by a record, so that an alarm says it once instead of each person's
history saying it for ever.

How often a trigger has failed is a function of the log. It goes out ahead of people, as outputs do:
whoever was written ahead of the stored offset does not fail a second time when the log is read
again from there. A count that has reached its end stays as it is, so the pause follows from state
whenever an engine comes to append it.
"""

from collections.abc import Callable, Iterable
from pathlib import PurePath
from typing import ParamSpec, TypeVar

import msgspec

from events.record import START, Offset, Paused
from profile_state.person import Person
from triggers.definitions import Trigger, Workspace
from triggers.state import Failures, State
from triggers.work import Work

MOST, WITHIN = 50, 60_000  # failures, ms of the log's clock: so many within so long pause a trigger
ACTING = ("live", "shadow")  # what is stopped by hand needs no pause

P = ParamSpec("P")
T = TypeVar("T")


def attempt(
    work: Work,
    person: Person,
    trigger: Trigger,
    ask: Callable[P, T],
    *args: P.args,
    **kwargs: P.kwargs,
) -> T | None:
    """Ask what is a trigger's own; None where it raises, which is noted.

    Args:
        work: of the record at hand.
        person: of whom it is asked.
        trigger: whose it is.
        ask: never returns None.
        args: of `ask`.
        kwargs: the same.
    """
    try:
        return ask(*args, **kwargs)
    except MemoryError:
        raise  # says nothing about the trigger
    except Exception as error:  # noqa: BLE001 - an extension may raise whatever it likes
        note(work, person, trigger, error)
        return None


def note(work: Work, person: Person, trigger: Trigger, error: Exception) -> None:
    """Explain a failure, and count it towards the trigger's pause.

    Those of former triggers are not counted: no run begins on them any more.
    """
    place = place_of(error)
    work.explain(person.id, trigger.name, "failed", "error", place)
    state = work.state
    known = state.failures.get(trigger.name)
    times = known.times if known is not None and known.version == trigger.version else []
    if (
        state.offset <= state.failed_before
        or len(times) >= MOST
        or not _acts(state.workspace, trigger.name, trigger.version)
    ):
        return
    times = [*(time for time in times if time > state.now - WITHIN), state.now]
    state.failures[trigger.name] = Failures(trigger.version, state.offset, times, place)
    work.failed = True


def _acts(workspace: Workspace | None, trigger: str, version: str) -> bool:
    """Say whether this version of a trigger is in force, and neither paused nor a draft."""
    found = workspace.named.get(trigger) if workspace is not None else None
    return found is not None and found.version == version and found.status in ACTING


def to_pause(state: State) -> list[Paused]:
    """Return the pauses that are due and not in the log yet, as far as it has been read.

    What is known of failures may be ahead of the log that is read again.
    """
    return [
        Paused(name, known.version, known.place)
        for name, known in state.failures.items()
        if len(known.times) >= MOST
        and known.until < state.offset
        and _acts(state.workspace, name, known.version)
    ]


def pause(state: State, said: Paused) -> bool:
    """Take a pause; False where it concerns nothing that acts, such as a version edited meanwhile."""
    if not _acts(state.workspace, said.trigger, said.version):
        return False
    state.paused = {**state.paused, said.trigger: said}
    return True


def follow(work: Work, workspace: Workspace, offset: Offset) -> None:
    """Let go of the pauses and failures that a workspace lifts: its trigger is another, or was stopped by hand.

    Args:
        work: of the version.
        workspace: which comes into force, as it is written.
        offset: of its record; what failed behind it was recovered from a ledger that is ahead.
    """
    state = work.state
    state.paused = {
        name: said for name, said in state.paused.items() if _acts(workspace, name, said.version)
    }
    kept = {
        name: known
        for name, known in state.failures.items()
        if known.until >= offset or _acts(workspace, name, known.version)
    }
    work.failed = work.failed or kept.keys() != state.failures.keys()
    state.failures = kept


def versions(paused: Iterable[Paused]) -> frozenset[tuple[str, str]]:
    """Return which versions of which triggers are paused, as `triggers.load.load` takes them."""
    return frozenset((said.trigger, said.version) for said in paused)


def recover(state: State, packed: bytes) -> None:
    """Take what a ledger knows of failures.

    Everything up to the last of them is in it, also what followed the stored offset.
    """
    if packed:
        state.failures = msgspec.msgpack.decode(packed, type=dict[str, Failures])
        state.failed_before = max((f.until for f in state.failures.values()), default=START)


def place_of(error: BaseException) -> str:
    """Say what was raised, and where; not with what message, since these quote what people sent.

    >>> try:
    ...     1 / 0
    ... except ZeroDivisionError as error:
    ...     place_of(error).split(":")[0]
    'ZeroDivisionError in <module>'
    """
    last = error.__traceback__
    if last is None:
        return type(error).__name__
    while last.tb_next is not None:
        last = last.tb_next
    code = last.tb_frame.f_code
    file = PurePath(code.co_filename).name
    return f"{type(error).__name__} in {code.co_name}: {file}:{last.tb_lineno}"
