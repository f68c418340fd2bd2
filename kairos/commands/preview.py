"""`kairos preview TEMPLATE`: what a person would be sent."""

import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import orjson

from channels.base import addresses as known_addresses
from channels.delivery.inlining import inlined
from events.names import slug
from events.sources.base import LogUnavailableError
from flows.workspace_folder import read_folder
from kairos.example import example
from kairos.profile.beside import beside
from kairos.profile.find import AmbiguousError
from kairos.say import as_json, failed
from kairos.settings import SettingsError
from kairos.where import engine
from profile_state.stores.base import LedgerLostError
from triggers.languages import TRAITS as LANGUAGE
from triggers.languages import spoken
from triggers.load import load
from triggers.loading.seeds import Examples, seeds_of
from triggers.modelled import score_of
from triggers.problems import WorkspaceError
from triggers.sending import facts_of
from triggers.templates import (
    CONFIRM,
    LINKS,
    MissingError,
    Template,
    TemplateError,
    choices,
    choose,
    parse,
    render,
)
from triggers.vouchers import Codes

EXAMPLES = {
    name: f"https://id.shop.example/{'o' if name == CONFIRM else name[0]}/EXAMPLE" for name in LINKS
}
Facts = Callable[[Iterable[str], Iterable[str]], dict[str, Any]]  # names of traits, and of scores


class WrongError(ValueError):
    """What was asked for cannot be shown; says why."""


class NobodyError(LookupError):
    """Nobody has the identifier that was asked for."""


def command(
    template: str,
    *,
    channel: str = "email",
    workspace: Path | None = None,
    profile: str | None = None,
    facts: str | None = None,
    event: str | None = None,
    language: str | None = None,
    out: Path | None = None,
    data: Path | None = None,
    json: bool = False,
) -> int:
    """Show a template as a person would get it: subject and text, and the HTML of an e-mail.

    Parameters
    ----------
    template
        Its name, as a send has it.
    channel
        Where it would go to.
    workspace
        The workspace folder; else the example.
    profile
        A person, as for `kairos profile`: their traits and scores fill it, else the workspace's examples.
    facts
        A JSON object of more that fills it, such as {"first_name": "Ana"}; it goes before what else does.
    event
        A JSON object: the properties of the entering event.
    language
        A tag such as de, instead of the person's language.
    out
        A file for the HTML.
    data
        For --profile: the data folder of a running `kairos up`; else the KAIROS_* variables, else kairos-data.
    json
        Print one JSON object.
    """
    try:
        files = read_folder(workspace or example())
        is_score = load(files, known_addresses()).is_score
        read = _nothing if profile is None else _reader(data, profile)
        examples = seeds_of(files).examples if profile is None else Examples()
        given = examples.facts | _object("--facts", facts) | _spoken(language)
        properties = examples.event | _object("--event", event)
        path, parsed, filling = _chosen(template, channel, files, read, given, is_score)
        subject, text, html = render(parsed, filling, properties, channel, EXAMPLES, Codes())
        html = inlined(html)
        _write(out, html, channel)
    except (WorkspaceError, TemplateError) as error:
        return _not_sent(error, json=json)
    except NobodyError as error:
        failed("preview", error, json=json)
        return 1
    except (
        WrongError,
        SettingsError,
        AmbiguousError,
        LedgerLostError,
        LogUnavailableError,
    ) as error:
        return failed("preview", error, json=json)
    if json:
        found = {"file": path, "channel": channel, "subject": subject, "text": text, "html": html}
        as_json({**found, "missing": []})
    else:
        print(f"{path}, on {channel}\nsubject: {subject}\n\n{text}")
    return 0


def _chosen(
    name: str,
    channel: str,
    files: Mapping[str, str],
    facts: Facts,
    given: dict[str, Any],
    is_score: Callable[[str], bool],
) -> tuple[str, Template, dict[str, Any]]:
    """Return the file that the person would be sent, and what fills it.

    Raises:
        WrongError: there is no such template.
    """
    if channel not in known_addresses():
        raise WrongError(f"no channel {channel!r}; known: {', '.join(sorted(known_addresses()))}")
    parsed = {path: parse(path, files[path]) for path in choices(name, channel, files)}
    read = {variable for one in parsed.values() for variable in one.variables()}
    scores = {variable for variable in read if is_score(variable)}
    traits = {slug(variable.split(".")[0]) for variable in read - scores}
    filling = facts({*traits, *LANGUAGE}, scores) | given
    path = choose(name, channel, files, spoken(filling))
    if path is None:
        raise WrongError(f"no template {name!r} for {channel} in this workspace")
    return path, parsed[path], filling


def _nothing(_names: Iterable[str], _scores: Iterable[str]) -> dict[str, Any]:
    """Fill a template with nothing of nobody's."""
    return {}


def _reader(data: Path | None, asked: str) -> Facts:
    """Return what fills a template with what is known of a person.

    Raises:
        NobodyError: nobody has that id.
    """
    with beside(engine(data)) as running:
        known = running.person(asked)
        if known is None:
            raise NobodyError(f"nobody is {asked!r}")
        state, now = running.around(known.ids), running.now()
    person = state.find(min(known.ids)) or known

    def score(path: str) -> Any:
        return score_of(state.workspace, person, state.learnt, path, now)

    def facts(names: Iterable[str], scores: Iterable[str]) -> dict[str, Any]:
        return facts_of(person, names, scores, score)

    return facts


def _object(option: str, text: str | None) -> dict[str, Any]:
    if text is None:
        return {}
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise WrongError(f"{option} is no JSON: {error}") from None
    if not isinstance(found, dict):
        raise WrongError(f"{option}: a JSON object was expected, found {text!r}")
    return found


def _spoken(language: str | None) -> dict[str, Any]:
    if language is None:
        return {}
    if not spoken({LANGUAGE[0]: language}):
        raise WrongError(f"--language: a tag such as de or pt-br was expected, found {language!r}")
    return {LANGUAGE[0]: language}


def _write(out: Path | None, html: str, channel: str) -> None:
    if out is None:
        return
    if not html:
        raise WrongError(f"--out is for the HTML of an e-mail, and a message on {channel} has none")
    try:
        out.write_text(html, encoding="utf-8")
    except OSError as error:
        raise WrongError(f"--out: {out} cannot be written: {error.strerror}") from None


def _not_sent(error: WorkspaceError | TemplateError, *, json: bool) -> int:
    """Say why nothing would be sent."""
    if json:
        missing = list(error.names) if isinstance(error, MissingError) else []
        as_json({"error": str(error), "missing": missing})
    print(error, file=sys.stderr)
    return 1
