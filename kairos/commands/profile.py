"""`kairos profile ID`: everything that Kairos knows about one person."""

from pathlib import Path
from typing import Any

import msgspec
import orjson

from channels.delivery.ledger import SlotUnusableError
from events.sources.base import LogUnavailableError
from kairos.profile.find import AmbiguousError
from kairos.profile.links import line_of
from kairos.profile.read import Message, Profile, read
from kairos.say import as_json, failed, moment
from kairos.settings import SettingsError
from kairos.where import engine
from profile_state.stores.base import LedgerLostError

WHY = 5  # lines of a model


def command(id: str, *, data: Path | None = None, events: int = 20, json: bool = False) -> int:  # noqa: A002 - the word on the command line
    """Show a person: identifiers and what joins them, traits, counters, segments, runs, messages.

    Parameters
    ----------
    id
        A user id, anonymous id, e-mail address or phone number; with its type, such as
        user_id:u-1, where it could be several; or a person's own id (p_...).
    data
        The data folder of a running `kairos up`; else the KAIROS_* variables, else kairos-data.
    events
        How many recent events to show.
    json
        Print one JSON object.
    """
    try:
        found = read(engine(data), id, events)
    except (
        AmbiguousError,
        SettingsError,
        LedgerLostError,
        LogUnavailableError,
        SlotUnusableError,
    ) as error:
        return failed("profile", error, json=json)
    if found is None:
        failed("profile", f"nobody is {id!r}", json=json)
        return 1
    if json:
        as_json(msgspec.to_builtins(found))
    else:
        print("\n".join(_lines(found)))
    return 0


def _lines(found: Profile) -> list[str]:
    lines = [f"{found.id}, as of {moment(found.as_of)}"]
    if found.behind:
        lines.append("the engine is behind: the log has more than this shows")
    lines.append(_activity(found))
    lines += _part("identifiers", found.identifiers)
    lines += _part("joined by", [line_of(link) for link in found.joined])
    lines += _part("not joined", [line_of(link) for link in found.refused])
    lines += _part("traits", [_trait(name, said) for name, said in found.traits.items()])
    lines += _part("scores", [f"{n:<24} {_value(s['value'])}" for n, s in found.scores.items()])
    lines += _part(
        "why", [f"{m:<24} {line}" for m, said in found.why.items() for line in said[:WHY]]
    )
    lines += _part("around", [f"{n:<24} {_value(s['value'])}" for n, s in found.around.items()])
    lines += _part("addresses, vouched for", [_address(one) for one in found.addresses])
    lines += _part("consent", [_consent(one) for one in found.consents])
    lines += _part("counters", [f"{k:<48} {_counter(v)}" for k, v in found.counters.items()])
    lines += _part("segments", [_segment(n, s) for n, s in found.segments.items()])
    lines += _part("runs", [_run(run) for run in found.runs])
    lines += _part(
        "messages",
        [
            f"{moment(m.at)}  {m.channel:<9} {m.trigger:<24} {_became(m)}"
            for m in reversed(found.messages)
        ],
    )
    recent = [f"{moment(e['at'])}  {e['name']:<20} {_value(e['properties'])}" for e in found.recent]
    lines += _part("recent events", recent)
    if found.looked_back_to is not None and not found.recent:
        lines.append(f"  none in the log since {moment(found.looked_back_to)}")
    return lines


def _part(heading: str, rows: list[str]) -> list[str]:
    return ["", heading, *(f"  {row}" for row in rows)] if rows else []


def _trait(name: str, said: dict[str, Any]) -> str:
    return f"{name:<24} {_value(said['value'])}{'  (a browser says so)' if said['claimed'] else ''}"


def _value(value: Any) -> str:
    text = value if isinstance(value, str) else orjson.dumps(value, default=str).decode()
    return text if len(text) <= 100 else f"{text[:99]}…"


def _counter(said: Any) -> str:
    if not isinstance(said, dict):
        return str(said)
    times = ("newest", "at")
    parts = (
        f"{name} {moment(value) if name in times and isinstance(value, int) else _value(value)}"
        for name, value in said.items()
        if value is not None
    )
    return ", ".join(parts)


def _activity(found: Profile) -> str:
    if not found.events:
        return "no events"
    events = "1 event" if found.events == 1 else f"{found.events:,} events"
    return f"{events}, {moment(found.first)} to {moment(found.last)}"


def _became(message: Message) -> str:
    """Say what became of a message: where its worker has it, and what was heard of it since."""
    heard = [f"{kind} {moment(at)}" for kind, at in message.receipts.items()]
    said = f"{message.outcome or 'on its way'} {message.detail}".rstrip()
    return "; ".join([said, *heard])


def _address(said: dict[str, Any]) -> str:
    state = f"lost: {said['lost']}" if said["lost"] else said["trust"]
    return f"{said['kind']:<24} {said['address']}  {state}, stated {moment(said['seen'])}"


def _consent(one: dict[str, Any]) -> str:
    channel = "every channel" if one["channel"] == "*" else one["channel"]
    verb = "allowed" if one["granted"] else "denied"
    what = f"{one['purpose']} on {channel}" if one["purpose"] else "some of many purposes"
    return f"{moment(one['at'])}  {verb} {what} ({one['leaf']})"


def _segment(name: str, said: dict[str, int | None]) -> str:
    since, until = said["since"], said["until"]
    leaves = f", until {moment(until)} if nothing happens" if until is not None else ""
    return f"{name:<24} since {moment(since or 0)}{leaves}"


def _run(run: dict[str, Any]) -> str:
    key = f" {run['key']}" if run["key"] else ""
    return f"{run['trigger']}{key}, waits for {run['waits']} until {moment(run['due'])}"
