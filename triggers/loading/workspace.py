"""workspace.yaml: time zone, purposes, channels and their caps."""

import re
from collections.abc import Mapping

import msgspec

from events.names import slug
from kairos.durations import duration
from profile_state.identity import ANONYMOUS, DEFAULT_LIMITS
from triggers import rules
from triggers.code import Code
from triggers.definitions import TRANSACTIONAL, Band, Cap, PurposeRule
from triggers.loading.caps import caps
from triggers.loading.conditions import of_anybody
from triggers.loading.context import Context
from triggers.local_time import zones
from triggers.problems import Problem, WorkspaceError
from triggers.schema import CALENDAR, Purpose, WorkspaceFile
from triggers.slots import Asks
from triggers.vouchers import NAME as POOL
from triggers.words import nearest
from triggers.yaml import Document

FILE = "workspace.yaml"
DAY = 86_400_000  # ms
FORGET_AFTER = 180 * DAY  # where the workspace says nothing
_FLEETING = re.compile(r"(^|_)(session|request|page|visit|event|message|transaction|order)(_|$)")
STANDARD_PURPOSES = {
    "marketing": Purpose(default="denied"),
    "transactional": Purpose(default="allowed"),
}


def workspace_file(context: Context) -> tuple[Document, WorkspaceFile]:
    """Read workspace.yaml, without which nothing else can be checked.

    Raises:
        WorkspaceError: it is missing, or cannot be read.
    """
    if FILE not in context.files:
        raise WorkspaceError([Problem(FILE, 1, 1, f"the workspace folder has no {FILE}")])
    found = context.read(FILE, WorkspaceFile)
    if found is None:
        raise WorkspaceError(context.problems)
    document, workspace = found
    if workspace.timezone not in zones():
        hint = nearest(workspace.timezone, zones())
        context.say(document, ("timezone",), f"unknown time zone {workspace.timezone!r}.{hint}")
    else:
        context.timezone = workspace.timezone
    _identifier_types(context, document, workspace)
    _purposes(context, document, workspace)
    _control_groups(context, document, workspace)
    _vouchers(context, document, workspace)
    for score, words in workspace.bands.items():
        for word, text in words.items():
            band = context.rule(rules.band, text, document, ("bands", score, word))
            context.bands.setdefault(score, {})[word] = band or Band(">", 0.0)
    return document, workspace


def in_force(files: Mapping[str, str]) -> tuple[Context, Document, WorkspaceFile] | None:
    """Read the workspace.yaml of a version that was let in, for what workers go by.

    Args:
        files: of the version; None is returned where it has no such file.
    """
    context = Context(files, {})
    found = context.read(FILE, WorkspaceFile) if FILE in files else None
    return None if found is None else (context, *found)


def _purposes(context: Context, document: Document, workspace: WorkspaceFile) -> None:
    for name, said in {**STANDARD_PURPOSES, **workspace.purposes}.items():
        excludes = name in workspace.exclude
        if name == CALENDAR:
            message = f"{name!r} has a meaning of its own in `caps`; give the purpose another name"
            context.say(document, ("purposes", name, ""), message)
        if name == "transactional":
            context.purposes[name] = msgspec.structs.replace(TRANSACTIONAL, excludes=excludes)
            for key, word in (("caps", said.caps), ("quiet_hours", said.quiet_hours)):
                path = ("purposes", name, key)
                if path in document.places and word == "on":
                    context.say(document, path, "transactional sends have no caps or quiet hours")
        else:
            context.purposes[name] = PurposeRule(
                said.default == "allowed",
                said.caps == "on",
                said.quiet_hours == "on",
                excludes=excludes,
                label=said.label,
            )


def _control_groups(context: Context, document: Document, workspace: WorkspaceFile) -> None:
    for purpose, text in workspace.control_group.items():
        path = ("control_group", purpose)
        share = context.rule(rules.share, text, document, path)
        if context.known_purpose(document, (*path, ""), purpose) and share is not None:
            rule = context.purposes[purpose]
            context.purposes[purpose] = msgspec.structs.replace(rule, control=share)
        if purpose == "transactional":
            context.say(document, (*path, ""), "transactional sends are never held out")


def _vouchers(context: Context, document: Document, workspace: WorkspaceFile) -> None:
    for pool, said in workspace.vouchers.items():
        path = ("vouchers", pool)
        if not re.fullmatch(POOL, pool):
            expected = "a name such as summer or summer_26, in lower case, was expected"
            context.say(document, (*path, ""), f"{expected}, found {pool!r}")
        if said.low < 0:
            message = f"`low: 0` or more was expected, found {said.low}"
            context.say(document, (*path, "low"), message)
        context.vouchers[pool] = said.low


def excluded(
    context: Context, document: Document, workspace: WorkspaceFile
) -> dict[str, tuple[Code, Asks]]:
    """Compile whom nothing of a purpose may reach."""
    found = {}
    for purpose, conditions in workspace.exclude.items():
        path = ("exclude", purpose)
        context.known_purpose(document, (*path, ""), purpose)
        code, asks, _ = of_anybody(context, document, conditions, path)
        found[purpose] = (code, asks)
    return found


def forget_after(context: Context, document: Document, workspace: WorkspaceFile) -> int:
    """Return after how many ms a visitor is let go of."""
    for kind, limit in workspace.identity.items():
        if limit.forget_after is None:
            continue
        path = ("identity", kind, "forget_after")
        if kind != ANONYMOUS:
            context.say(
                document, path, f"only {ANONYMOUS} is forgotten for staying away, found {kind!r}"
            )
        found = context.rule(duration, limit.forget_after, document, path)
        if found is not None and found < DAY:
            context.say(document, path, f"`1d` or more was expected, found {limit.forget_after!r}")
        if found is not None:
            return found
    return FORGET_AFTER


def _identifier_types(context: Context, document: Document, workspace: WorkspaceFile) -> None:
    """Refuse types that nobody sends; an id of a session would join all who ever shared a device."""
    for kind, limit in workspace.identity.items():
        path = ("identity", kind)
        if _FLEETING.search(slug(kind)):
            context.say(
                document,
                path,
                f"{kind!r} changes with each session, request or page and names no person; "
                "leave it out, or send it as a property",
            )
        elif kind not in DEFAULT_LIMITS:
            hint = nearest(kind, DEFAULT_LIMITS)
            known = ", ".join(sorted(DEFAULT_LIMITS))
            context.say(
                document, path, f"unknown type of identifier {kind!r}.{hint} Known: {known}"
            )
        if limit.max is not None and limit.max < 1:
            context.say(document, path, f"`max: 1` or more was expected, found {limit.max}")


def channel_caps(
    context: Context, document: Document, workspace: WorkspaceFile
) -> dict[str, dict[str, Cap]]:
    """Return the workspace's caps: channel -> purpose -> cap."""
    found: dict[str, dict[str, Cap]] = {}
    for channel, options in workspace.channels.items():
        context.known_channel(document, ("channels", channel, ""), channel)
        path = ("channels", channel, "caps")
        found[channel] = caps(context, document, path, options.caps, "purpose", context.purposes)
        for purpose in found[channel]:
            rule = context.purposes.get(purpose)
            if rule is not None and not rule.capped:
                message = f"{purpose!r} has no caps, so this one would limit nothing"
                context.say(document, (*path, purpose), message)
    return found


def unread_files(context: Context, workspace: WorkspaceFile) -> None:
    """Say so where a file lies in a place that nobody reads."""
    for path in sorted(context.files):
        folder, _, name = path.rpartition("/")
        if (
            path.endswith((".yaml", ".yml"))
            and path not in (FILE, workspace.offers)
            and folder not in ("segments", "triggers", "webhooks")
        ):
            message = (
                f"nobody reads {name} here; triggers live in triggers/, segments in segments/, "
                "webhooks in webhooks/"
            )
            context.problems.append(Problem(path, 1, 1, message))
