"""A message for the website, and who may show it."""

import re

import msgspec

BROWSER = re.compile(r"[\x21-\x7e]{16,255}")  # a shorter id could be guessed


class Onsite(msgspec.Struct, frozen=True):
    """A message, as browsers get it."""

    id: str  # of the activation; printable ASCII
    template: str
    subject: str
    text: str
    html: str
