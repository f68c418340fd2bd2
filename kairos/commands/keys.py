"""`kairos keys`: who may send events, and how far their word is trusted.

A running collector takes up a change within a second.
"""

from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import msgspec

from collector.keys import KeyRing, changing
from collector.keys import create as make
from kairos.embedded.running import find
from kairos.say import as_json, failed
from kairos.settings import Settings, SettingsError
from kairos.snippets import snippet


def create(
    kind: Literal["browser", "server"],
    *,
    source: str | None = None,
    quota: int = 0,
    data: Path | None = None,
    json: bool = False,
) -> int:
    """Make a write key, and print it once, with code that is ready to paste.

    Parameters
    ----------
    kind
        "browser": public, for web pages and apps; adds events and claims who somebody is.
        "server": secret, for your own servers; what it says about addresses is believed.
    source
        The source group, inside which a message id counts once; else "web" or "server". Keys of
        one sender share it, so that a key can be replaced.
    quota
        Events a second that may be sent with it, ten seconds of them at once; beyond that it is
        answered 429. 0: as many as there are.
    data
        The data folder of `kairos up`; else KAIROS_KEYS, else kairos-data.
    json
        Print one JSON object.
    """
    try:
        path, url = _where(data)
        now = datetime.now(UTC).isoformat(timespec="seconds")
        text, key = make(kind, source or {"browser": "web"}.get(kind, kind), now, quota=quota)
        changing(path, lambda ring: ring.having(key))
    except (ValueError, OSError) as error:
        return failed("keys create", error, json=json)
    code = snippet(kind, url, text)
    if json:
        as_json({"id": key.id, "kind": kind, "source": key.source, "key": text, "snippet": code})
    else:
        print(f"{kind} key {key.id} of source {key.source!r}, shown once:\n\n{text}\n\n{code}")
    return 0


def list_(*, data: Path | None = None, json: bool = False) -> int:
    """List the write keys. The keys themselves are not kept, only their hashes.

    Parameters
    ----------
    data
        The data folder of `kairos up`; else KAIROS_KEYS, else kairos-data.
    json
        Print one JSON object.
    """
    try:
        path, _ = _where(data)
        ring = KeyRing.load(path)
    except (ValueError, OSError) as error:
        return failed("keys list", error, json=json)
    if json:
        kept = [msgspec.to_builtins(key) for key in ring.keys]
        as_json({"file": str(path), "keys": [{**k, "sha256": k["sha256"][:12]} for k in kept]})
        return 0
    for key in ring.keys:
        quota = f"  at most {key.quota} events/s" if key.quota else ""
        print(f"{key.id}  {key.kind:<8} {key.source:<16} made {key.created}{quota}")
    if not ring.keys:
        print(f"{path} holds no keys; `kairos keys create browser` makes one")
    return 0


def revoke(id: str, *, data: Path | None = None, json: bool = False) -> int:  # noqa: A002 - the word on the command line
    """Take a write key back: within a second the collector does not know it any more.

    Parameters
    ----------
    id
        As `kairos keys list` shows it.
    data
        The data folder of `kairos up`; else KAIROS_KEYS, else kairos-data.
    json
        Print one JSON object.
    """
    try:
        path, _ = _where(data)
        known = [key.id for key in KeyRing.load(path).keys]
        if id not in known:
            there = ", ".join(known) or "none"
            return failed("keys revoke", f"{path} has no key {id!r}; there: {there}", json=json)
        changing(path, lambda ring: ring.without(id))
    except (ValueError, OSError) as error:
        return failed("keys revoke", error, json=json)
    if json:
        as_json({"id": id, "revoked": True})
    else:
        print(f"{id} is revoked")
    return 0


COMMANDS = {"create": create, "list": list_, "revoke": revoke}


def _where(data: Path | None) -> tuple[Path, str]:
    """Return the key file, and the collector's address."""
    settings = Settings.from_env()
    if data is None and settings.collector.keys != Settings().collector.keys:
        return settings.collector.keys, settings.collector.url
    folder = data or Path("kairos-data")
    if not folder.is_dir():
        raise SettingsError(
            f"{folder}: there is no such folder; `kairos up` makes it, or name another with --data"
        )
    running = find(folder)
    return folder / "keys.json", (running or Settings()).collector.url
