"""What browser and app SDKs ask for before they send: how they are set up.

Each gets the least that makes it send everything here, and nothing to anybody else.
"""

import re
from typing import Any

import msgspec

from collector.credentials import from_head
from collector.door import Door
from collector.request import Request, Response
from collector.respond import JSON, failure

PROJECT = re.compile(r"(?:v1/)?projects/([^/]{1,255})/settings")
_CACHED = (b"cache-control", b"public, max-age=60")  # seconds; an SDK asks on each page
_HOST = re.compile(rb"[A-Za-z0-9.:\[\]-]{1,255}")


def project(request: Request, door: Door, _now_us: int) -> Response:
    """Answer with the settings of a key as Segment's SDKs read them."""
    asked = PROJECT.fullmatch(request.path.strip("/"))
    key = asked[1] if asked else ""
    return _said(door, key, _project(request, key))


def source(request: Request, door: Door, _now_us: int) -> Response:
    """Answer with the settings of a key as RudderStack's SDKs read them."""
    key = from_head(request)
    return _said(door, key, _source(key))


def _said(door: Door, key: str, settings: dict[str, Any]) -> Response:
    if door.keys.find(key) is None:
        return failure(404, "unknown_write_key", "no such write key; it was revoked, or mistyped")
    return Response(200, msgspec.json.encode(settings), (JSON, _CACHED))


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
