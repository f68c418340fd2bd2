"""Settings: grouped, frozen, from the environment. Secrets may come from files (`…_FILE`)."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import msgspec

from kairos.durations import duration, in_words

READING = "reading"  # the status of a live flow while it reads what it missed
DISK_FREE_MB = 256  # a second of what clients can send, and what the engine then makes of it


class SettingsError(ValueError):
    """A setting is missing or wrong; the message names its variable."""


class Log(msgspec.Struct, frozen=True):
    """Where the log is."""

    url: str = "valkey://127.0.0.1:6379/log"
    partitions: int = 1  # fixed for the life of the log

    def __repr__(self) -> str:
        return f"Log({urlsplit(self.url).scheme!r}, partitions={self.partitions})"

    @property
    def replayed(self) -> bool:
        """Whether its clock is that of the events in it, as `kairos replay --clock file` has it.

        >>> Log("replayed:///l.sock").replayed, Log().replayed
        (True, False)
        """
        return urlsplit(self.url).scheme == "replayed"


Http = Literal["uvicorn", "native"]


class Collector(msgspec.Struct, frozen=True):
    """The HTTP door."""

    host: str = "127.0.0.1"
    port: int = 8765
    keys: Path = Path("keys.json")
    seal: Path | None = None  # the key of the tokens that leave with messages, see `sealing`
    mail: dict[str, dict[str, str]] = {}  # what providers sign with, by provider and field
    hooks: dict[str, str] = {}  # secrets of webhooks, by name
    identity_keys: str = ""  # of identity tokens, see `events/proofs.py`
    audience: str = "kairos"  # which they are for
    http: Http = "uvicorn"  # what speaks HTTP

    def __repr__(self) -> str:
        return f"Collector({self.url!r})"

    @property
    def sealing(self) -> Path:
        """Where the key of the tokens is that leave with messages.

        >>> Collector(keys=Path("data/keys.json")).sealing
        PosixPath('data/seal.key')
        """
        return self.seal or self.keys.with_name("seal.key")

    @property
    def url(self) -> str:
        """Where clients reach it from this machine.

        >>> Collector(port=80).url, Collector(host="::1").url
        ('http://127.0.0.1:80', 'http://[::1]:8765')
        """
        return f"http://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"


class Upkeep(msgspec.Struct, frozen=True):
    """What keeps the archive within bounds."""

    checkpoint_s: int = 86_400  # between two checkpoints; 0 makes none
    retain_ms: int | None = None  # how old a segment gets; None keeps all
    archive_mb: int | None = None  # of the archive, from which on the oldest segments go

    @property
    def bounded(self) -> bool:
        """Whether anything is ever let go of."""
        return self.retain_ms is not None or self.archive_mb is not None

    def retaining(self, text: str | None) -> "Upkeep":
        """Return this with another retention, None: with its own.

        Raises:
            SettingsError: the text is no duration.

        >>> Upkeep().retaining("30d").retain_ms == 30 * 86_400_000
        True
        """
        if text is None:
            return self
        try:
            return msgspec.structs.replace(self, retain_ms=duration(text))
        except ValueError as error:
            raise SettingsError(f"--retain: {error}") from error


class Settings(msgspec.Struct, frozen=True):
    """Everything a process of Kairos needs to know.

    >>> Settings.from_env({"KAIROS_PORT": "9000"}).collector.port
    9000
    """

    log: Log = Log()
    ledger: str = "redis://127.0.0.1:6379/0"  # people, identity, timers, activations
    collector: Collector = Collector()
    public_url: str = ""  # where people reach the collector; "" puts no links into messages
    workspace: Path | None = None  # the folder; None keeps what the log holds
    deliveries: Path = Path("deliveries")  # the folder of the delivery ledgers
    slots: tuple[int, int] = (0, 63)  # of the delivery ledgers: the first and the last one served
    copies: Path = Path("copies")  # the folder of the first copies that memory has no room for
    archive: Path | None = None  # the folder of the archive; None keeps none
    archive_s: int = 3600  # after which a segment is written that is not full
    upkeep: Upkeep = Upkeep()
    copies_mb: int = 512  # of memory for first copies
    people_mb: int = 2048  # of memory for people
    channels: dict[str, dict[str, str]] = {}  # options of the channels that are configured
    rates: dict[str, int] = {}  # messages a second, at most, by channel
    disk: Path | None = None  # a folder on the disk of log and ledger; None watches none
    disk_free_mb: int = DISK_FREE_MB  # below which no event is accepted
    status: Path | None = None  # the folder into which processes say how they are
    server_key: str | None = None  # a server write key, for commands that send events

    def __repr__(self) -> str:
        # Of the rest much is secret: keys, passwords in URLs, what providers sign with.
        return f"Settings({self.log!r}, {self.collector!r}, channels={sorted(self.channels)})"

    @classmethod
    def from_env(cls, env: Mapping[str, str] | None = None) -> "Settings":
        """Read `KAIROS_*` variables; see docs/settings.md for each.

        Raises:
            SettingsError: naming the variable, what was expected and what was found.
        """
        read = _Reader(os.environ if env is None else env)
        default = cls()
        workspace, status = read.text("WORKSPACE"), read.text("STATUS")
        archive, disk, seal = read.text("ARCHIVE"), read.text("DISK"), read.text("SEAL")
        return cls(
            log=Log(
                read.text("LOG_URL") or default.log.url,
                read.number("PARTITIONS", default.log.partitions),
            ),
            ledger=read.text("LEDGER_URL") or default.ledger,
            collector=Collector(
                read.text("HOST") or default.collector.host,
                read.number("PORT", default.collector.port),
                Path(read.text("KEYS") or default.collector.keys),
                Path(seal) if seal else None,
                _mail(read),
                read.named("HOOK", "SECRET"),
                read.text("IDENTITY_KEYS") or "",
                read.text("IDENTITY_AUDIENCE") or default.collector.audience,
                _http(read),
            ),
            public_url=_public_url(read.text("PUBLIC_URL") or ""),
            workspace=Path(workspace) if workspace else None,
            deliveries=Path(read.text("DELIVERIES") or default.deliveries),
            slots=read.span("SLOTS", default.slots),
            copies=Path(read.text("COPIES") or default.copies),
            archive=Path(archive) if archive else None,
            archive_s=read.number("ARCHIVE_S", default.archive_s),
            upkeep=Upkeep(
                read.number("CHECKPOINT_S", default.upkeep.checkpoint_s),
                read.duration("RETAIN"),
                read.number("ARCHIVE_MB", 0) or None,
            ),
            copies_mb=read.number("COPIES_MB", default.copies_mb),
            people_mb=read.number("PEOPLE_MB", default.people_mb),
            channels=_channels(read),
            rates=_rates(read),
            disk=Path(disk) if disk else None,
            disk_free_mb=read.number("DISK_FREE_MB", default.disk_free_mb),
            status=Path(status) if status else None,
            server_key=read.text("SERVER_KEY"),
        )

    def to_env(self) -> dict[str, str]:
        """Return the variables that `from_env` reads these settings from.

        >>> Settings.from_env(Settings(ledger="unix:///l.sock").to_env()).ledger
        'unix:///l.sock'
        """
        env = {
            "LOG_URL": self.log.url,
            "PARTITIONS": str(self.log.partitions),
            "LEDGER_URL": self.ledger,
            "HOST": self.collector.host,
            "PORT": str(self.collector.port),
            "KEYS": str(self.collector.keys),
            "IDENTITY_AUDIENCE": self.collector.audience,
            "HTTP": self.collector.http,
            "DELIVERIES": str(self.deliveries),
            "SLOTS": f"{self.slots[0]}-{self.slots[1]}",
            "COPIES": str(self.copies),
            "ARCHIVE_S": str(self.archive_s),
            "CHECKPOINT_S": str(self.upkeep.checkpoint_s),
            "COPIES_MB": str(self.copies_mb),
            "PEOPLE_MB": str(self.people_mb),
            "DISK_FREE_MB": str(self.disk_free_mb),
        }
        for name, options in self.channels.items():
            env |= {f"{name}_{option}".upper(): value for option, value in options.items()}
        if self.rates:
            env["RATES"] = ",".join(f"{name}={rate}" for name, rate in self.rates.items())
        env |= {f"HOOK_{name.upper()}_SECRET": said for name, said in self.collector.hooks.items()}
        if self.collector.seal is not None:
            env["SEAL"] = str(self.collector.seal)
        if self.collector.identity_keys:
            env["IDENTITY_KEYS"] = self.collector.identity_keys
        for name, secret in self.collector.mail.items():
            env |= {f"MAIL_{name}_{field}".upper(): value for field, value in secret.items()}
        if self.public_url:
            env["PUBLIC_URL"] = self.public_url
        if self.workspace is not None:
            env["WORKSPACE"] = str(self.workspace)
        if self.archive is not None:
            env["ARCHIVE"] = str(self.archive)
        if self.upkeep.retain_ms is not None:
            env["RETAIN"] = in_words(self.upkeep.retain_ms)
        if self.upkeep.archive_mb is not None:
            env["ARCHIVE_MB"] = str(self.upkeep.archive_mb)
        if self.disk is not None:
            env["DISK"] = str(self.disk)
        if self.status is not None:
            env["STATUS"] = str(self.status)
        if self.server_key is not None:
            env["SERVER_KEY"] = self.server_key
        return {f"KAIROS_{name}": value for name, value in env.items()}


# Options of channels that the environment may set, as KAIROS_<CHANNEL>_<OPTION>.
CHANNEL_OPTIONS = {
    "email": ("url", "sender", "provider", "dkim_key", "dkim_selector"),
    "slack": ("url",),
    "web": ("url",),
    "webhook": ("url", "secret"),
}


def _channels(read: "_Reader") -> dict[str, dict[str, str]]:
    found = {
        name: {o: value for o in options if (value := read.text(f"{name}_{o}".upper())) is not None}
        for name, options in CHANNEL_OPTIONS.items()
    }
    return {name: options for name, options in found.items() if "url" in options}


def _rates(read: "_Reader") -> dict[str, int]:
    found = {}
    for said in filter(None, (read.text("RATES") or "").split(",")):
        name, _, rate = said.strip().partition("=")
        if not name or not rate.isdigit() or not int(rate):
            raise SettingsError(
                f"KAIROS_RATES: messages a second by channel were expected, such as "
                f"email=50,webhook=200, found {said.strip()!r}"
            )
        found[name] = int(rate)
    return found


def secret_name(webhook: str) -> str:
    """Return by which name a webhook's secret is found among those of the environment.

    >>> secret_name("my-shop")
    'my_shop'
    """
    return webhook.replace("-", "_")


# What a mail provider signs its calls with, as KAIROS_MAIL_<PROVIDER>_<FIELD>.
MAIL_SECRETS = {
    "brevo": ("user", "password", "bearer", "header"),
    "mailgun": ("signing_key", "tolerance_ms"),
    "postmark": ("user", "password", "bearer", "header"),
    "sendgrid": ("public_key", "tolerance_ms"),
    "ses": ("topic", "tolerance_ms"),
}


def _mail(read: "_Reader") -> dict[str, dict[str, str]]:
    found = {
        name: {
            field: value
            for field in fields
            if (value := read.text(f"MAIL_{name}_{field}".upper())) is not None
        }
        for name, fields in MAIL_SECRETS.items()
    }
    return {name: secret for name, secret in found.items() if secret}


LOOPBACK = ("127.0.0.1", "localhost", "::1")


def _public_url(text: str) -> str:
    """Read where links in messages lead: https, as anybody on the way may read what is http.

    >>> _public_url("https://id.shop.example/kairos/"), _public_url("http://127.0.0.1:8765")
    ('https://id.shop.example/kairos', 'http://127.0.0.1:8765')
    """
    if not text:
        return ""
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    plain = re.fullmatch(
        r"https?://(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:]+\])(?::\d+)?[\w./~-]*", text, re.ASCII
    )
    if not plain or not host or not (parts.scheme == "https" or host in LOOPBACK):
        raise SettingsError(
            "KAIROS_PUBLIC_URL: an address such as https://id.shop.example was expected, with "
            f"http on this machine alone, found {text!r}"
        )
    return text.rstrip("/")


def _http(read: "_Reader") -> Http:
    match read.text("HTTP") or Collector().http:
        case "uvicorn":
            return "uvicorn"
        case "native":
            return "native"
        case text:
            raise SettingsError(f"KAIROS_HTTP: uvicorn or native was expected, found {text!r}")


class _Reader:
    def __init__(self, env: Mapping[str, str]) -> None:
        self._env = env

    def text(self, name: str) -> str | None:
        file = self._env.get(f"KAIROS_{name}_FILE")
        if file is None:
            return self._env.get(f"KAIROS_{name}") or None
        try:
            return Path(file).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise SettingsError(
                f"KAIROS_{name}_FILE: {file} cannot be read: {error.strerror}"
            ) from error

    def named(self, before: str, behind: str) -> dict[str, str]:
        """Read KAIROS_BEFORE_NAME_BEHIND for whatever names there are, in lower case."""
        variable = re.compile(rf"KAIROS_{before}_([A-Z0-9_]+)_{behind}(?:_FILE)?")
        names = {found[1] for key in self._env if (found := variable.fullmatch(key))}
        read = {name: self.text(f"{before}_{name}_{behind}") for name in sorted(names)}
        return {name.lower(): value for name, value in read.items() if value}

    def number(self, name: str, default: int) -> int:
        text = self.text(name)
        if text is None:
            return default
        if not text.isdigit():
            raise SettingsError(f"KAIROS_{name}: a whole number was expected, found {text!r}")
        return int(text)

    def duration(self, name: str) -> int | None:
        text = self.text(name)
        if text is None:
            return None
        try:
            return duration(text)
        except ValueError as error:
            raise SettingsError(f"KAIROS_{name}: {error}") from error

    def span(self, name: str, default: tuple[int, int]) -> tuple[int, int]:
        text = self.text(name)
        if text is None:
            return default
        first, _, last = text.partition("-")
        if not (first.isdigit() and last.isdigit() and int(first) <= int(last) <= default[1]):
            raise SettingsError(
                f"KAIROS_{name}: two numbers up to {default[1]} such as 0-31 were expected, "
                f"found {text!r}"
            )
        return int(first), int(last)


def activations(settings: Settings) -> Log:
    """Return where the activation stream is: beside the ledger, so that order covers both.

    >>> activations(Settings(ledger="unix:///run/ledger.sock")).url
    'valkey:///run/ledger.sock?name=activations'
    >>> activations(Settings(ledger="redis://cache:6379/0")).url
    'valkey://cache:6379/activations'
    """
    if settings.ledger.startswith("unix://"):
        url = f"valkey://{settings.ledger.removeprefix('unix://')}?name=activations"
    else:
        host = settings.ledger.removeprefix("redis://").rpartition("/")[0]
        url = f"valkey://{host}/activations"
    return Log(url, settings.log.partitions)
