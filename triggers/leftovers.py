"""Placeholders of other tools, which a template that was moved here may still have.

Liquid takes them for text, so the first customer would read `Hello {first_name}`.
"""

import re
from typing import NamedTuple

# One pass, and each begins with a character of its own. `%C3%84PFEL%20` of an address is none:
# what follows a byte in percent notation is not the opening of a placeholder.
_TOKEN = re.compile(
    r"\{\$?(?P<brace>[A-Za-z_]\w{0,63}(?:\.\w{1,64}){0,8})\}"  # {first_name}, {$name}, ${name}
    r"|\*\|(?P<bar>[A-Za-z_][\w:]{0,63})\|\*"  # *|FNAME|*
    r"|%%(?P<twice>[A-Za-z_]\w{0,63})%%"  # %%first_name%%
    r"|(?<!%[0-9A-F]{2})%(?P<once>[A-Z][A-Z_]{2,63})%"  # %FIRSTNAME%
)
_LIQUID = re.compile(r"\{%-?\s*comment\b.*?\bendcomment\s*-?%\}|\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)

# What other tools call the links that a message has here.
_LINKS = {
    "unsub": "unsubscribe_url",
    "unsubscribe": "unsubscribe_url",
    "unsubscribe_link": "unsubscribe_url",
    "update_profile": "preferences_url",
    "preferences": "preferences_url",
}


class Leftover(NamedTuple):
    """A placeholder that nobody fills."""

    line: int  # from 1
    token: str
    name: str  # what it asks for


def leftovers(text: str) -> list[Leftover]:
    r"""Find them outside of Liquid.

    Args:
        text: of a template that parses, so every opening has its end.

    >>> leftovers("Hi {{ name }},\nyour {plan} *|FNAME|* p {color: red} {{ '{plan}' }}")
    [Leftover(line=2, token='{plan}', name='plan'), Leftover(line=2, token='*|FNAME|*', name='fname')]
    >>> leftovers("*|UNSUB|*")
    [Leftover(line=1, token='*|UNSUB|*', name='unsubscribe_url')]
    """
    bare = _LIQUID.sub(lambda tag: re.sub(r"[^\n]", " ", tag.group()), text)
    found = []
    for token in _TOKEN.finditer(bare):
        line = bare.count("\n", 0, token.start()) + 1
        name = token.group(token.lastgroup or 0).lower()
        found.append(Leftover(line, token.group(), _LINKS.get(name, name)))
    return found
