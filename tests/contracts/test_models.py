"""The battery of models: whatever one gives, it gives by these rules."""

import random
from functools import cache, partial
from types import ModuleType
from typing import Any

import msgspec
import pytest

from events.record import OFFER_DRAWN, WORKER, Event, Related, own_event
from flows.learner import AT, RELATED, Learner
from kairos.discovery import found_in
from models.base import MADE_FOR, QUALITY, Seen, Version
from models.runtime.asked import weighed
from models.runtime.draws import Draw
from profile_state.person import NOTHING_LEARNT, Learnt, Person
from tests.models.histories import START, history
from tests.shop import ADDRESSES, DAY
from triggers.core import Batch
from triggers.modelled import PACKAGE, score_of, scores_of

MODELS = found_in(PACKAGE)
NOW = START + 62 * DAY
OPTIONS = {"churn": "{within: 10d}", "next_best": "{within: 10d}"}
OFFERS = ("spring_10", "vip_20")
FITTED = [name for name, module in sorted(MODELS.items()) if hasattr(module, "fit")]


@cache
def read(model: str) -> Learner:
    """A learner that has read a history."""
    files = {
        "workspace.yaml": f"workspace: shop\nmodels: {{{model}: {OPTIONS.get(model, '')}}}\n"
        "offers: offers.yaml\n",
        "offers.yaml": f"offers: {{{OFFERS[0]}: {{}}, {OFFERS[1]}: {{}}}}",
    }
    learner = Learner(files, ADDRESSES, newest=NOW)
    for nth, (when, event) in enumerate(history(11, people=250)):
        opened = event_of(event, "email_opened", nth)
        learner.take(Batch(2 * nth, START + when, [event, opened]))
        if model == "next_best":
            learner.take(Batch(2 * nth + 1, START + when, [drawn(learner, event, nth)]))
    learner.passed(NOW)
    for said in learner.news():
        if isinstance(said, Related):
            learner.state.catalog.relate(said, learner.state.offset)
    return learner


def event_of(event: Event, name: str, nth: int) -> Event:
    """The same person does something else."""
    key = nth.to_bytes(16, "big")
    return msgspec.structs.replace(event, name=name, key=key, properties={"message": f"e{nth}"})


def drawn(learner: Learner, event: Event, nth: int) -> Event:
    """An offer is given, one or the other."""
    seeing, now = learner.workspace.seen["next_best"], learner.state.now
    person = learner.state.find(event.leaf)
    assert person is not None
    draw = Draw(
        id=f"{nth:032x}",
        at=now,
        offer=OFFERS[nth % 2],
        probability=0.5,
        among=OFFERS,
        features=tuple(weighed(seeing.look(person, now)[1])),
        made_for=seeing.mark,
    )
    said = {"message": f"m{nth}", **msgspec.to_builtins(draw)}
    return own_event(WORKER, event.leaf, f"{nth}/drawn", OFFER_DRAWN, now, properties=said)


def fitted(model: str) -> Version:
    return {
        name: value
        for name, value in read(model).owed[model].items()
        if name not in (AT, MADE_FOR, RELATED)
    }


def learnt(model: str, version: Version) -> Learnt:
    mark = read(model).workspace.seen[model].mark
    return Learnt({}, {model: {**version, MADE_FOR: mark}})


def everybody(model: str) -> list[Person]:
    return [person for person in read(model).state.people.values() if person.leaves]


@pytest.fixture(params=sorted(MODELS))
def model(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def test_it_says_what_it_is(model: str) -> None:
    module: ModuleType = MODELS[model]
    assert module.__doc__
    assert module.SCORES
    assert all(
        score == model or score[: len(model) + 1] in (f"{model}.", f"{model}_")
        for score in module.SCORES
    )
    assert all(score.about for score in module.SCORES.values())
    assert isinstance(module.daily(module.Options()), bool)
    assert module.features(module.Options())


def test_it_is_plain_numbers_which_come_back_from_the_log_as_they_were(model: str) -> None:
    version = fitted(model)
    assert all(type(value) is float for value in version.values())
    assert AT not in version
    again = msgspec.msgpack.decode(msgspec.msgpack.encode(version), type=dict[str, float])
    assert again == version


def test_everybody_scores_the_same_by_what_came_back(model: str) -> None:
    version = fitted(model)
    again = msgspec.msgpack.decode(msgspec.msgpack.encode(version), type=dict[str, float])
    workspace, scored = read(model).workspace, 0
    for person in everybody(model):
        of = [scores_of(workspace, person, learnt(model, v), NOW) for v in (version, again)]
        assert of[0] == of[1]
        scored += bool(of[0])
    assert scored > 100


@pytest.mark.parametrize("model", FITTED)
def test_the_order_of_people_does_not_matter(model: str) -> None:
    learner = read(model)
    people, at = learner.seen(model, NOW), int(learner.owed[model][AT])
    order = random.Random(1).sample(range(len(people)), len(people))

    def see(now: int) -> list[Seen | None]:
        found = learner.seen(model, now)
        return [found[nth] for nth in order]

    options = learner.workspace.models[model].options
    assert MODELS[model].fit(see, at, options) == fitted(model)
    if hasattr(MODELS[model], "related"):
        in_order = MODELS[model].related(partial(learner.seen, model), at, options)
        assert MODELS[model].related(see, at, options) == in_order


def test_a_score_needs_nothing_of_a_version_but_its_numbers(model: str) -> None:
    version = {name: v for name, v in fitted(model).items() if not name.startswith(QUALITY)}
    workspace = read(model).workspace
    for person in everybody(model)[:50]:
        assert scores_of(workspace, person, learnt(model, version), NOW) == scores_of(
            workspace, person, learnt(model, fitted(model)), NOW
        )


def test_nobody_scores_before_there_is_a_version(model: str) -> None:
    for person in everybody(model):
        assert scores_of(read(model).workspace, person, NOTHING_LEARNT, NOW) == {}


@pytest.mark.parametrize("model", FITTED)
def test_too_few_people_make_no_version(model: str) -> None:
    options: Any = read(model).workspace.models[model].options
    few = [one for one in read(model).seen(model, NOW) if one is not None][:3]

    def see(_now: int) -> list[Seen | None]:
        return [*few, None]

    assert MODELS[model].fit(see, NOW, options) is None
    assert MODELS[model].fit(lambda _: [], NOW, options) is None


@pytest.mark.parametrize("model", FITTED)
def test_only_a_model_that_says_so_changes_by_time_alone(model: str) -> None:
    known, workspace = learnt(model, fitted(model)), read(model).workspace
    people = everybody(model)
    changes = [
        score_of(workspace, person, known, score, NOW)
        != score_of(workspace, person, known, score, NOW + 9 * DAY)
        for person in people
        for score in MODELS[model].SCORES
    ]
    assert any(changes) is MODELS[model].daily(workspace.models[model].options)
