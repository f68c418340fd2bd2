"""What our pages say, in the languages that they speak."""

from collections.abc import Mapping
from typing import Literal

Language = Literal["en", "de"]

_EN = {
    "leave": "Unsubscribe",
    "leave_ask": "You get no more messages of this kind then:",
    "left": "You are unsubscribed",
    "left_what": "No more messages of this kind will come:",
    "left_late": "One that is on its way already may still arrive.",
    "by": "{purpose}, by {channel}",
    "unknown": "This link does not work",
    "unknown_what": "It is not whole, or not ours. Open it from the message once more.",
    "busy": "Not at this moment",
    "busy_what": "Please try again in a minute.",
    "email": "e-mail",
    "sms": "text message",
    "push": "push message",
    "web": "notes on the website",
    "whatsapp": "WhatsApp",
}
_DE = {
    "leave": "Abmelden",
    "leave_ask": "Nachrichten dieser Art kommen dann nicht mehr:",
    "left": "Sie sind abgemeldet",
    "left_what": "Nachrichten dieser Art kommen nicht mehr:",
    "left_late": "Eine, die schon unterwegs ist, kann noch eintreffen.",
    "by": "{purpose}, per {channel}",
    "unknown": "Dieser Link geht nicht",
    "unknown_what": "Er ist nicht vollständig oder nicht von uns. Öffnen Sie ihn noch einmal aus der Nachricht.",
    "busy": "Im Moment geht es nicht",
    "busy_what": "Bitte versuchen Sie es in einer Minute noch einmal.",
    "email": "E-Mail",
    "sms": "SMS",
    "push": "Push-Nachricht",
    "web": "Hinweis auf der Website",
    "whatsapp": "WhatsApp",
}
WORDS: Mapping[Language, Mapping[str, str]] = {"en": _EN, "de": _DE}


def spoken(accepted: str) -> Language:
    """Return the language that a browser asks for before the other, English where it asks for none.

    >>> spoken("de-AT,de;q=0.9,en;q=0.8"), spoken("fr, en;q=0.5, de;q=0.4"), spoken("de;q=0, *")
    ('de', 'en', 'en')
    """
    best: Language = "en"
    most = 0.0
    for part in accepted[:500].split(","):
        tag, _, rest = part.partition(";")
        language = tag.strip().lower().split("-")[0]
        weight = _weight(rest)
        if (language in ("en", "de")) and weight > most:
            best, most = "de" if language == "de" else "en", weight
    return best


def _weight(said: str) -> float:
    """Read `q=0.8`; without one it is 1."""
    _, named, value = said.partition("q=")
    if not named:
        return 1.0
    try:
        return float(value)
    except ValueError:
        return 0.0


def kind_of(purpose: str, channel: str, language: Language) -> str:
    """Say what kind of message a purpose on a channel is.

    >>> kind_of("back_in_stock", "email", "en"), kind_of("news", "fax", "de")
    ('Back in stock, by e-mail', 'News, per fax')
    """
    words = WORDS[language]
    return words["by"].format(purpose=labelled(purpose), channel=words.get(channel, channel))


def labelled(purpose: str) -> str:
    """Show the name of a purpose.

    >>> labelled("product_news")
    'Product news'
    """
    blanks = purpose.replace("_", " ").strip()
    return blanks[:1].upper() + blanks[1:]
