"""What the door knows. No I/O."""

import msgspec

from collector.hooks.answers import Hooks
from collector.inflate import Caps
from collector.keys import KeyRing
from collector.mailing import Mail
from collector.metrics import Figures
from collector.quotas import Admission, Quotas
from events.limits import Limits
from events.proofs import Prover


class Door(msgspec.Struct, frozen=True):
    """What the door knows: who may send and how much.

    >>> Door(KeyRing()).ready
    True
    """

    keys: KeyRing
    caps: Caps = Caps()
    limits: Limits = Limits()
    ready: bool = True  # False while draining
    room: bool = True  # False while the log's disk is nearly full
    replayed: bool = False  # the log takes its time from the events, see events/sources/replayed.py
    prover: Prover | None = None  # reads identity tokens
    figures: Figures = msgspec.field(default_factory=Figures)
    quotas: Quotas = msgspec.field(default_factory=Quotas)
    admission: Admission = msgspec.field(default_factory=Admission)
    hooks: Hooks = msgspec.field(default_factory=lambda: Hooks({}))
    mail: Mail = msgspec.field(default_factory=lambda: Mail({}, None))
