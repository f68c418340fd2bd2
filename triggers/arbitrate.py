"""The one decision point: every send of a person passes here, in one order, with a reason.

Status, purpose and consent, exclusion, validity, quiet hours, caps, channel fallback, required
variables, hold-out and control group. Priority is the order in which candidates of one record come in.
"""

from collections.abc import Callable, Iterator, Mapping
from zoneinfo import ZoneInfo

import msgspec

from events.record import TRANSACTIONAL_PURPOSE
from profile_state.leaf import Sent
from triggers.definitions import (
    DAY,
    TRANSACTIONAL,
    Cap,
    PurposeRule,
    Quiet,
    SendStep,
    Trigger,
    Workspace,
)
from triggers.goals import held_out
from triggers.local_time import MINUTE, day_begins, end_of_day, quiet_until, zone_of


class Subject(msgspec.Struct, frozen=True):
    """What arbitration needs to know of a person."""

    timezone: str | None
    addresses: Mapping[str, str]  # kind -> the good one that was stated last
    lost: Mapping[str, str]  # names of addresses where nothing is sent -> why
    traits: frozenset[str]  # names of the traits that have a value
    consent: Callable[[str, str], bool | None]  # purpose, channel -> None where never said
    sent: list[Sent]  # oldest first
    person: str
    arms: dict[str, bool]  # experiments of which it is decided whether the person is held out
    excluded: Callable[[str], bool]  # purpose


class Send(msgspec.Struct, frozen=True):
    """Send now."""

    channel: str
    address: str | None


class Hold(msgspec.Struct, frozen=True):
    """Ask again at `until` (ms)."""

    until: int
    reason: str


class Refuse(msgspec.Struct, frozen=True):
    """Do not send. `reason` is a word from docs/language.md, `detail` says which."""

    reason: str
    detail: str = ""


Verdict = Send | Hold | Refuse


def valid_until(
    trigger: Trigger, decided: int, workspace: Workspace, timezone: str | None
) -> int | None:
    """Return the last instant (ms) at which a send decided at `decided` is worth sending."""
    until = None if trigger.valid_for is None else decided + trigger.valid_for
    if trigger.until_end_of_day:
        end = end_of_day(decided, zone_of(timezone, workspace.timezone))
        until = end if until is None else min(until, end)
    return until


def arbitrate(
    trigger: Trigger,
    step: SendStep,
    subject: Subject,
    workspace: Workspace,
    now: int,
    until: int | None,
) -> list[tuple[str, Verdict]]:
    """Decide one send of one person.

    Args:
        trigger: whose `deliver` rules hold.
        step: the send.
        subject: the person as they stand now, earlier sends of the same record included.
        workspace: whose purposes, caps and quiet hours hold.
        now: ms, the log's clock.
        until: ms, the send's validity, None for no end.

    Returns:
        One verdict; with `all: true` one a channel, which it stands beside.
    """
    rule = workspace.purposes.get(step.purpose, TRANSACTIONAL)
    if trigger.status == "paused":
        return [("", _held(now + MINUTE, until, "paused"))]
    if trigger.status == "draft":
        return [("", Refuse("status", trigger.status))]
    if step.purpose in workspace.unknown:  # whether the person is excluded
        return [("", _held(now + MINUTE, until, "warming"))]
    verdicts = [_on(c, trigger, step, rule, subject, workspace, now, until) for c in step.channels]
    if step.every:
        return [(c, _first([v], trigger)) for c, v in zip(step.channels, verdicts, strict=True)]
    return [("", _first(verdicts, trigger))]


def _first(verdicts: list[Verdict], trigger: Trigger) -> Verdict:
    """Return what becomes of a send for which these channels are left, in order."""
    for verdict, action in ((v, _action(v, trigger)) for v in verdicts):
        if isinstance(verdict, Send):
            return verdict
        if action == "delay":
            return verdict if isinstance(verdict, Hold) else Refuse(verdict.reason, verdict.detail)
        if action == "skip":
            return _refusal(verdict)
    return _refusal(verdicts[0])


def _on(
    channel: str,
    trigger: Trigger,
    step: SendStep,
    rule: PurposeRule,
    subject: Subject,
    workspace: Workspace,
    now: int,
    until: int | None,
) -> Verdict:
    said = subject.consent(step.purpose, channel)
    if step.purpose != TRANSACTIONAL_PURPOSE and not (rule.allowed if said is None else said):
        return Refuse("consent", f"{step.purpose} on {channel}")
    if rule.excludes and subject.excluded(step.purpose):
        return Refuse("excluded", step.purpose)
    if until is not None and now > until:
        return Refuse("expired")
    kind = workspace.addresses.get(channel)
    address = None if kind is None else subject.addresses.get(kind)
    if kind is not None and address is None:
        for name, reason in subject.lost.items():
            if name.startswith(f"{kind}:"):
                return Refuse("suppressed", f"{kind}: {reason}")
        return Refuse("no_address", f"no verified {kind}")
    where = zone_of(subject.timezone, workspace.timezone)
    quiet = quiet_of(trigger, rule, workspace)
    awake = awake_at(now, quiet, where)
    if awake > now:
        return _held(awake, until, "quiet_hours")
    if rule.capped:
        free = _room_at(channel, trigger, step, subject, workspace, now, where)
        if free > now:
            # The slot is one at which the send may leave: nobody holds what would be too late, and
            # the hours that the engine itself chose are none for `on_quiet` to skip.
            return _held(awake_at(free, quiet, where), until, "cap")
    missing = [name for name in step.require if name not in subject.traits]
    if missing:
        return Refuse("missing", ", ".join(missing))
    for name, share, reason in experiments(trigger, step, rule):
        if subject.arms.get(name, held_out(subject.person, name, share)):
            return Refuse(reason, name)
    return Send(channel, address)


def experiments(
    trigger: Trigger, step: SendStep, rule: PurposeRule
) -> Iterator[tuple[str, float, str]]:
    """Yield the experiments that a send is part of: name, share held out, reason of a refusal."""
    if step.purpose == TRANSACTIONAL_PURPOSE:
        return
    if trigger.holdout:
        yield trigger.name, trigger.holdout, "holdout"
    if rule.control:
        yield f"control of {step.purpose}", rule.control, "control_group"


def _held(at: int, until: int | None, reason: str) -> Hold | Refuse:
    """Hold until `at`, unless the send is no longer worth sending by then."""
    if until is None or at <= until:
        return Hold(at, reason)
    return Refuse(reason, "the send would be too late afterwards")


def _action(verdict: Verdict, trigger: Trigger) -> str:
    match verdict:
        case Refuse(reason="holdout" | "control_group"):
            return "skip"  # on every channel
        case Hold(reason="quiet_hours") | Refuse(reason="quiet_hours"):
            return trigger.on_quiet
        case Hold(reason="cap") | Refuse(reason="cap"):
            return trigger.on_cap
    return "next_channel"


def _refusal(verdict: Verdict) -> Refuse:
    match verdict:
        case Hold(reason=reason):
            return Refuse(reason)
        case Refuse():
            return verdict
    raise AssertionError("a send is no refusal")


def quiet_of(trigger: Trigger, rule: PurposeRule, workspace: Workspace) -> Quiet | None:
    """Return the quiet hours that hold for a trigger's sends of a purpose."""
    if not rule.quiet:
        return None
    return trigger.quiet if trigger.quiet_set else workspace.quiet


def awake_at(instant: int, quiet: Quiet | None, where: ZoneInfo) -> int:
    """Return the first ms from an instant on at which quiet hours do not hold."""
    end = None if quiet is None else quiet_until(instant, quiet, where)
    return instant if end is None else end


def _room_at(
    channel: str,
    trigger: Trigger,
    step: SendStep,
    subject: Subject,
    workspace: Workspace,
    now: int,
    where: ZoneInfo,
) -> int:
    """Return when both caps have room on a channel, ms.

    A trigger's own cap counts that trigger's sends, the workspace's those of the purpose; purposes
    without caps count nowhere.
    """
    free, sent = now, subject.sent
    own = trigger.caps.get(channel)
    if own is not None:
        purposes = workspace.purposes
        of_trigger = [
            s.time
            for s in sent
            if s.channel == channel
            and s.trigger == trigger.name
            and purposes.get(s.purpose, TRANSACTIONAL).capped
        ]
        free = max(free, _free_at(own, of_trigger, now, where))
    shared = workspace.channel_caps.get(channel, {}).get(step.purpose)
    if shared is not None:
        of_purpose = [s.time for s in sent if s.channel == channel and s.purpose == step.purpose]
        free = max(free, _free_at(shared, of_purpose, now, where))
    return free


def _free_at(cap: Cap, times: list[int], now: int, where: ZoneInfo) -> int:
    """Return when a cap has room (ms): `now`, or when it counts one fewer of its latest sends.

    Days are those of the zone in which the person is now, also for what was sent elsewhere.
    """
    if len(times) < cap.most:
        return now
    oldest = times[-cap.most]
    leaves = day_begins(oldest, cap.per // DAY, where) if cap.calendar else oldest + cap.per
    return max(now, leaves)
