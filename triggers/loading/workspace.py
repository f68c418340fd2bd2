"""workspace.yaml: time zone, purposes, channels and their caps."""

from zoneinfo import available_timezones

from triggers import rules
from triggers.definitions import Cap, PurposeRule
from triggers.loading.context import Context
from triggers.problems import Problem, WorkspaceError
from triggers.schema import Purpose, WorkspaceFile
from triggers.words import nearest
from triggers.yaml import Document

FILE = "workspace.yaml"
STANDARD_PURPOSES = {
    "marketing": Purpose(default="denied"),
    "transactional": Purpose(default="allowed", caps="off", quiet_hours="off"),
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
    zones = available_timezones()
    if workspace.timezone not in zones:
        hint = nearest(workspace.timezone, zones)
        context.say(document, ("timezone",), f"unknown time zone {workspace.timezone!r}.{hint}")
    context.purposes = {
        name: PurposeRule(p.default == "allowed", p.caps == "on", p.quiet_hours == "on")
        for name, p in {**STANDARD_PURPOSES, **workspace.purposes}.items()
    }
    return document, workspace


def channel_caps(
    context: Context, document: Document, workspace: WorkspaceFile
) -> dict[str, dict[str, Cap]]:
    """Return the workspace's caps: channel -> purpose -> cap."""
    caps: dict[str, dict[str, Cap]] = {}
    for channel, options in workspace.channels.items():
        context.known_channel(document, ("channels", channel, ""), channel)
        for purpose, text in options.caps.items():
            path = ("channels", channel, "caps", purpose)
            context.known_purpose(document, path, purpose)
            found = context.rule(rules.cap, text, document, path)
            if found is not None:
                caps.setdefault(channel, {})[purpose] = found
    return caps


def unread_files(context: Context) -> None:
    """Say so where a file lies in a place that nobody reads."""
    for path in sorted(context.files):
        folder, _, name = path.rpartition("/")
        if (
            path.endswith((".yaml", ".yml"))
            and path != FILE
            and folder not in ("segments", "triggers")
        ):
            message = f"nobody reads {name} here; triggers live in triggers/, segments in segments/"
            context.problems.append(Problem(path, 1, 1, message))
