"""JSON Schema of a workspace's files, from the types that the loader reads them into.

Editors complete words by it and underline what does not fit, before `kairos validate` says the rest.
"""

from typing import Any

import msgspec

from triggers.loading.building import steps
from triggers.schema import STEPS, OffersFile, SegmentFile, TriggerFile, WorkspaceFile

KINDS: dict[str, type[msgspec.Struct]] = {
    "trigger": TriggerFile,
    "segment": SegmentFile,
    "workspace": WorkspaceFile,
    "offers": OffersFile,
}
SCALAR = ["string", "number", "boolean"]  # whatever stands alone in YAML is text to us


def schema(kind: str) -> dict[str, Any]:
    """Return the schema of one kind of file.

    Args:
        kind: a name in `KINDS`.

    >>> schema("segment")["properties"]["if"]["description"]
    'One condition, or several of which all must hold.'
    """
    known = steps() if kind == "trigger" else {}
    shapes = [KINDS[kind], *(module.Shape for module in known.values())]
    (top, *of_steps), defs = msgspec.json.schema_components(shapes, ref_template="#/$defs/{name}")
    found = {
        name: _read_as_text(one) for name, one in (defs | {"Steps": _list_of(of_steps)}).items()
    }
    for one, (word, module) in zip(of_steps, known.items(), strict=True):
        found[one["$ref"].rpartition("/")[2]] |= {
            "title": word,
            "description": (module.__doc__ or "").strip(),
        }
    own = found.pop(top["$ref"].rpartition("/")[2])
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **own,
        "title": f"Kairos {kind}",
        "$defs": found,
    }


def _list_of(of_steps: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the schema of a list of steps, each of any shape; a lone word is a step that takes nothing."""
    one = {"anyOf": [*of_steps, {"enum": ["exit"]}]}
    return {"anyOf": [{"type": "array", "items": one}, {"enum": ["exit"]}]}


def _read_as_text(part: Any) -> Any:
    """Let scalars of any kind stand where the loader reads text, and steps where there are steps."""
    if isinstance(part, list):
        return [_read_as_text(one) for one in part]
    if not isinstance(part, dict):
        return part
    if part.get("title") == STEPS:
        return {"$ref": "#/$defs/Steps"}
    if part.get("type") == "string":
        return {**part, "type": SCALAR}
    return {key: _read_as_text(one) for key, one in part.items()}
