"""Scores that models give: read from a person's features and the version in force, when asked for."""

from collections.abc import Sequence
from functools import cache
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple
from zlib import crc32

import msgspec

from events.scores import remembered
from kairos.discovery import found_in
from models.base import MADE_FOR, Feature, Read, Score, Version
from models.runtime.days import day_of
from profile_state.person import Learnt, Person
from triggers.runtime import trait

if TYPE_CHECKING:
    from triggers.definitions import Workspace

PACKAGE = "models"


@cache
def kinds() -> dict[str, ModuleType]:
    """Find the kinds of models once: a version that comes into force later reads no folder."""
    return found_in(PACKAGE)


class Modelled(NamedTuple):
    """A model that a workspace asks for."""

    name: str
    kind: str  # a file in `models`
    options: msgspec.Struct
    features: tuple[Feature, ...]
    label: tuple[str, int] | None  # what came of an example, see `models.base`; None without any

    @property
    def key(self) -> str:
        """What its versions are known by: those of another kind mean nothing to it."""
        return self.name if self.name == self.kind else f"{self.name}:{self.kind}"

    @property
    def module(self) -> ModuleType:
        """What `models.base` says of a model."""
        return kinds()[self.kind]

    @property
    def scores(self) -> dict[str, str]:
        """The scores that it gives: each by its own name, and that of its kind."""
        own = self.module.SCORES
        return {score.replace(self.kind, self.name, 1): score for score in own}

    def mark(self, sources: Sequence[str]) -> float:
        """Return a number that says of which features a version is, by their sources."""
        words = (self.kind, str(self.module.FORM), *sources)
        return float(crc32("\n".join(words).encode()))

    @property
    def daily(self) -> bool:
        """Whether they change as a person's day turns."""
        return bool(self.module.daily(self.options))


@cache
def _reading(kind: str, score: str) -> Read:
    found: Score = kinds()[kind].SCORES[score]
    return found.read


def scored(
    person: Person,
    told: Any,
    key: str,
    kind: str,
    score: str,
    mark: float,
    now: int,
    *features: Any,
) -> Any:
    """Return a person's score; None as long as the model has no version, or knows nothing of them.

    Args:
        person: who follows a version.
        told: the score that somebody told of them, which stands above a model's.
        key: of the model.
        kind: the same.
        score: one of those that models of the kind give.
        mark: of the features, see `Modelled.mark`.
        now: ms.
        features: as the model looks at them.
    """
    if told is not None:
        return told
    version = person.learnt.models.get(key)
    if version is None or features[0] is None or version.get(MADE_FOR) != mark:
        return None
    return _reading(kind, score)(version, features, day_of(person, now))


def score_of(
    workspace: "Workspace | None", person: Person, learnt: Learnt, score: str, now: int
) -> Any:
    """Return a person's score as somebody told it, or a model gives it; None for none.

    Args:
        workspace: in force.
        person: who may not follow yet what was learnt last.
        learnt: the versions to go by.
        score: its name.
        now: ms.
    """
    told = trait(person.view.traits, remembered(score))
    model = None if workspace is None else workspace.scored.get(score)
    if told is not None or workspace is None or model is None:
        return told
    found = _known(workspace, person, learnt, model, now)
    return None if found is None else _reading(model.kind, model.scores[score])(*found)


def why(workspace: "Workspace", person: Person, learnt: Learnt, model: str, now: int) -> list[str]:
    """Say what of a person moved the scores of a model; nothing where they have none."""
    asked = workspace.models[model]
    found = _known(workspace, person, learnt, asked, now)
    if found is None:
        return []
    said: list[str] = asked.module.why(*found, asked.options)
    return said


def _known(
    workspace: "Workspace", person: Person, learnt: Learnt, model: Modelled, now: int
) -> tuple[Version, tuple[Any, ...], int] | None:
    """Return what a model's scores are read from: its version, the person's features, and their day."""
    version, seeing = learnt.models.get(model.key), workspace.seen[model.name]
    day, features = seeing.look(person, now)
    if version is None or features[0] is None or version.get(MADE_FOR) != seeing.mark:
        return None
    return version, features, day


def scores_of(workspace: "Workspace", person: Person, learnt: Learnt, now: int) -> dict[str, Any]:
    """Return every score that models give of a person, where nobody told another."""
    found = {
        score: score_of(workspace, person, learnt, score, now)
        for score in workspace.scored
        if remembered(score) not in person.view.traits
    }
    return {score: value for score, value in found.items() if value is not None}
