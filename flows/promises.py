"""What the servers under a log and a ledger must promise; what they do not keep is not ours."""

from typing import Any, NamedTuple, cast

import redis
import structlog

from events.sources.valkey import address
from kairos.settings import Settings, SettingsError

log = structlog.get_logger()


# How a log's server writes. While its file is rewritten it syncs nothing unless the last says so.
WRITES = {"appendonly": "yes", "appendfsync": "always", "no-appendfsync-on-rewrite": "no"}


class Broken(NamedTuple):
    """A promise that a server does not keep."""

    found: str
    mend: str


def broken_promises(url: str, *, durable: bool) -> list[Broken]:
    """Ask a Valkey whether what it acknowledges stays.

    Args:
        url: of redis-py.
        durable: it is the place of durability, so every reply must come after an fsync.

    Raises:
        redis.RedisError: it does not answer.
    """
    with redis.Redis.from_url(url) as client:
        memory: Any = client.info("memory")
        config = _asked(client) if durable else None
    broken = []
    policy = memory.get("maxmemory_policy", "noeviction")
    if policy != "noeviction":
        found = f"maxmemory-policy is {policy}"
        broken.append(Broken(found, "a server that forgets loses people: set noeviction"))
    if config is not None:
        wrong = [f"{name} {config[name]}" for name in WRITES if config.get(name) != WRITES[name]]
        if wrong:
            right = ", ".join(f"{name} {value}" for name, value in WRITES.items())
            mend = f"a power cut loses accepted events: set {right}"
            broken.append(Broken(", ".join(wrong), mend))
    return broken


def _asked(client: redis.Redis) -> dict[str, str] | None:
    """Return how the server writes its file; None where it does not tell, as hosted ones."""
    try:
        config: Any = client.config_get(*WRITES)
    except redis.ResponseError:
        return None
    return cast("dict[str, str]", config)


def demand_log(settings: Settings) -> None:
    """Demand that the log keeps what it acknowledges.

    Raises:
        SettingsError: its server forgets, or answers before it has synced.
    """
    if settings.log.url.startswith("valkey://"):
        _demand("KAIROS_LOG_URL", address(settings.log.url)[0], durable=True)


def demand_ledger(settings: Settings) -> None:
    """Demand that the ledger forgets nobody.

    Raises:
        SettingsError: its server does.
    """
    _demand("KAIROS_LEDGER_URL", settings.ledger, durable=False)


def _demand(variable: str, url: str, *, durable: bool) -> None:
    try:
        broken = broken_promises(url, durable=durable)
    except redis.RedisError as error:
        log.warning("a server could not be asked what it promises", of=variable, reason=str(error))
        return
    if broken:
        told = "; ".join(f"{one.found} ({one.mend})" for one in broken)
        raise SettingsError(f"{variable}: its server cannot be trusted: {told}")
