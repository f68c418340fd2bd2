"""`kairos deliveries`: messages that failed or of which nobody knows, and what becomes of them.

None is sent again blindly: each waits with its reason for thirty days until somebody decides.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import msgspec
from cyclopts import Parameter

from channels.delivery import beside as ledgers
from channels.delivery.beside import UNRENDERED, Choice, Held
from channels.delivery.slot import KEPT, STATES, Row, SlotUnusableError
from events.sources.base import LogUnavailableError
from kairos.operators.words import speaker
from kairos.profile.beside import beside
from kairos.say import as_json, columns, failed, moment
from kairos.settings import Settings, SettingsError
from kairos.where import engine
from profile_state.stores.base import LedgerLostError

MOST = 1_000_000  # decided in one go
SIMULATED = "would be resent"
SHOWN = 20  # of those that stay, named one by one
HINT = (
    "`kairos deliveries show ID` shows one whole, `resend` sends it, `confirm` says that it has "
    "arrived, `drop` lets go of it"
)
WHY = {
    "too_late": "their time is over",
    "elsewhere": "they went to another channel instead",
    "no_body": "they were erased, or waited for more than 30 days",
    "not_held": "they are neither dead nor unknown",
}


def list_(
    *,
    state: str | None = None,
    channel: str | None = None,
    trigger: str | None = None,
    reason: str | None = None,
    limit: int = 100,
    data: Path | None = None,
    json: bool = False,
) -> int:
    """List messages that wait for somebody, those that changed last first, and count them by reason.

    Parameters
    ----------
    state
        Only those in this state of the delivery ledger; else the dead and the unknown ones.
    channel
        Only those of this channel.
    trigger
        Only those of this trigger.
    reason
        Only those whose reason begins so.
    limit
        How many to show; all are counted.
    data
        The data folder of a running `kairos up`; else the KAIROS_* variables, else kairos-data.
    json
        Print one JSON object; times are ms since 1970.
    """

    def told(settings: Settings) -> int:
        if state is not None and state not in STATES:
            raise SettingsError(
                f"--state: one of {', '.join(STATES)} was expected, found {state!r}"
            )
        states = KEPT if state is None else (state,)
        choice = Choice(states=states, channel=channel, trigger=trigger, reason=reason)
        rows = ledgers.chosen(settings.deliveries, choice, max(0, limit))
        counts = ledgers.tallied(settings.deliveries, choice)
        if json:
            by = [
                {"state": of, "channel": on, "reason": why, "count": n}
                for (of, on, why), n in sorted(counts.items())
            ]
            as_json({"messages": [row._asdict() for row in rows], "counts": by})
        else:
            print("\n".join(_table(rows, counts)))
        return 0

    return _carried_out("deliveries list", data, told, json=json)


def show(message: str, *, data: Path | None = None, json: bool = False) -> int:
    """Show one message whole: what became of it, whose it is, and what it is filled with.

    Parameters
    ----------
    message
        Its id, as `kairos deliveries list` shows it.
    data
        The data folder of a running `kairos up`; else the KAIROS_* variables, else kairos-data.
    json
        Print one JSON object; times are ms since 1970.
    """

    def told(settings: Settings) -> int:
        held = ledgers.held(settings.deliveries, _id(message))
        if held is None:
            return failed("deliveries show", f"no message {message} in these ledgers", json=json)
        body = None if held.activation is None else msgspec.structs.asdict(held.activation)
        if json:
            as_json({**held.row._asdict(), "body": body})
        else:
            print("\n".join(_whole(held, body)))
        return 0

    return _carried_out("deliveries show", data, told, json=json)


def resend(
    messages: Annotated[list[str] | None, Parameter(negative=())] = None,
    *,
    state: str | None = None,
    channel: str | None = None,
    trigger: str | None = None,
    reason: str | None = None,
    simulate: bool = False,
    by: str | None = None,
    data: Path | None = None,
    json: bool = False,
) -> int:
    """Send dead or unknown messages once more; a worker takes them up within a second.

    Say which: ids, or at least one of the options that choose. Consent, erasure and validity are
    looked at again, as before every send.

    Parameters
    ----------
    messages
        Ids, as `kairos deliveries list` shows them.
    state
        `dead` or `unknown`.
    channel
        Those of this channel.
    trigger
        Those of this trigger.
    reason
        Those whose reason begins so, such as "http 401".
    simulate
        Send nothing; show which would be.
    by
        Who says so; else your login name.
    data
        The data folder of a running `kairos up`; else the KAIROS_* variables, else kairos-data.
    json
        Print one JSON object.
    """

    def told(settings: Settings) -> int:
        choice = _choice(messages, state, channel, trigger, reason)
        rows = ledgers.chosen(settings.deliveries, choice, MOST)
        ids = [row.id for row in rows]
        became = dict.fromkeys(choice.ids, "not_held")
        if simulate:
            return _said(SIMULATED, became | dict.fromkeys(ids, SIMULATED), json=json)
        version = _version(settings) if any(r.detail.startswith(UNRENDERED) for r in rows) else ""
        became |= ledgers.resend(settings.deliveries, ids, _now(), speaker(by), version)
        return _said("resent", became, json=json)

    return _carried_out("deliveries resend", data, told, json=json)


def confirm(
    messages: Annotated[list[str], Parameter(negative=())],
    *,
    by: str | None = None,
    data: Path | None = None,
    json: bool = False,
) -> int:
    """Say of unknown messages that they have arrived, since the provider knows.

    Parameters
    ----------
    messages
        Ids, as `kairos deliveries list` shows them.
    by
        Who says so; else your login name.
    data
        The data folder of a running `kairos up`; else the KAIROS_* variables, else kairos-data.
    json
        Print one JSON object.
    """
    return _decided("confirm", "confirmed", ledgers.confirm, messages, by, data, json=json)


def drop(
    messages: Annotated[list[str], Parameter(negative=())],
    *,
    by: str | None = None,
    data: Path | None = None,
    json: bool = False,
) -> int:
    """Let go of dead or unknown messages: nobody sends them any more, and their content goes.

    Parameters
    ----------
    messages
        Ids, as `kairos deliveries list` shows them.
    by
        Who says so; else your login name.
    data
        The data folder of a running `kairos up`; else the KAIROS_* variables, else kairos-data.
    json
        Print one JSON object.
    """
    return _decided("drop", "dropped", ledgers.drop, messages, by, data, json=json)


COMMANDS = {"confirm": confirm, "drop": drop, "list": list_, "resend": resend, "show": show}


def _carried_out(
    command: str, data: Path | None, do: Callable[[Settings], int], *, json: bool
) -> int:
    try:
        return do(engine(data))
    except (SettingsError, SlotUnusableError, LedgerLostError, LogUnavailableError) as error:
        return failed(command, error, json=json)


def _decided(
    word: str,
    verb: str,
    decide: Callable[[Path, list[str], int, str], dict[str, str]],
    messages: list[str],
    by: str | None,
    data: Path | None,
    *,
    json: bool,
) -> int:
    """Decide of messages that are named one by one."""

    def told(settings: Settings) -> int:
        ids = [_id(message) for message in messages]
        return _said(verb, decide(settings.deliveries, ids, _now(), speaker(by)), json=json)

    return _carried_out(f"deliveries {word}", data, told, json=json)


def _choice(
    messages: list[str] | None,
    state: str | None,
    channel: str | None,
    trigger: str | None,
    reason: str | None,
) -> Choice:
    """Read which messages are meant."""
    if not messages and (state, channel, trigger, reason) == (None,) * 4:
        raise SettingsError(
            "say which messages: ids, or --state, --channel, --trigger or --reason; "
            "`kairos deliveries list` shows them"
        )
    if state is not None and state not in KEPT:
        raise SettingsError(f"--state: {' or '.join(KEPT)} was expected, found {state!r}")
    return Choice(
        states=KEPT if state is None else (state,),
        ids=tuple(dict.fromkeys(_id(message) for message in messages or ())),
        channel=channel,
        trigger=trigger,
        reason=reason,
    )


def _id(message: str) -> str:
    if len(message) != 32 or message.strip("0123456789abcdef"):
        raise SettingsError(
            f"an id of 32 hexadecimal digits was expected, found {message!r}; "
            "`kairos deliveries list` shows them"
        )
    return message


def _now() -> int:
    return time.time_ns() // 1_000_000


def _version(settings: Settings) -> str:
    """Return the version of the workspace in force."""
    with beside(settings) as running:
        workspace = running.workspace(running.store.peek())
    if workspace is None:
        raise SettingsError("no workspace is in force, so there is no template to take")
    return workspace.hash


def _said(verb: str, became: dict[str, str], *, json: bool) -> int:
    """Say what became of each; 1 where one stays as it was."""
    counts = Counter(became.values())
    stay = {i: why for i, why in became.items() if why in WHY}
    if json:
        as_json({"became": became, "counts": dict(counts)})
    else:
        print(f"{len(became) - len(stay):,} {verb}")
        for i, why in list(stay.items())[:SHOWN]:
            print(f"{i}  stays: {why}")
        for why, n in counts.items():
            if why in WHY:
                print(f"{n:,} stay, {why}: {WHY[why]}")
    return 1 if stay or not became else 0


def _table(rows: list[Row], counts: dict[tuple[str, str, str], int]) -> Iterator[str]:
    if not counts:
        yield "no such messages"
        return
    shown = [("id", "when", "channel", "trigger", "state", "calls", "reason")]
    for row in rows:
        when = moment(row.changed)
        cells = (row.id, when, row.channel, row.trigger, row.state, str(row.attempts), row.detail)
        shown.append(cells)
    yield from columns(shown)
    yield ""
    for (state, channel, reason), n in sorted(counts.items(), key=lambda one: -one[1]):
        yield f"{n:>8,}  {state} {channel}: {reason or 'no reason'}"
    yield HINT


def _whole(held: Held, body: dict[str, Any] | None) -> Iterator[str]:
    row = held.row
    yield f"{row.id}, {row.state} since {moment(row.changed)}: {row.detail or 'no reason'}"
    yield f"decided {moment(row.decided)}, {row.attempts} calls that the provider did not take"
    if body is None:
        yield "its content is not kept any more"
        return
    for name in ("trigger", "channel", "purpose", "template", "person", "leaf", "address"):
        if body[name]:
            yield f"  {name:<10} {body[name]}"
    if body["valid_until"] is not None:
        until = datetime.fromtimestamp(body["valid_until"] / 1000, UTC)
        yield f"  {'until':<10} {until:%Y-%m-%d %H:%M:%S}Z"
    yield ""
    content = {name: body[name] for name in ("facts", "event", "content") if body[name]}
    yield msgspec.json.format(msgspec.json.encode(content), indent=2).decode()
