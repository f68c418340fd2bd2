"""Triggers as they were: runs that began on them go on with them after an edit.

They travel with the files of the workspace in force, under `former/WORKSPACE/VERSION/`: the trigger's
own file and the templates of its sends. Segments, purposes and caps are those in force, and so is the
trigger's `status`. One that no longer fits these is left out, and its runs end.
"""

from collections.abc import Mapping

import msgspec

from profile_state.leaf import NEVER
from triggers.definitions import Trigger, Workspace
from triggers.loading.context import Context
from triggers.loading.triggers import Made, triggers
from triggers.schema import TriggerFile

FOLDER = "former/"
Files = dict[str, str]


def apart(files: Mapping[str, str]) -> tuple[Files, dict[str, Files]]:
    """Part the files in force from those of former triggers, by the folder of each.

    >>> apart({"workspace.yaml": "", "former/w1/v1/triggers/a.yaml": "trigger: a"})
    ({'workspace.yaml': ''}, {'former/w1/v1/': {'triggers/a.yaml': 'trigger: a'}})
    """
    current: Files = {}
    former: dict[str, Files] = {}
    for path, text in files.items():
        if not path.startswith(FOLDER):
            current[path] = text
            continue
        _, workspace, version, *rest = path.split("/")
        former.setdefault(f"{FOLDER}{workspace}/{version}/", {})["/".join(rest)] = text
    return current, former


def formers(context: Context, former: dict[str, Files], made: list[Made]) -> list[Made]:
    """Compile former triggers, behind those in force."""
    found: list[Made] = []
    current = {one.trigger.name: one.trigger for one in made}
    for folder, files in sorted(former.items()):
        inner = Context(files, context.addresses)
        inner.slots.by_key.update(context.slots.by_key)
        inner.purposes = context.purposes
        inner.segments, inner.timezone = context.segments, context.timezone
        inner.bands, inner.vouchers = context.bands, context.vouchers
        read = inner.read_folder("triggers/", TriggerFile, "trigger")
        here = triggers(inner, read, len(made) + len(found), set(current))
        if inner.problems or any(one.trigger.name not in current for one in here):
            continue
        context.slots.by_key.update(inner.slots.by_key)
        workspace = folder.split("/")[1]
        for one in here:
            status = current[one.trigger.name].status
            trigger = msgspec.structs.replace(one.trigger, status=status, workspace=workspace)
            found.append(one._replace(trigger=trigger))
    return found


def carried(old: Workspace, files: Mapping[str, str], new: Workspace) -> Files:
    """Return the files of former triggers that a new version takes along.

    Args:
        old: the workspace in force until now.
        files: of it, those of its own former triggers included.
        new: the version that comes into force.
    """
    found: Files = {}
    for trigger in (*old.triggers, *old.formers.values()):
        now = new.named.get(trigger.name)
        moving = now is not None and now.migrate and now.since != NEVER
        if now is None or moving or now.version == trigger.version:
            continue
        found |= _files_of(trigger, files, old)
    return found


def kept(workspace: Workspace, files: Mapping[str, str], in_use: set[tuple[str, str]]) -> Files:
    """Return the files without those of former triggers that no run is on."""
    current, _ = apart(files)
    for key, trigger in workspace.formers.items():
        if key in in_use:
            current |= _files_of(trigger, files, workspace)
    return current


def _files_of(trigger: Trigger, files: Mapping[str, str], workspace: Workspace) -> Files:
    """Return a trigger's files under the folder of former ones, where they may be already."""
    folder = f"{FOLDER}{trigger.workspace or workspace.hash}/{trigger.version}/"
    return {
        folder + path: files[folder + path if trigger.workspace else path] for path in trigger.files
    }
