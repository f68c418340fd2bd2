"""Where on a website a person may be shown something: in browsers that are theirs beyond doubt.

What is shown somewhere can be read there, and a browser's key is public: whoever has it can claim
to be anybody. So a claim leads nowhere. A browser is the person's where a server, an identity
token or an operator tied it to them, or where nobody knows more of them than that browser.
"""

import re

from events.record import CLAIMED
from profile_state.identity import ANONYMOUS, kind_of
from profile_state.person import Person

MOST = 5  # browsers of one person; those seen last
# An anonymous id is also what a browser asks for its messages by, so it must not be guessed. Other
# characters than these are in no id that is drawn at random, and a space is between two of them.
SECRET = re.compile(r"[\x21-\x7e]{16,255}")


def browsers(person: Person) -> list[str]:
    """Return the anonymous ids of the browsers in which a person may be shown something, latest first.

    Args:
        person: anybody.

    Returns:
        At most MOST; none where a browser only claims to be theirs.

    >>> a = "anonymous_id:0b9a3c52-7d0e-4f7e-8f30-0d5a4e6c8a11"
    >>> browsers(Person("p", {a}, {}))
    ['0b9a3c52-7d0e-4f7e-8f30-0d5a4e6c8a11']
    >>> browsers(Person("p", {a, "user_id:u1"}, {}))
    []
    """
    own = _tied(person)
    found = [i for i in own if kind_of(i) == ANONYMOUS and SECRET.fullmatch(_value(i))]
    found.sort(key=lambda i: (person.leaves[i].last if i in person.leaves else 0, i), reverse=True)
    return [_value(i) for i in found[:MOST]]


def _tied(person: Person) -> set[str]:
    """Return what more than a claim ties to who the person is; nothing where that is in doubt."""
    parts = {identifier: {identifier} for identifier in person.ids}
    for e in person.edges:
        if e.trust > CLAIMED and parts[e.a] is not parts[e.b]:
            parts[e.a] |= parts[e.b]
            for identifier in parts[e.b]:
                parts[identifier] = parts[e.a]
    known = {i for i in person.ids if kind_of(i) != ANONYMOUS} or person.ids
    part = parts.get(min(known, default=""), set())
    return part if known <= part else set()


def _value(identifier: str) -> str:
    return identifier.partition(":")[2]
