"""What our pages say, in the languages that they speak."""

from collections.abc import Mapping
from typing import Literal

Language = Literal["en", "de"]

_EN = {
    "leave": "Unsubscribe",
    "leave_ask": "This stops messages of this kind:",
    "left": "You are unsubscribed",
    "left_what": "No more messages of this kind will come:",
    "left_late": "One that is on its way already may still arrive.",
    "confirm": "May we write to you?",
    "confirm_ask": "You asked for messages at this address, or somebody did. If it was not you, close this page.",
    "confirm_yes": "Yes, please",
    "confirmed": "Thank you",
    "confirmed_what": "You will hear from us.",
    "by": "{purpose}, by {channel}",
    "unknown": "This link does not work",
    "unknown_what": "It is not whole, or not ours. Open it from the message once more.",
    "busy": "Not at this moment",
    "busy_what": "Please try again in a minute.",
    "unreadable": "This form cannot be read",
    "unreadable_what": "Please open the page once more.",
    "choose": "What you want to get",
    "choose_by": "By {channel}. What concerns your orders and your account comes in any case.",
    "choose_none": "What you get cannot be shown at this moment. You can stop all of it.",
    "save": "Save",
    "stop": "Stop everything",
    "saved": "Your choice is saved",
    "saved_what": "It holds from now on.",
    "stopped": "Everything is stopped",
    "stopped_what": "No more messages that need your consent will come by {channel}.",
    "again": "Look at it again",
    "instead": "Choose what you get instead",
    "email": "e-mail",
    "sms": "text message",
    "push": "push message",
    "web": "notes on the website",
    "whatsapp": "WhatsApp",
}
_DE = {
    "leave": "Abmelden",
    "leave_ask": "Damit enden Nachrichten dieser Art:",
    "left": "Sie sind abgemeldet",
    "left_what": "Nachrichten dieser Art kommen nicht mehr:",
    "left_late": "Eine, die schon unterwegs ist, kann noch eintreffen.",
    "confirm": "Dürfen wir Ihnen schreiben?",
    "confirm_ask": "Sie haben Nachrichten an diese Adresse bestellt, oder jemand anderes. Wenn Sie es nicht waren, schließen Sie diese Seite.",
    "confirm_yes": "Ja, bitte",
    "confirmed": "Vielen Dank",
    "confirmed_what": "Sie hören von uns.",
    "by": "{purpose}, per {channel}",
    "unknown": "Dieser Link geht nicht",
    "unknown_what": "Er ist nicht vollständig oder nicht von uns. Öffnen Sie ihn noch einmal aus der Nachricht.",
    "busy": "Im Moment geht es nicht",
    "busy_what": "Bitte versuchen Sie es in einer Minute noch einmal.",
    "unreadable": "Dieses Formular ist nicht lesbar",
    "unreadable_what": "Bitte öffnen Sie die Seite noch einmal.",
    "choose": "Was Sie bekommen möchten",
    "choose_by": "Per {channel}. Was Ihre Bestellungen und Ihr Konto betrifft, kommt in jedem Fall.",
    "choose_none": "Was Sie bekommen, lässt sich im Moment nicht zeigen. Sie können alles beenden.",
    "save": "Speichern",
    "stop": "Alles beenden",
    "saved": "Ihre Auswahl ist gespeichert",
    "saved_what": "Sie gilt ab jetzt.",
    "stopped": "Alles ist beendet",
    "stopped_what": "Nachrichten, die Ihre Einwilligung brauchen, kommen nicht mehr per {channel}.",
    "again": "Noch einmal ansehen",
    "instead": "Lieber auswählen, was kommt",
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


def by_channel(name: str, channel: str, language: Language) -> str:
    """Fill a text that names a channel.

    >>> by_channel("stopped_what", "sms", "en")
    'No more messages that need your consent will come by text message.'
    """
    words = WORDS[language]
    return words[name].format(channel=words.get(channel, channel))


def labelled(purpose: str) -> str:
    """Show the name of a purpose.

    >>> labelled("product_news")
    'Product news'
    """
    blanks = purpose.replace("_", " ").strip()
    return blanks[:1].upper() + blanks[1:]
