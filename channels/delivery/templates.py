"""From activations to messages: their templates, filled.

A message that shows a voucher is filled twice: first with examples, which says whether it can be
filled at all and of which pools it needs a code, then with the codes. So nobody's code is taken for
a message that cannot be, and none for a branch that it does not take.
"""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import structlog

from channels.base import Later, Message, Refused
from channels.delivery.anchors import Change, relinked, relinked_text
from channels.delivery.inlining import inlined
from channels.delivery.links import Links
from channels.delivery.vouchers import VouchersUnusableError, Wanted
from channels.delivery.workspaces import Workspaces
from triggers.activation import Activation
from triggers.languages import spoken
from triggers.links import LinkRules
from triggers.loading.links import rules_of
from triggers.templates import MissingError, Template, TemplateError, choose, parse, render
from triggers.vouchers import Codes

_log = structlog.get_logger(__name__)
Made = Message | Refused | Later

KEPT = 1000  # parsed templates in memory
WAIT = 5.0  # seconds until a version that is not there yet is asked for again


class Renderer:
    """Makes messages; templates are parsed once a version.

    Args:
        workspaces: where templates come from.
        take: gives codes for good; whoever asks again is given the same.
        links: what leaves with messages; nothing, if not given.
    """

    def __init__(
        self,
        workspaces: Workspaces,
        take: Callable[[Sequence[Wanted]], Awaitable[dict[Wanted, str]]],
        links: Links | None = None,
    ) -> None:
        self._workspaces = workspaces
        self._take = take
        self._links = links or Links()
        self._parsed: dict[tuple[str, str], Template] = {}
        self._linking: dict[str, LinkRules | None] = {}  # by version

    async def messages(self, some: Sequence[Activation]) -> dict[str, Made]:
        """Return by id the message, or what becomes of an activation that has none.

        Vouchers are taken in here, so all of them must be about to leave.

        Raises:
            StoreUnavailableError: when the workspace cannot be asked for.
        """
        made: dict[str, Made] = {}
        left = {a.id: (a, Codes(examples=a.copy)) for a in some}
        while left:
            for i, (a, codes) in left.items():
                made[i] = await self._message(a, codes)
            wanted = [
                Wanted(pool, i)
                for i, (_, codes) in left.items()
                if isinstance(made[i], Message)
                for pool in sorted(codes.lacking)
            ]
            given, why = await self._given(wanted)
            taken: dict[str, dict[str, str]] = defaultdict(dict)
            for one in wanted:
                if one in given:
                    taken[one.activation][one.pool] = given[one]
                else:
                    made[one.activation] = Later(0.0, why or f"no voucher left in {one.pool}")
            left = {
                i: (a, Codes(codes.known | taken[i]))
                for i, (a, codes) in left.items()
                if i in taken and isinstance(made[i], Message)
            }
        return made

    async def _given(self, wanted: Sequence[Wanted]) -> tuple[dict[Wanted, str], str]:
        """Take codes; where nobody can, say why."""
        if not wanted:
            return {}, ""
        try:
            return await self._take(wanted), ""
        except VouchersUnusableError as error:
            _log.error("no voucher can be taken, messages wait", reason=str(error))
            return {}, str(error)

    async def _message(self, activation: Activation, codes: Codes) -> Made:
        """Make a message; none to send where `codes` lacks one, since an example stands there."""
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
                    template,
                    activation.facts,
                    activation.event,
                    activation.channel,
                    carried.named,
                    codes,
                )
            except MissingError as error:
                return Refused(reason=f"render_failed: {', '.join(error.names)}")
            except TemplateError:
                return Refused(reason=f"render_failed: {activation.template}")
        if not codes.lacking:
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
