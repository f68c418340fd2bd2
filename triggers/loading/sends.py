"""Sends: channels, purpose, template, and the facts that the template reads."""

from events.names import slug
from triggers.definitions import SendStep
from triggers.languages import TRAITS as LANGUAGE
from triggers.loading.context import Context
from triggers.loading.offers import wanted
from triggers.loading.templates import templates_of
from triggers.schema import Deliver, Send
from triggers.sending import OFFER
from triggers.templates import CONFIRM, Template
from triggers.vouchers import HEAD as VOUCHER
from triggers.yaml import Document, Path


def send_step(
    context: Context,
    document: Document,
    path: Path,
    send: Send,
    deliver: Deliver,
    *,
    offered: bool,
    has_item: bool,
    asks: bool = False,
) -> SendStep:
    """Check one `send` and work out what an activation of it must carry.

    Args:
        context: of the workspace.
        document: the trigger's file.
        path: of the send.
        send: as it is written.
        deliver: what all of the trigger's sends have in common.
        offered: whether a step before has chosen an offer.
        has_item: whether the trigger's occurrence is a change of an item's.
        asks: whether it is the question of an `opt_in`.
    """
    purpose = _purpose(context, document, path, send, deliver)
    if not send.channels:
        context.say(document, (*path, "channels"), "a send needs at least one channel")
    templates: list[Template] = []
    machines = False  # a channel without a template takes the whole event
    in_languages = False  # which file is filled, the person's language decides
    for n, channel in enumerate(send.channels):
        if context.known_channel(document, (*path, "channels", n), channel):
            found = templates_of(context, document, path, send.template, channel, purpose)
            templates += found.values()
            in_languages = in_languages or len(found) > 1
            machines = machines or (not found and context.addresses[channel] is None)
    read = {name for template in templates for name in template.variables()}
    of_event = {slug(name.split(".")[1]) for name in read if name.startswith("event.")}
    scores, others = context.scores_in(read)
    heads = {name.split(".")[0] for name in others}
    if OFFER in heads and send.offer is None and not offered:
        message = "the template speaks of an {{ offer }}; add `offer: next_best`, a name or a text"
        context.say(document, path, message)
    if "item" in heads and not has_item:
        context.say(document, path, "the template speaks of an {{ item }}, and `when` is no `item`")
    if not asks and any(CONFIRM in template.links for template in templates):
        message = f"the template speaks of {CONFIRM}, which answers an `opt_in`; this is a send"
        context.say(document, path, message)
    of_person = {slug(name) for name in heads - {"event", "item", OFFER, VOUCHER}}
    of_person |= {slug(name) for name in send.require}
    if in_languages:
        of_person |= set(LANGUAGE)
    return SendStep(
        channels=tuple(send.channels),
        template=send.template,
        purpose=purpose,
        require=tuple(slug(name) for name in send.require),
        every=send.all,
        facts=tuple(sorted(of_person)),
        scores=tuple(sorted(scores)),
        offer=None
        if send.offer is None
        else wanted(context, document, send.offer, (*path, "offer")),
        event_facts=None if machines or "event" in read else tuple(sorted(of_event)),
    )


def _purpose(context: Context, document: Document, path: Path, send: Send, deliver: Deliver) -> str:
    purpose = send.purpose or deliver.purpose
    if purpose is None:
        context.say(
            document,
            path,
            "no purpose: add `deliver: {purpose: marketing}`, or give this send its own",
        )
        return ""
    at: Path = (*path, "purpose") if send.purpose else ("deliver", "purpose")
    context.known_purpose(document, at, purpose)
    return purpose
