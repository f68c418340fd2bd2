"""Where links of messages lead: only what certainly leads to a host of ours is touched.

Browsers and libraries differ over what an odd URL means, so whatever is odd is not ours: a name
before an `@`, a backslash, a line break, a host in letters beyond ASCII.
"""

import re
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import quote, unquote_plus

WORDS = ("channel", "trigger", "purpose", "template")  # what `{…}` in a parameter may stand for
LONGEST = 2_000  # characters of a link
_URL = re.compile(
    r"(?P<start>https?://(?P<host>[a-z0-9-]+(?:\.[a-z0-9-]+)*)(?::[0-9]{1,5})?)"
    r"(?P<path>/[^?#]*)?(?:\?(?P<query>[^#]*))?(?P<rest>#.*)?",
    re.IGNORECASE | re.ASCII,
)
_ODD = re.compile(r"[\x00-\x1f\x7f\\]")
_SAFE = "!#$%&'()*+,-./:;=?@[]_~"
_WORD = re.compile(r"\{(\w+)\}")


class LinkRules(NamedTuple):
    """What a workspace says of links.

    >>> rules = LinkRules(("shop.example", "*.shop.example"), track=True)
    >>> [rules.ours(host) for host in ("SHOP.example", "a.shop.example", "xshop.example", "example")]
    [True, True, False, False]
    """

    hosts: tuple[str, ...]
    track: bool
    utm: tuple[tuple[str, str], ...] = ()  # parameter -> value, with words

    def ours(self, host: str) -> bool:
        """Tell whether a host is one of those named."""
        host = host.lower()
        return any(
            host.endswith(known[1:]) if known.startswith("*.") else host == known
            for known in self.hosts
        )


def leading(url: str, rules: LinkRules, words: Mapping[str, str]) -> str | None:
    """Return a link to one of our hosts with its parameters, None where it is to stay as it is.

    Parameters that it has already stand. It is ASCII, as a header has it.

    Args:
        url: as it is written.
        rules: of the workspace.
        words: what those in parameters stand for.

    >>> rules = LinkRules(("shop.example",), True, (("utm_medium", "{channel}"), ("utm_source", "k")))
    >>> leading("https://shop.example/größe?utm_source=x#top", rules, {"channel": "e mail"})
    'https://shop.example/gr%C3%B6%C3%9Fe?utm_source=x&utm_medium=e%20mail#top'
    >>> leading("https://shop.example@evil.example/", rules, {})
    """
    url = url.strip(" \t\n\r\f")
    found = _URL.fullmatch(url)
    if found is None or _ODD.search(url) or len(url) > LONGEST or not rules.ours(found["host"]):
        return None
    try:
        path, query, rest = (quote(found[n] or "", _SAFE) for n in ("path", "query", "rest"))
    except UnicodeEncodeError:  # half a character
        return None
    there = {unquote_plus(pair.partition("=")[0]) for pair in query.split("&")}
    more = [
        f"{name}={quote(value, '')}"
        for name, said in rules.utm
        if name not in there and (value := filled(said, words))
    ]
    query = "&".join(part for part in (query, *more) if part)
    return f"{found['start']}{path or '/'}{'?' if query else ''}{query}{rest}"


def filled(said: str, words: Mapping[str, str]) -> str:
    """Put words into a parameter's value.

    >>> filled("{channel}-{trigger}", {"channel": "email", "trigger": "welcome"})
    'email-welcome'
    """
    return _WORD.sub(lambda word: words.get(word[1], ""), said)


def strangers(said: str) -> list[str]:
    """Return the words of a parameter's value that stand for nothing.

    >>> strangers("{chanel}-{trigger}")
    ['chanel']
    """
    return [word for word in _WORD.findall(said) if word not in WORDS]
