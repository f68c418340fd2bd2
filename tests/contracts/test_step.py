"""The battery that every step of a journey passes, with the example in its own file."""

from collections import Counter
from typing import Any

import msgspec
import pytest

from profile_state import hashes
from tests.shop import DAY, HOUR, MINUTE, Shop
from triggers.loading.building import steps
from triggers.steps.base import Step

STEPS = steps()
NAMES = ("welcome", "welcome_pro", "welcome_team")
TEMPLATES = {f"templates/{name}.liquid": f"---\nsubject: {name}\n---\n{name}" for name in NAMES} | {
    "templates/please_confirm.liquid": "---\nsubject: Please\npurpose: transactional\n---\nYes?"
}


def journey(name: str) -> str:
    """A journey that sends, takes the example's step if there is one, and sends again."""
    example = STEPS[name].EXAMPLE.replace("\n", "\n  ") if name else ""
    last = "" if name == "exit" else "\n  - send: {channels: [webhook]}"
    return f"""
trigger: journey
when: {{event: signed_up}}
reentry: always
do:
  - send: {{channels: [email], template: welcome}}
  {example}{last}
deliver: {{purpose: product}}
"""


def lived(name: str, *, dies: bool) -> Shop:
    """A shop in which people live through a journey; with `dies` no engine reads more than once."""
    shop = Shop({"triggers/journey.yaml": journey(name), **TEMPLATES})

    def then(what: str, user: str, **given: Any) -> None:
        shop.do(what, user=user, **given)
        if dies:
            shop.engine.drain()
            shop.open()

    for user, plan in (("ana", "pro"), ("bob", "team"), ("cyd", "free")):
        shop.know(user, email=f"{user}@shop.example", plan=plan)
        then("signed_up", user)
        shop.wait(MINUTE)
    for _ in range(4):
        for user in ("ana", "bob"):
            message = next((a.id for a in shop.sent if a.leaf == f"user_id:{user}"), "")
            then("email_clicked", user, message=message)
        shop.wait(7 * HOUR)
        then("signed_up", "bob")
    shop.wait(3 * DAY)
    return shop


@pytest.mark.parametrize("name", STEPS)
def test_every_step_says_what_it_is(name: str) -> None:
    module = STEPS[name]
    assert module.__doc__
    assert module.SIGNATURE.startswith(name)
    fields = {field.encode_name for field in msgspec.structs.fields(module.Shape)}
    assert name in fields, "the step's word is a key of its shape"


@pytest.mark.parametrize("name", STEPS)
def test_every_step_is_a_frozen_value_of_plain_parts(name: str) -> None:
    shop = Shop({"triggers/journey.yaml": journey(name), **TEMPLATES})
    assert shop.engine.state.workspace is not None
    program = shop.engine.state.workspace.named["journey"].program
    for at, step in program.items():
        assert isinstance(step, Step)
        assert step.at == at
        assert step.__struct_config__.frozen
        assert step.next == "" or step.next in program
        assert msgspec.json.encode(step)


@pytest.mark.parametrize("name", STEPS)
def test_every_step_decides_the_same_however_often_the_engine_dies(name: str) -> None:
    whole, dying = lived(name, dies=False), lived(name, dies=True)
    assert [(a.id, a.decided, a.channel) for a in dying.sent] == [
        (a.id, a.decided, a.channel) for a in whole.sent
    ]
    people = dying.engine.state.people, whole.engine.state.people
    assert hashes.decisions(people[0].values()) == hashes.decisions(people[1].values())
    assert len(whole.sent) >= 6, "a life in which little happens proves little"


@pytest.mark.parametrize("name", STEPS)
def test_every_step_explains_what_became_of_runs_there(name: str) -> None:
    with_it, without = lived(name, dies=False), lived("", dies=False)
    said = Counter((outcome, reason) for _, _, outcome, reason in with_it.explanations)
    said.subtract((outcome, reason) for _, _, outcome, reason in without.explanations)
    assert +said, "nothing is told of this step"
    waiting = [run for p in with_it.engine.state.people.values() for _, run in p.runs()]
    assert len(waiting) <= 1, "after days every run has ended, but for who entered last"
