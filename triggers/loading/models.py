"""`models:` of workspace.yaml, and the scores whose order its bands go by."""

import re
from typing import NamedTuple

from events.scores import remembered
from models.runtime.hours import Opened
from profile_state.surroundings import KINDS
from triggers.code import Code, compiled, feature, functions
from triggers.convert import convert
from triggers.expressions import ExpressionError, parse
from triggers.loading.conditions import FALSE
from triggers.loading.context import Context
from triggers.loading.offers import NOTHING_TO_CHOOSE
from triggers.modelled import Modelled, kinds
from triggers.offers import NEXT_BEST
from triggers.problems import Problem
from triggers.schema import WorkspaceFile
from triggers.yaml import Document, Path

KIND = "model"  # the key that says which, where the name does not
_NAME = re.compile(r"[a-z][a-z0-9_]*")
_WORDS = (
    "and any_of at_least contains entry exists false in is last none_of not of or since true where"
)
_TAKEN = {
    *_WORDS.split(),
    *KINDS,
    "event",
    "item",
    "next_best",
    "recommended",
    "score",
    "segment",
    "trait",
}


def models(context: Context, document: Document, workspace: WorkspaceFile) -> None:
    """Note which models a workspace asks for, before conditions name their scores."""
    known = kinds()
    for name, written in workspace.models.items():
        path: Path = ("models", name)
        said = dict(written) if isinstance(written, dict) else written or {}
        kind, at = name, (*path, "")
        if isinstance(said, dict) and KIND in said:
            kind, at = said.pop(KIND), (*path, KIND)
        if not context.known(document, at, "model", str(kind), known):
            continue
        taken = name != kind and (name in _TAKEN or name in functions())
        if not _NAME.fullmatch(name) or taken:
            expected = "a name such as cancels or win_back, in lower case, that means nothing else"
            context.say(document, (*path, ""), f"{expected}, was expected, found {name!r}")
        module = known[kind]
        if name != kind and hasattr(module, "ALONE"):
            message = f"there is one model `{kind}`, which has no other name"
            context.say(document, (*path, ""), message)
        if kind == NEXT_BEST and workspace.offers is None:
            context.say(document, (*path, ""), NOTHING_TO_CHOOSE)
        options = convert(document, module.Options, said, path)
        if isinstance(options, Problem):
            context.problems.append(options)
            continue
        try:
            label = module.label(options) if hasattr(module, "label") else None
            model = Modelled(name, kind, options, module.features(options), label)
        except ValueError as error:
            context.say(document, path, str(error))
            continue
        for score in sorted(model.scores.keys() & context.scored.keys()):
            other = context.scored[score].name
            message = f"the model {other!r} gives a score {score!r} too; give one another name"
            context.say(document, (*path, ""), message)
        if any(isinstance(one, Opened) for one in model.features):
            context.remember_opens()
        context.models[name] = model
        context.scored |= dict.fromkeys(model.scores, model)


def ranked(context: Context, document: Document) -> dict[str, tuple[Code, frozenset[str]]]:
    """Compile the scores of which bands are shares of all people, each with what may change it."""
    found = {}
    for score, words in context.bands.items():
        if any(band.op in ("top", "bottom") for band in words.values()):
            scope = context.scope(has_event=False)
            try:
                code = compiled(parse(score), scope)
            except ExpressionError as error:
                context.say(document, ("bands", score, ""), error.message)
                code = FALSE
            found[score] = code, frozenset(scope.uses.events)
    return found


class Sources(NamedTuple):
    """How a model looks at people, as sources."""

    look: str  # a person's day and features
    label: str  # what came of an example; "" of a model without any
    slots: frozenset[str]  # that this needs
    mark: float  # of the features


def seen(context: Context, document: Document) -> dict[str, Sources]:
    """Compile what each model looks at."""
    found = {}
    for model in context.models.values():
        with context.slots.noted() as needs:
            sources = [
                _looked_at(context, document, model, nth) for nth in range(len(model.features))
            ]
            label = _label(context, document, model)
        slots = frozenset(need.slot.key for need in needs)
        look = f"day_of(p, now), ({', '.join(sources)},)"
        found[model.name] = Sources(look, label, slots, model.mark(sources))
    return found


def _label(context: Context, document: Document, model: Modelled) -> str:
    """Compile what comes of an example."""
    if model.label is None:
        return ""
    try:
        scope = context.scope(has_event=False)
        return compiled(parse(model.label[0]), scope).value
    except ExpressionError as error:
        message = f"the name of an event, such as order_completed, was expected: {error.message}"
        context.say(document, ("models", model.name, "event"), message)
        return ""


def _looked_at(context: Context, document: Document, model: Modelled, nth: int) -> str:
    """Compile a feature; what a marketer wrote may be wrong."""
    path = ("models", model.name, "looks_at", nth - 1)  # behind what must be there
    scope = context.scope(has_event=False)
    try:
        value = feature(model.features[nth], scope.of_features()).value
    except ExpressionError as error:
        if nth:  # otherwise it is the event's name, see `_label`
            context.say(document, path, error.message, error.column)
        return "None"
    scores = any(remembered(score) in scope.uses.traits for score in context.scored)
    if scores or scope.uses.learnt or scope.uses.segments:
        message = "a model looks at what people did, and at no score of a model's, band or segment"
        context.say(document, path, message)
    return value
