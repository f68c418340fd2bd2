"""What leaves with a message and leads home: its token, and the links that carry it."""

import msgspec

from channels.base import addresses
from events.sealed import Seal, Sealed
from triggers.activation import Activation

TRANSACTIONAL = "transactional"  # needs no consent that could be taken away
UNSUBSCRIBE, PREFERENCES = "u/", "p/"  # paths of the collector's, and a token


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
        a = activation
        token = self._seal.close(Sealed(a.id, a.channel, a.purpose, a.leaf))
        if not self._public:
            return Carried(token)
        named = {
            "unsubscribe_url": f"{self._public}/{UNSUBSCRIBE}{token}",
            "preferences_url": f"{self._public}/{PREFERENCES}{token}",
        }
        asks_consent = posted and a.purpose != TRANSACTIONAL
        return Carried(token, named["unsubscribe_url"] if asks_consent else "", named)
