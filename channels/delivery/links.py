"""What leaves with a message and leads home: its token, and the links that carry it."""

import msgspec

from channels.base import addresses
from channels.delivery.anchors import Change
from events.record import TRANSACTIONAL_PURPOSE
from events.sealed import Seal, Sealed
from triggers.activation import Activation
from triggers.links import LinkRules, leading
from triggers.templates import CONFIRM

# Paths of the collector's, and a token.
UNSUBSCRIBE, PREFERENCES, CLICK, ANSWER = "u/", "p/", "c/", "o/"
QUESTION = "opt_in"  # in the content of a question whether somebody wants messages
MOST = 500  # different links of a message that are followed


class Carried(msgspec.Struct, frozen=True):
    """What a message carries; all of it is empty where nothing uses it."""

    token: str = ""
    unsubscribe: str = ""  # for the header
    named: dict[str, str] = {}  # for templates


class Links:
    """Closes a token for each message that carries one, and for no other.

    Those are e-mails, of which providers tell by it what became of them, and whatever has a link
    in its text.

    Args:
        seal: closes the tokens; None puts none anywhere.
        public_url: where people reach the collector; "" makes no links.

    >>> Links().carried(Activation(
    ...     id="0b60e56f61c32cf0576db310533ef66b", trigger="t", version="v", step="0", channel="email",
    ...     purpose="marketing", template=None, person="p", leaf="user_id:u1", address="a@b.example",
    ...     facts={}, event={}, decided=5, valid_until=None, accepted_us=None,
    ... ), read=False)
    Carried(token='', unsubscribe='', named={})
    """

    def __init__(self, seal: Seal | None = None, public_url: str = "") -> None:
        self._seal = seal
        self._public = public_url
        self._posted = frozenset(c for c, kind in addresses().items() if kind == "email")

    def carried(self, activation: Activation, *, read: bool) -> Carried:
        """Return what a message carries.

        Args:
            activation: the message.
            read: whether its template speaks of one of the links.
        """
        posted = activation.channel in self._posted
        if self._seal is None or not (posted or read):
            return Carried()
        token = self._seal.close(_sealed(activation))
        if not self._public:
            return Carried(token)
        named = {
            "unsubscribe_url": f"{self._public}/{UNSUBSCRIBE}{token}",
            "preferences_url": f"{self._public}/{PREFERENCES}{token}",
        }
        if QUESTION in activation.content:
            named[CONFIRM] = f"{self._public}/{ANSWER}{token}"
        ends = posted and activation.purpose != TRANSACTIONAL_PURPOSE
        return Carried(token, named["unsubscribe_url"] if ends else "", named)

    def followed(self, activation: Activation, rules: LinkRules | None) -> Change | None:
        """Return what becomes of a message's links, None where they all stay as they are.

        Those to hosts of ours get parameters, and lead there by way of the collector where that is
        asked for. Its own pages are never led to by way of it.

        Args:
            activation: the message.
            rules: of its workspace.
        """
        a = activation
        if rules is None or a.purpose == TRANSACTIONAL_PURPOSE or a.channel not in self._posted:
            return None
        words = {
            "channel": a.channel,
            "trigger": a.trigger,
            "purpose": a.purpose,
            "template": a.template or "",
        }
        seal = self._seal if rules.track and self._public else None
        known: dict[str, str | None] = {}

        def change(url: str) -> str | None:
            if url not in known and len(known) < MOST:
                known[url] = made(url)
            return known.get(url)

        def made(url: str) -> str | None:
            if self._public and url.strip().startswith(f"{self._public}/"):
                return None
            led = leading(url, rules, words)
            if led is None or seal is None:
                return led
            return f"{self._public}/{CLICK}{seal.close_link(_sealed(a), led)}"

        return change


def _sealed(activation: Activation) -> Sealed:
    return Sealed(activation.id, activation.channel, activation.purpose, activation.leaf)
