"""JSON Schema of a workspace's files, from the types that the loader reads them into.

Editors complete words by it and underline what does not fit, before `kairos validate` says the rest.
"""

from typing import Any

import msgspec

from triggers.code import functions
from triggers.loading.building import steps
from triggers.loading.mappings import COMPARISONS, NESTED, WINDOWS, subjects
from triggers.loading.models import KIND
from triggers.modelled import kinds
from triggers.schema import (
    CONDITION,
    MODELS,
    STEPS,
    OffersFile,
    SegmentFile,
    TriggerFile,
    WebhookFile,
    WorkspaceFile,
)
from triggers.signatures import signature_of

KINDS: dict[str, type[msgspec.Struct]] = {
    "trigger": TriggerFile,
    "segment": SegmentFile,
    "workspace": WorkspaceFile,
    "offers": OffersFile,
    "webhook": WebhookFile,
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
    defs |= {"Steps": _list_of(of_steps), "Condition": _condition()}
    defs |= {"Models": _models()} if kind == "workspace" else {}
    found = {name: _read_as_text(one) for name, one in defs.items()}
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


def _models() -> dict[str, Any]:
    """Return the schema of what `models` asks for: each by its kind's name, or saying its kind."""
    modules = kinds()
    shapes = {kind: _options(kind, module.Options) for kind, module in modules.items()}
    return {
        "type": "object",
        "properties": {
            kind: {
                "anyOf": [shape, {"type": "null"}],
                "description": (modules[kind].__doc__ or "").strip(),
            }
            for kind, shape in shapes.items()
        },
        "additionalProperties": {
            "anyOf": [{**shape, "title": k, "required": [KIND]} for k, shape in shapes.items()]
        },
    }


def _options(kind: str, shape: type[msgspec.Struct]) -> dict[str, Any]:
    """Return the schema of a model's options."""
    (ref,), defs = msgspec.json.schema_components([shape], ref_template="{name}")
    found: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(defs[ref["$ref"]]))
    return {**found, "properties": {KIND: {"enum": [kind]}, **found["properties"]}}


def _list_of(of_steps: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the schema of a list of steps, each of any shape; a lone word is a step that takes nothing."""
    one = {"anyOf": [*of_steps, {"enum": ["exit"]}]}
    return {"anyOf": [{"type": "array", "items": one}, {"enum": ["exit"]}]}


def _condition() -> dict[str, Any]:
    """Return the schema of one condition: text, or a mapping of the words that it may be written with."""
    a_list = {"type": "array", "items": {"title": CONDITION}}
    beside = {key for module in functions().values() for key in signature_of(module).named}
    words: dict[str, Any] = {
        **{word: {} for word in sorted({*WINDOWS, *beside})},
        **{word: {"description": f"`{op}`"} for word, op in COMPARISONS.items()},
        **dict.fromkeys(NESTED, a_list),
        "where": {"anyOf": [a_list, {"title": CONDITION}]},
        **{
            word: {"description": f"{form} | a window" if word in WINDOWS else form}
            for word, form in subjects().items()
        },
    }
    mapping = {"type": "object", "properties": words, "additionalProperties": False}
    return {"anyOf": [{"type": "string"}, mapping]}


def _read_as_text(part: Any) -> Any:
    """Let scalars of any kind stand where the loader reads text, and steps where there are steps."""
    if isinstance(part, list):
        return [_read_as_text(one) for one in part]
    if not isinstance(part, dict):
        return part
    if part.get("title") == STEPS:
        return {"$ref": "#/$defs/Steps"}
    if part.get("title") == CONDITION:
        return {"$ref": "#/$defs/Condition"}
    if part.get("title") == MODELS:
        return {"$ref": "#/$defs/Models"}
    if part.get("type") == "string":
        return {**part, "type": SCALAR}
    return {key: _read_as_text(one) for key, one in part.items()}
