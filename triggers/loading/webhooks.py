"""webhooks/*.yaml: what calls of other systems become."""

from collections.abc import Mapping

from collector.hooks.mapping import Call, Field, Hook, field
from collector.hooks.signatures import Signature
from triggers.loading.context import Context
from triggers.problems import Problem
from triggers.schema import WebhookCall, WebhookFile
from triggers.yaml import Document, Path

FOLDER = "webhooks/"
_NEED_HEADER = ("hmac", "token")


def webhooks(context: Context) -> dict[str, Hook]:
    """Read every webhook of a workspace, by file; their secrets are settings, and not here."""
    files = context.read_folder(FOLDER, WebhookFile, "webhook")
    return {document.file: _hook(context, document, file) for document, file in files}


def hooks_of(files: Mapping[str, str]) -> tuple[dict[str, Hook], list[Problem]]:
    """Return the webhooks of a workspace's files, and what is wrong with those that are not among them."""
    context = Context(files, {})
    found = webhooks(context)
    bad = {problem.file for problem in context.problems}
    return {hook.name: hook for file, hook in found.items() if file not in bad}, context.problems


def _hook(context: Context, document: Document, file: WebhookFile) -> Hook:
    signed = file.signature
    if signed.kind in _NEED_HEADER and not signed.header:
        context.say(document, ("signature",), f"{signed.kind} needs the key 'header'")
    return Hook(
        name=file.webhook,
        signature=Signature(
            kind=signed.kind, header=signed.header, encoding=signed.encoding, prefix=signed.prefix
        ),
        secret="",
        kind=_field(context, document, file.kind, ("kind",)),
        id=_field(context, document, file.id, ("id",)) if file.id else None,
        time=_field(context, document, file.time, ("time",)) if file.time else None,
        calls={
            name: _call(context, document, call, ("calls", name))
            for name, call in file.calls.items()
        },
    )


def _call(context: Context, document: Document, call: WebhookCall, path: Path) -> Call:
    ids = {"userId": "user", "anonymousId": "anonymous", "email": "email"}
    who = {
        name: _field(context, document, text, (*path, key))
        for name, key in ids.items()
        if (text := getattr(call, key))
    }
    if not who:
        context.say(document, path, "one of 'user', 'anonymous' and 'email' must say whose it is")
    if not call.event and not call.traits:
        context.say(document, path, "'event' or 'traits' must say what it becomes")

    def fields(key: str, said: Mapping[str, str]) -> dict[str, Field]:
        return {n: _field(context, document, text, (*path, key, n)) for n, text in said.items()}

    return Call(
        call.event, fields("properties", call.properties), fields("traits", call.traits), who
    )


def _field(context: Context, document: Document, text: str, path: Path) -> Field:
    try:
        return field(text)
    except ValueError as error:
        context.say(document, path, str(error))
        return Field(())
