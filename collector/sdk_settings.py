"""What browser and app SDKs ask for before they send: how they are set up.

Each gets the least that makes it send everything here, and nothing to anybody else.
"""

import re
from typing import Any

import msgspec

from collector.credentials import from_head
from collector.keys import KeyRing
from collector.request import Request, Response
from collector.respond import JSON, failure

_PROJECT = re.compile(r"(?:v1/)?projects/([^/]{1,255})/settings")
_SOURCE = "sourceConfig"
_CACHED = (b"cache-control", b"public, max-age=60")  # seconds; an SDK asks on each page
_HOST = re.compile(rb"[A-Za-z0-9.:\[\]-]{1,255}")


def key_asked(request: Request, path: str) -> str | None:
    """Return whose settings are asked for, "" where it is not said; None where none are.

    >>> key_asked(Request("GET", "/v1/projects/k1/settings"), "v1/projects/k1/settings")
    'k1'
    >>> key_asked(Request("GET", "/sourceConfig/", b"writeKey=k1"), "sourceConfig")
    'k1'
    """
    project = _PROJECT.fullmatch(path)
    if project is not None:
        return project[1]
    return from_head(request) if path.removeprefix("v1/") == _SOURCE else None


def settings(request: Request, path: str, key: str, keys: KeyRing) -> Response:
    """Answer with the settings of a key: as Segment's SDKs read them, or as RudderStack's do."""
    if keys.find(key) is None:
        return failure(404, "unknown_write_key", "no such write key; it was revoked, or mistyped")
    said = _source(key) if path.removeprefix("v1/") == _SOURCE else _project(request, key)
    return Response(200, msgspec.json.encode(said), (JSON, _CACHED))


def _project(request: Request, key: str) -> dict[str, Any]:
    host = request.header(b"host")
    where: dict[str, Any] = {"apiKey": key}
    if _HOST.fullmatch(host):
        # SDKs put the scheme before it themselves; those for apps always take https.
        where |= {"apiHost": f"{host.decode()}/v1", "protocol": request.scheme}
    return {"integrations": {"Segment.io": where}, "plan": {"track": {}}, "edgeFunction": {}}


def _source(key: str) -> dict[str, Any]:
    silent = {"errors": {"enabled": False}, "metrics": {"enabled": False}}
    source = {
        "id": "kairos",
        "name": "kairos",
        "writeKey": key,
        "enabled": True,
        "workspaceId": "kairos",
        "config": {"statsCollection": silent},
        "connections": [],
        "destinations": [],
        "dataplanes": {},
    }
    return {"source": source, "updatedAt": "2026-01-01T00:00:00.000Z"}
