"""The shape of a workspace's files. Types are the schema: errors and editors come from them."""

from typing import Annotated, Any, Literal

import msgspec

STEPS = "steps"  # by which `triggers.json_schema` knows a list of steps
CONDITION = "condition"  # by which it knows one
MODELS = "models"  # by which it knows the models of a workspace
Condition = Annotated[str | dict[str, Any], msgspec.Meta(title=CONDITION)]
Conditions = Annotated[
    list[Condition] | Condition,
    msgspec.Meta(description="One condition, or several of which all must hold."),
]
Steps = Annotated[list[Any] | str, msgspec.Meta(title=STEPS)]  # or the one word `exit`
Names = str | list[str]
CALENDAR = "calendar"  # beside the words that caps are told apart by
Caps = Annotated[
    dict[str, str],
    msgspec.Meta(
        extra_json_schema={
            "properties": {
                CALENDAR: {"type": "boolean", "description": "Count the person's local days."}
            }
        }
    ),
]
Action = Literal["delay", "skip", "next_channel"]


class Strict(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A mapping whose keys are all known."""


class UsualInterval(Strict):
    """`{usual: 0.9, min: 7d, max: 120d}`: as long as this person's own intervals are."""

    usual: float
    min: str
    max: str


class Absence(Strict):
    """`absence: {after: cart_updated, of: order_completed, for: 30m}`."""

    after: Names
    of: Names
    for_: str | UsualInterval = msgspec.field(name="for")


class When(Strict):
    """What starts a run: an event, several in order, or the absence of another after it."""

    event: Names | None = None
    where: Conditions = []
    then_no: Names | None = None
    within: str | None = None
    sequence: list[str] = []  # "EVENT" or "EVENT same PROPERTY"
    without: Names | None = None
    absence: Absence | None = None
    segment: str | None = None  # "entered NAME" or "exited NAME"
    changed: str | None = None  # a trait
    from_: str | None = msgspec.field(default=None, name="from")
    to: str | None = None
    every: str | None = None  # "mon 09:00"
    date: str | None = None  # "birthday -3d at 09:00"
    at: str | None = None  # "2026-11-27 09:00"
    in_: str | None = msgspec.field(default=None, name="in")  # a segment
    crosses: Condition | None = None
    include: Literal["changes", "members"] | None = None
    api: Literal["true"] | None = None  # started by a call
    item: str | None = None  # "price_drop 10%", "back_in_stock" or "changed FIELD"
    seen: str | None = None  # EVENT or EVENT.PROPERTY
    last: str | None = None


class Send(Strict):
    """One message, on the first channel that has an address, consent and room."""

    channels: list[str]
    template: str | None = None
    purpose: str | None = None
    require: list[str] = []
    offer: str | None = None  # "next_best", a name in offers.yaml, or a text
    all: bool = False


class Aim(Strict):
    """`goal: {event: first_project_created, within: 14d}`."""

    event: Names
    within: str


class Deliver(Strict):
    """How and when a trigger's sends may leave."""

    purpose: str | None = None
    priority: int = 50
    caps: Caps = {}
    quiet_hours: str | None = None
    best_time: str | None = None  # "within 12h"
    valid_for: str | None = None
    by: Literal["end_of_day"] | None = None
    recheck: bool = True
    on_quiet: Action = "delay"
    on_cap: Action = "next_channel"
    on_error: Literal["skip", "next_channel"] = "skip"


class Given(Strict):
    """How the person of a test stands before anything happens."""

    traits: dict[str, Any] = {}
    addresses: dict[str, str] = {}  # by channel; vouched for by a server
    consent: dict[str, Names] = {}  # by purpose: channels, or `allowed` or `denied` on all
    scores: dict[str, str | list[str]] = {}  # a number, the word of a band, or several texts
    segments: list[str] = []
    history: list[str] = []  # lines like those of `events`
    held_out: bool = False
    arms: list[str] = []  # of splits


class Expect(Strict):
    """One thing that must come of a test: a send, a refusal, or nothing."""

    send: str | None = None  # a channel
    template: str | None = None
    at: str | None = None  # "14:05", "+2d 09:00"
    refused: str | None = None
    times: int = 1
    nothing: bool = False


class Case(Strict):
    """One test of a trigger."""

    name: str
    expect: list[Expect] | Expect
    given: Given = msgspec.field(default_factory=Given)
    events: list[str] = []  # "14:05 cart_updated {cart_id: c1}", "-3d email_sent e1"


class TriggerFile(Strict):
    """One trigger."""

    trigger: str
    when: When
    do: Steps  # each of a shape of its own: see `triggers/steps/`
    description: str = ""
    owner: str = ""
    status: Literal["draft", "shadow", "live", "paused"] = "live"
    if_: Conditions = msgspec.field(default_factory=list, name="if")
    key: str | None = None
    key_match: Literal["loose", "strict"] = "loose"
    while_active: Literal["ignore", "restart", "update", "parallel"] = "ignore"
    reentry: str | None = None
    goal: Aim | None = None
    holdout: str | None = None
    migrate: Literal["live"] | None = None
    exit_when: Conditions = []  # events, and conditions
    deliver: Deliver = msgspec.field(default_factory=Deliver)
    tests: list[Case] = []


class SegmentFile(Strict):
    """One segment."""

    segment: str
    if_: Conditions = msgspec.field(name="if")
    description: str = ""
    owner: str = ""


class Purpose(Strict):
    """A consent purpose."""

    label: str = ""  # as people are shown it
    default: Literal["allowed", "denied"] = "denied"
    caps: Literal["on", "off"] = "on"
    quiet_hours: Literal["on", "off"] = "on"


class ChannelOptions(Strict):
    """A channel's settings for this workspace."""

    from_: str | None = msgspec.field(default=None, name="from")
    caps: Caps = {}


class IdentityLimit(Strict):
    """What holds for the identifiers of a type."""

    max: int | None = None
    merge: bool = True
    forget_after: str | None = None


class Utm(Strict):
    """What is added to links; `{channel}`, `{trigger}`, `{purpose}` and `{template}` stand for the message's."""

    source: str = ""
    medium: str = ""
    campaign: str = ""
    term: str = ""
    content: str = ""


class LinksOptions(Strict):
    """Links of e-mails that need consent, where they lead to hosts of ours."""

    hosts: list[str]  # "shop.example", "*.shop.example"
    track: bool = False
    utm: Utm = msgspec.field(default_factory=Utm)


class VoucherPool(Strict):
    """A pool of single-use codes, which `kairos vouchers add` fills."""

    low: int = 0  # with fewer codes left than this `kairos doctor` warns


class WorkspaceFile(Strict):
    """workspace.yaml."""

    workspace: str
    timezone: str = "UTC"
    purposes: dict[str, Purpose] = {}
    channels: dict[str, ChannelOptions] = {}
    quiet_hours: str | None = None
    links: LinksOptions | None = None
    identity: dict[str, IdentityLimit] = {}
    models: Annotated[dict[str, Any], msgspec.Meta(title=MODELS)] = {}  # by name: its options
    bands: dict[str, dict[str, str]] = {}  # by trait: word -> comparison
    exclude: dict[str, Conditions] = {}  # by purpose
    control_group: dict[str, str] = {}  # by purpose
    offers: str | None = None  # a file
    catalog: str | None = None  # a file of comma-separated values
    vouchers: dict[str, VoucherPool] = {}  # by pool
    seeds: list[str] = []  # e-mail addresses that are sent a copy of each kind of e-mail
    examples: dict[str, Any] = {}  # what fills copies and previews: traits, `event` its properties


class OffersFile(Strict):
    """offers.yaml: by name what templates may say of an offer, `if` and `until`."""

    offers: dict[str, dict[str, Any]]


class WebhookSignature(Strict):
    """How the caller shows who it is; the secret is the setting KAIROS_HOOK_NAME_SECRET."""

    kind: Literal["hmac", "stripe", "standard", "token", "basic"]
    header: str = ""
    encoding: Literal["base64", "hex"] = "base64"
    prefix: str = ""


class WebhookCall(Strict):
    """What one kind of call becomes: an event, traits of the person, or both. Values are paths."""

    event: str = ""
    user: str = ""
    anonymous: str = ""
    email: str = ""
    properties: dict[str, str] = {}
    traits: dict[str, str] = {}


class WebhookFile(Strict):
    """`webhooks/NAME.yaml`: POST /v1/hooks/NAME."""

    webhook: Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9_-]{0,31}$")]
    signature: WebhookSignature
    kind: str  # a path to what tells one kind of call from another
    calls: dict[str, WebhookCall]
    description: str = ""
    id: str = ""
    time: str = ""
