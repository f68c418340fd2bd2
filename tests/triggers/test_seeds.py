"""`seeds` and `examples` of workspace.yaml, and what is said of mistakes in them."""

import pytest

from tests.shop import ADDRESSES
from triggers.load import load
from triggers.loading.seeds import MOST, Examples, Seeds, seeds_of
from triggers.problems import WorkspaceError


def files(text: str) -> dict[str, str]:
    return {"workspace.yaml": f"workspace: shop\n{text}\n"}


def test_what_workers_go_by() -> None:
    said = files(
        "seeds: [Tess@Shop.Example]\nexamples: {first_name: Ana, points: 7, event: {order_id: A-1}}"
    )
    load(said, ADDRESSES)
    assert seeds_of(said) == Seeds(
        ("tess@shop.example",), Examples({"first_name": "Ana", "points": 7}, {"order_id": "A-1"})
    )
    assert seeds_of(files("")) == seeds_of({}) == Seeds()


@pytest.mark.parametrize(
    ("text", "place", "expected"),
    [
        ("seeds: [tess]", (2, 9), "an e-mail address such as inbox@shop.example was expected"),
        ("seeds: [a@b.example, A@b.example]", (2, 22), "'A@b.example' is in the list twice"),
        ("seeds: a@b.example", (2, 8), "list"),
        ("examples: {First Name: Ana}", (2, 12), "Did you mean 'first_name'?"),
        ("examples: {event: {OrderId: 1}}", (2, 20), "Did you mean 'order_id'?"),
        ("examples: {event: A-1}", (2, 19), "properties such as {order_id: A-1001} were expected"),
    ],
)
def test_a_mistake_is_told_with_its_place(text: str, place: tuple[int, int], expected: str) -> None:
    with pytest.raises(WorkspaceError) as error:
        load(files(text), ADDRESSES)
    [problem] = error.value.problems
    assert expected in problem.message
    assert (problem.line, problem.column) == place


def test_there_are_not_too_many() -> None:
    many = ", ".join(f"a{n}@shop.example" for n in range(MOST + 1))
    with pytest.raises(WorkspaceError, match="at most 50 addresses were expected, found 51"):
        load(files(f"seeds: [{many}]"), ADDRESSES)
