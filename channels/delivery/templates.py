"""From an activation to a message: its template, filled."""

from typing import Any

from channels.base import Later, Message, Refused
from channels.delivery.anchors import Change, relinked, relinked_text
from channels.delivery.inlining import inlined
from channels.delivery.links import Links
from channels.delivery.workspaces import Workspaces
from triggers.activation import Activation
from triggers.languages import spoken
from triggers.links import LinkRules
from triggers.loading.links import rules_of
from triggers.templates import MissingError, Template, TemplateError, choose, parse, render

KEPT = 1000  # parsed templates in memory
WAIT = 5.0  # seconds until a version that is not there yet is asked for again


class Renderer:
    """Makes messages; templates are parsed once a version."""

    def __init__(self, workspaces: Workspaces, links: Links | None = None) -> None:
        self._workspaces = workspaces
        self._links = links or Links()
        self._parsed: dict[tuple[str, str], Template] = {}
        self._linking: dict[str, LinkRules | None] = {}  # by version

    async def message(self, activation: Activation) -> Message | Refused | Later:
        """Return the message, or what becomes of an activation that has none.

        Raises:
            StoreUnavailableError: when the workspace cannot be asked for.
        """
        subject = text = html = ""
        follow: Change | None = None
        try:
            content = filled(activation)
        except TemplateError:
            return Refused(reason="render_failed: content")
        if activation.template is None:
            carried = self._links.carried(activation, read=False)
        else:
            files = await self._workspaces.files(activation.version)
            if files is None:
                return Later(after=WAIT, reason="workspace version not known yet")
            follow = self._links.followed(activation, self._rules(activation, files))
            try:
                template = self._template(activation, files)
                carried = self._links.carried(activation, read=bool(template.links))
                subject, text, html = render(
                    template, activation.facts, activation.event, activation.channel, carried.named
                )
            except MissingError as error:
                return Refused(reason=f"render_failed: {', '.join(error.names)}")
            except TemplateError:
                return Refused(reason=f"render_failed: {activation.template}")
        html = inlined(html)
        if follow is not None:
            html = relinked(html, follow)  # first, for only so many links are followed
            text = relinked_text(text, follow)
        return Message(
            id=activation.id,
            channel=activation.channel,
            to=activation.address,
            subject=subject,
            text=text,
            html=html,
            template=activation.template or "",
            until=activation.valid_until,
            payload=payload(activation) | ({"content": content} if content else {}),
            token=carried.token,
            unsubscribe=carried.unsubscribe,
        )

    def _rules(self, activation: Activation, files: dict[str, str]) -> LinkRules | None:
        """Return what the version says of links."""
        if activation.version not in self._linking:
            while len(self._linking) >= KEPT:
                del self._linking[next(iter(self._linking))]
            self._linking[activation.version] = rules_of(files)
        return self._linking[activation.version]

    def _template(self, activation: Activation, files: dict[str, str]) -> Template:
        languages = spoken(activation.facts)
        path = choose(activation.template or "", activation.channel, files, languages)
        if path is None:
            message = f"no template {activation.template!r} for {activation.channel}"
            raise TemplateError("templates", None, message)
        key = (activation.version, path)
        if key not in self._parsed:
            while len(self._parsed) >= KEPT:
                del self._parsed[next(iter(self._parsed))]
            self._parsed[key] = parse(path, files[path])
        return self._parsed[key]


def filled(activation: Activation) -> dict[str, Any]:
    """Fill the texts of what a system is told.

    Raises:
        TemplateError: one of them cannot be filled.
    """
    return {
        name: render(parse(name, said), activation.facts, activation.event, activation.channel)[1]
        if isinstance(said, str)
        else said
        for name, said in activation.content.items()
    }


def payload(activation: Activation) -> dict[str, Any]:
    """Return the activation as machines get it."""
    return {
        "id": activation.id,
        "trigger": activation.trigger,
        "channel": activation.channel,
        "purpose": activation.purpose,
        "person": activation.person,
        "address": activation.address,
        "decided": activation.decided,
        "facts": activation.facts,
        "event": activation.event,
    }
