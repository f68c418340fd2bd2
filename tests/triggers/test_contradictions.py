"""Conditions of which nobody can ever meet all are a mistake, and no others are.

A crowd that lives all kinds of lives is the oracle: what is called a contradiction is met by none of
them, and of any two conditions that are not, somebody meets both.
"""

from itertools import combinations
from random import Random

import pytest

from tests.shop import DAY, HOUR, WORKSPACE, Shop
from triggers.contradictions import contradiction
from triggers.expressions import parse
from triggers.load import load
from triggers.problems import WorkspaceError

CONDITIONS = (
    "plan = pro", "plan = free", "plan in [pro, team]", "plan != pro", "plan exists", "not plan exists",
    "age > 5", "age >= 7", "age < 6", "age <= 5", "age = 5", 'age = "7"', "age in [5, 9]", "age != 5",
    "vip = true", "not vip = true",
    "count(seen) >= 3", "count(seen) < 2", "count(seen, last 7d) >= 2", "count(seen, last 1d) = 1",
    "count(seen, last 7d) < 2", "count(seen, between 7d and 1d ago) >= 1", "not count(seen) >= 3",
    "count(seen where colour = red) >= 1", "count(seen where colour = red, last 7d) >= 2",
    "never(seen)", "never(seen, last 7d)", "not never(seen, last 1d)", "never(seen where colour = red)",
    "since(seen) > 7d", "since(seen) <= 1d", "since(seen) < 7d", "distinct(seen.colour) >= 2",
    "in_segment(vips)", "not in_segment(vips)",
    "(plan = pro or age > 5)", "(plan = pro and age > 5)",
)  # fmt: skip
# What only more than words tells: of what is distinct there is at least as much.
BEYOND = {
    frozenset(pair)
    for pair in (
        ("distinct(seen.colour) >= 2", "count(seen) < 2"),
        ("distinct(seen.colour) >= 2", "never(seen)"),
        ("vip = true", "not in_segment(vips)"),
        ("not vip = true", "in_segment(vips)"),
        ("(plan = pro or age > 5)", "not plan exists"),
    )
}


@pytest.fixture(scope="module")
def lives() -> dict[str, set[str]]:
    """Who of the crowd meets each condition."""
    segments = {
        f"segments/s{nth}.yaml": f"segment: s{nth}\nif:\n  - {text}\n"
        for nth, text in enumerate(CONDITIONS)
    }
    shop = Shop(segments | {"segments/vips.yaml": "segment: vips\nif: [vip = true]\n"})
    draw = Random(7)
    began = shop.now
    moments = []
    for n in range(700):
        user = f"u{n}"
        traits = {
            "plan": draw.choice(["pro", "free", "team", None]),
            "age": draw.choice([5, 5.5, 7, "7", 9, 4, None]),
            "vip": draw.choice([True, False, None]),
        }
        shop.do("identify", user=user, traits={k: v for k, v in traits.items() if v is not None})
        for _ in range(draw.choice([0, 0, 1, 1, 2, 3, 4])):
            at = began + draw.choice([0, DAY, 4 * DAY, 9 * DAY, 9 * DAY + 12 * HOUR])
            moments.append((at, user, draw.choice(["red", "red", "blue", "green"])))
    for at, user, colour in sorted(moments):
        shop.wait_until(at)
        shop.do("seen", user=user, colour=colour)
    shop.wait_until(began + 10 * DAY)
    people = shop.engine.state.people.values()
    return {
        text: {p.id for p in people if f"s{nth}" in p.member} for nth, text in enumerate(CONDITIONS)
    }


def test_nobody_meets_what_is_called_a_contradiction(lives: dict[str, set[str]]) -> None:
    found = 0
    for size in (2, 3):
        for several in combinations(CONDITIONS, size):
            if contradiction([parse(text) for text in several]) is not None:
                found += 1
                assert not set.intersection(*(lives[text] for text in several)), several
    assert found > 1_000


def test_of_two_that_are_none_somebody_meets_both(lives: dict[str, set[str]]) -> None:
    for one, other in combinations(CONDITIONS, 2):
        if contradiction([parse(one), parse(other)]) is None and {one, other} not in BEYOND:
            assert lives[one] & lives[other], (one, other)


@pytest.mark.parametrize(
    ("conditions", "message"),
    [
        ("- plan = pro\n  - age > 5\n  - plan = free\n", "triggers/a.yaml:6:5: this never holds together with the condition of line 4"),
        ("- count(x) < 0\n", "triggers/a.yaml:4:5: this never holds: nobody"),
        ("- age > 5 and age < 3\n", "triggers/a.yaml:4:5: this never holds: nobody"),
        ("- {any_of: [plan = pro, age > 5 and age < 3]}\n", "triggers/a.yaml:4:5: this never holds: nobody"),
        ("- {trait: plan, is: pro}\n  - {trait: plan, in: [free, team]}\n", "triggers/a.yaml:5:5: this never holds together"),
        ("- event.price > 5\n  - event.price = free\n", "triggers/a.yaml:5:5: this never holds together"),
    ],
)  # fmt: skip
def test_it_is_said_where_it_stands(conditions: str, message: str) -> None:
    trigger = (
        f"trigger: a\nwhen: {{event: x}}\nif:\n  {conditions}do: [{{send: {{channels: [log]}}}}]\n"
    )
    files = {
        "workspace.yaml": WORKSPACE,
        "triggers/a.yaml": trigger + "deliver: {purpose: product}\n",
    }
    with pytest.raises(WorkspaceError) as error:
        load(files, {"log": None})
    assert message in str(error.value)
