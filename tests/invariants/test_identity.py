"""I6: no two user ids become one person unless a verified or an operator's edge says so."""

from collections.abc import Iterable

import pytest
from hypothesis import given, settings

from events.record import OPERATOR, VERIFIED, Event, Join
from tests.invariants.histories import Said, histories, joins, people_in
from tests.shop import WORKSPACE, Shop

TWO_USERS = WORKSPACE + "identity: {user_id: {max: 3}}\n"


def reached(identifier: str, statements: Iterable[frozenset[str]]) -> set[str]:
    """Follow statements from an identifier, again and again over all of them."""
    found = {identifier}
    for _ in statements:
        for statement in statements:
            if found & statement:
                found |= statement
    return found


def vouched(history: list[Said], trust: int) -> list[frozenset[str]]:
    """List the pairs that are said with this trust or more, and that no operator's last word cuts."""
    last: dict[frozenset[str], tuple[int, str, bool]] = {}
    for said in history:
        if isinstance(said, Join):
            pair, word = frozenset((said.one, said.other)), (said.time, said.id, said.cut)
            last[pair] = max(last.get(pair, word), word)
    parted = {
        frozenset((said.one, said.other)) for said in history if isinstance(said, Join) and said.cut
    }
    pairs = [pair for pair, (_, _, cut) in last.items() if not cut]
    pairs += [
        pair
        for said in history
        if isinstance(said, Event) and said.trust >= trust
        for other in said.ids[1:]
        if (pair := frozenset((said.leaf, other))) not in parted
    ]
    return pairs


@pytest.mark.parametrize(
    ("workspace", "trust"),
    [
        pytest.param(WORKSPACE, OPERATOR, id="one user id a person: only an operator joins two"),
        pytest.param(TWO_USERS, VERIFIED, id="several allowed: a verified statement does too"),
    ],
)
@settings(max_examples=120, deadline=None)
@given(history=histories(joins, joins, joins))
def test_i6_two_user_ids_are_one_person_only_where_trusted_statements_connect_them(
    workspace: str, trust: int, history: list[Said]
) -> None:
    shop, said = Shop(workspace=workspace), vouched(history, trust)
    shop.say(history)
    shop.engine.drain()
    for person in people_in(shop.shelf):
        users = sorted(i for i in person.ids if i.startswith("user_id:"))
        if users:
            assert set(users) <= reached(users[0], said)
