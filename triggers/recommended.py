"""What a model recommends to a person: its score `recommended` names items, the best first.

What the catalogue says of them is read when it is asked: an item that is out of stock, or gone, is
recommended to nobody, however old the score is.
"""

from typing import Any

from events.names import slug
from profile_state.naming import name_of
from profile_state.person import Person

RECOMMENDED = "recommended"  # the score, and what templates call the items
CATEGORY = "category"  # the field of an item that names one, or several
SHOWN = 10  # items that a template gets


def recommended(
    person: Person, score: Any, most: int, category: str | None = None
) -> list[str] | None:
    """Return the ids of the items that are recommended first; None for nothing.

    Args:
        person: with the catalogue of their partition.
        score: theirs, which names items, the best first.
        most: of them.
        category: slug of the only one that is asked for.
    """
    found: list[str] = []
    for one in score if isinstance(score, list | tuple) else ():
        name = name_of(one)
        if not person.items.there(name):
            continue
        item = person.items.fields(name) or {}
        if category is None or category in _categories(item.get(CATEGORY)):
            found.append(name)
        if len(found) == most:
            break
    return found or None


def items(person: Person, score: Any) -> list[dict[str, Any]]:
    """Return what a template may say of the items that are recommended first."""
    names = recommended(person, score, SHOWN) or ()
    return [{**(person.items.fields(name) or {}), "id": name} for name in names]


def _categories(said: Any) -> set[str]:
    """Read the categories of an item.

    >>> sorted(_categories(["Running Shoes", "Sale"])), _categories(None)
    (['running_shoes', 'sale'], set())
    """
    several = said if isinstance(said, list | tuple) else [said]
    return {slug(name_of(one)) for one in several if one is not None}
