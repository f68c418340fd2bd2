"""The templates of a send: every file that may be filled is read, and mistakes are said at their place."""

from triggers.languages import is_language
from triggers.leftovers import leftovers
from triggers.loading.context import Context
from triggers.problems import Problem
from triggers.templates import (
    ENDING,
    FOLDER,
    Asked,
    Template,
    TemplateError,
    choices,
    choose,
    parse,
)
from triggers.words import nearest
from triggers.yaml import Document, Path


def templates_of(
    context: Context, document: Document, path: Path, name: str | None, channel: str, purpose: str
) -> dict[str, Template]:
    """Return a channel's templates by their files, one for each language and one for all others.

    Empty after a problem, and for machines that need none.

    Args:
        context: of the workspace.
        document: the trigger's file.
        path: of the send.
        name: of the template, as the send has it.
        channel: of the send.
        purpose: of the send.
    """
    needed = context.addresses[channel] is not None
    if name is None:
        if needed:
            context.say(document, path, f"a send on {channel} needs a template")
        return {}
    context.templates.add(name)
    files = choices(name, channel, context.files)
    if choose(name, channel, context.files) is None:
        for file in files:
            _no_fallback(context, file, name, channel)
        if needed and not files:
            _missing(context, document, (*path, "template"), name, channel)
        return {}
    found = {}
    for file in files:
        template = _parsed(context, file)
        if template is None:
            continue
        found[file] = template
        if (purpose == "transactional") != (template.purpose == "transactional"):
            context.say(
                document,
                (*path, "template"),
                "purpose transactional and templates marked `purpose: transactional` go together; "
                f"{file} is marked {template.purpose or 'nothing'}",
            )
    return found


def strangers(context: Context) -> None:
    """Say so where a file stands beside a template that is sent, and nobody ever will be sent it."""
    for path in sorted(context.files):
        if not (path.startswith(FOLDER) and path.endswith(ENDING)):
            continue
        whole = path.removeprefix(FOLDER).removesuffix(ENDING)
        parts = whole.split(".")
        names = (".".join(parts[:n]) for n in range(len(parts), 0, -1))
        name = next((name for name in names if name in context.templates), None)
        rest = [] if name is None else whole.removeprefix(name).split(".")[1:]
        channel = rest[:1] if rest[:1] and rest[0] in context.addresses else []
        beyond = rest[len(channel) :]
        if beyond and not (len(beyond) == 1 and is_language(beyond[0])):
            _say(context, path, 1, _unknown(context, ".".join(beyond), only_language=bool(channel)))


def _unknown(context: Context, word: str, *, only_language: bool) -> str:
    language = "a language tag in lower case, such as de or pt-br,"
    tag = word.lower().replace("_", "-")
    hint = f" Did you mean {tag!r}?" if tag != word and is_language(tag) else ""
    if only_language:
        return f"{language} was expected behind the channel, found {word!r}.{hint}"
    first, _, second = word.partition(".")
    if second in context.addresses and is_language(first):
        hint = f" Did you mean '{second}.{first}'?"
    hint = hint or nearest(word, context.addresses)
    return f"a channel, or {language} was expected behind the name, found {word!r}.{hint}"


def _parsed(context: Context, file: str) -> Template | None:
    text = context.files[file]
    try:
        template = parse(file, text)
    except TemplateError as error:
        _say(context, file, error.line or 1, error.message)
        return None
    for line, token, name in leftovers(text.replace("\r\n", "\n")) if context.new else ():
        message = (
            f"nobody fills {token}; write {{{{ {name} }}}}, "
            f"or {{{{ '{token}' }}}} where the text is to stand as it is"
        )
        _say(context, file, line, message)
    for asked in template.vouchers:
        _known_pool(context, file, asked)
    return template


def _known_pool(context: Context, file: str, asked: Asked) -> None:
    """Check that a pool exists; of one that does not, no message would ever get a code."""
    if not asked.pool:
        message = "`voucher` was expected with the name of a pool, as in {{ voucher.summer }}"
        _say(context, file, asked.line, message, asked.column)
    elif asked.pool not in context.vouchers:
        hint = nearest(asked.pool, context.vouchers)
        known = (
            ", ".join(sorted(context.vouchers)) or "none yet; `vouchers` in workspace.yaml has them"
        )
        message = f"unknown voucher pool {asked.pool!r}.{hint} Known: {known}"
        _say(context, file, asked.line, message, asked.column)


def _no_fallback(context: Context, file: str, name: str, channel: str) -> None:
    message = (
        f"this file is for one language, and everybody else on {channel} has none; "
        f"add {FOLDER}{name}.{channel}{ENDING} or {FOLDER}{name}{ENDING}"
    )
    _say(context, file, 1, message)


def _say(context: Context, file: str, line: int, message: str, column: int = 1) -> None:
    problem = Problem(file, line, column, message)
    if problem not in context.problems:  # several sends may use one template
        context.problems.append(problem)


def _missing(context: Context, document: Document, path: Path, name: str, channel: str) -> None:
    known = {f.removeprefix(FOLDER).split(".")[0] for f in context.files if f.startswith(FOLDER)}
    context.say(
        document,
        path,
        f"the template {name!r} has no file for {channel}: neither {FOLDER}{name}.{channel}{ENDING} "
        f"nor {FOLDER}{name}{ENDING} exists.{nearest(name, known - {name})}",
    )
