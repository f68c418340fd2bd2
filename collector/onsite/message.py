"""A message for the website, and who may show it."""

import re

import msgspec

OF = "onsite:of:"  # before a message's id: the key of what it says
TO = "onsite:to:"  # before a browser's id: the key of what waits for it
BROWSER = re.compile(r"[\x21-\x7e]{16,255}")  # a shorter id could be guessed


class Onsite(msgspec.Struct, frozen=True):
    """A message, as browsers get it."""

    id: str  # of the activation; printable ASCII
    template: str
    subject: str
    text: str
    html: str


def told(message: Onsite) -> bytes:
    r"""Write a message as a server-sent event; JSON has no line end, so no text can begin another field.

    >>> told(Onsite("a1", "hello", "Hi", "One\nTwo", ""))[:42]
    b'id: a1\nevent: message\ndata: {"id":"a1","te'
    """
    return b"id: %s\nevent: message\ndata: %s\n\n" % (
        message.id.encode(),
        msgspec.json.encode(message),
    )
