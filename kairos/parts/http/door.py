"""The collector's door, as an installation is set up."""

import msgspec
import structlog

from collector.door import Door
from collector.hooks.answers import Hooks
from collector.keys import KeyRing
from collector.mail.base import Secret
from collector.mailing import Mail, Mailbox
from events.proofs import Prover
from events.sealed import seal_at
from flows.workspace_folder import read_folder
from kairos.discovery import one_in
from kairos.settings import Collector, Settings, SettingsError, secret_name
from triggers.loading.webhooks import hooks_of

log = structlog.get_logger()


def door_of(settings: Settings) -> Door:
    """Build the door: write keys, webhooks, mail providers and whoever vouches for identities.

    Raises:
        SettingsError: a setting or a file that it names is wrong.
        WorkspaceError: there is no workspace where one is set.
    """
    try:
        ring = KeyRing.load(settings.collector.keys)
    except ValueError as error:
        raise SettingsError(f"KAIROS_KEYS: {error}") from error
    return Door(
        ring,
        replayed=settings.log.replayed,
        prover=_prover(settings.collector),
        hooks=_hooks(settings),
        mail=_mail(settings.collector),
    )


def _prover(settings: Collector) -> Prover | None:
    if not settings.identity_keys:
        return None
    try:
        return Prover(settings.identity_keys, settings.audience)
    except ValueError as error:
        raise SettingsError(f"KAIROS_IDENTITY_KEYS: {error}") from error


def _hooks(settings: Settings) -> Hooks:
    """Map the webhooks of the workspace; a bad file says so, and takes no other along."""
    if settings.workspace is None:
        return Hooks({})
    found, problems = hooks_of(read_folder(settings.workspace))
    for problem in problems:
        log.error("this webhook is not mapped", problem=str(problem))
    for name in found:
        if secret_name(name) not in settings.collector.hooks:
            log.warning("calls of this webhook are refused: it has no secret", webhook=name)
    secrets = settings.collector.hooks
    return Hooks(
        {
            name: msgspec.structs.replace(hook, secret=secrets.get(secret_name(name), ""))
            for name, hook in found.items()
        }
    )


def _mail(settings: Collector) -> Mail:
    try:
        seal = seal_at(settings.sealing)
    except (ValueError, OSError) as error:
        raise SettingsError(f"KAIROS_SEAL: {error}") from error
    boxes = {}
    for name, fields in settings.mail.items():
        try:
            secret = msgspec.convert(fields, Secret, strict=False)
        except msgspec.ValidationError as error:
            raise SettingsError(f"KAIROS_MAIL_{name.upper()}_…: {error}") from error
        boxes[name] = Mailbox(name, one_in("collector.mail", name), secret)
    return Mail(boxes, seal)
