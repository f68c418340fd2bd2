"""Sends: channels, purpose, template, and the facts that the template reads."""

from events.names import slug
from events.scores import is_score
from triggers.definitions import SendStep
from triggers.loading.context import Context
from triggers.loading.offers import wanted
from triggers.problems import Problem
from triggers.schema import Deliver, Send
from triggers.sending import OFFER
from triggers.templates import Template, TemplateError, choose
from triggers.templates import parse as parse_template
from triggers.words import nearest
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
    """
    purpose = _purpose(context, document, path, send, deliver)
    if not send.channels:
        context.say(document, (*path, "channels"), "a send needs at least one channel")
    templates: list[Template] = []
    machines = False  # a channel without a template takes the whole event
    for n, channel in enumerate(send.channels):
        if context.known_channel(document, (*path, "channels", n), channel):
            template = _template(context, document, path, send, channel, purpose)
            if template is not None:
                templates.append(template)
            machines = machines or (template is None and context.addresses[channel] is None)
    read = {name for template in templates for name in template.variables()}
    of_event = {slug(name.split(".")[1]) for name in read if name.startswith("event.")}
    scores = {name for name in read if is_score(name, context.bands)}
    heads = {name.split(".")[0] for name in read - scores}
    if OFFER in heads and send.offer is None and not offered:
        message = "the template speaks of an {{ offer }}; add `offer: next_best`, a name or a text"
        context.say(document, path, message)
    if "item" in heads and not has_item:
        context.say(document, path, "the template speaks of an {{ item }}, and `when` is no `item`")
    of_person = {slug(name) for name in heads - {"event", "item", OFFER}}
    return SendStep(
        channels=tuple(send.channels),
        template=send.template,
        purpose=purpose,
        require=tuple(slug(name) for name in send.require),
        every=send.all,
        facts=tuple(sorted(of_person | {slug(name) for name in send.require})),
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


def _template(
    context: Context, document: Document, path: Path, send: Send, channel: str, purpose: str
) -> Template | None:
    """Return a channel's template; None after a problem, and for machines that need none."""
    needed = context.addresses[channel] is not None
    if send.template is None:
        if needed:
            context.say(document, path, f"a send on {channel} needs a template")
        return None
    file = choose(send.template, channel, context.files)
    if file is None:
        if needed:
            _missing(context, document, (*path, "template"), send.template, channel)
        return None
    try:
        template = parse_template(file, context.files[file])
    except TemplateError as error:
        problem = Problem(file, error.line or 1, 1, error.message)
        if problem not in context.problems:  # several sends may use one template
            context.problems.append(problem)
        return None
    if (purpose == "transactional") != (template.purpose == "transactional"):
        context.say(
            document,
            (*path, "template"),
            "purpose transactional and templates marked `purpose: transactional` go together; "
            f"{file} is marked {template.purpose or 'nothing'}",
        )
    return template


def _missing(context: Context, document: Document, path: Path, name: str, channel: str) -> None:
    folder = "templates/"
    known = {f.removeprefix(folder).split(".")[0] for f in context.files if f.startswith(folder)}
    context.say(
        document,
        path,
        f"the template {name!r} has no file for {channel}: neither {folder}{name}.{channel}.liquid "
        f"nor {folder}{name}.liquid exists.{nearest(name, known - {name})}",
    )
