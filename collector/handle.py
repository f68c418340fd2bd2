"""The HTTP door without HTTP: a request as a value in; an answer, or what it takes, out. No I/O.

Content-Type is never looked at: SDKs send JSON as text, as a form and as JSON.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import msgspec

from collector import openapi, profiles, snippet, taking
from collector.cors import preflight, with_cors
from collector.credentials import from_head
from collector.door import Door
from collector.links import clicks, confirm, preferences, unsubscribe
from collector.metrics import exposition
from collector.onsite import stream
from collector.onsite.decide import decide
from collector.outcome import Outcome, changing
from collector.request import Request, Response
from collector.respond import JSON, failure, success
from collector.sdk_settings import PROJECT, project, source
from events.record import BEGIN, EXIT

_TEXT = (b"content-type", b"text/plain; version=0.0.4; charset=utf-8")  # of Prometheus
_MAIL = "v1/mail/"  # and a provider's name
_HOOKS = "v1/hooks/"  # and a webhook's
_KINDS = ("track", "identify", "page", "screen", "group", "alias")


def handle(request: Request, door: Door, now_us: int) -> Outcome:
    """Answer one request.

    Args:
        request: with its whole body.
        door: keys and limits.
        now_us: when the request came, us since 1970.

    >>> from collector.keys import KeyRing, create
    >>> text, key = create("browser", "web", "2026-11-25T00:00:00Z")
    >>> auth = {b"authorization": b"Bearer " + text.encode()}
    >>> body = b'{"event":"Product Viewed","anonymousId":"a1"}'
    >>> done = handle(Request("POST", "/v1/track", b"", auth, body), Door(KeyRing([key])), 10**15)
    >>> done.response.body, done.records[0].leaf
    (b'{"success":true,"accepted":1}', 'anonymous_id:a1')
    """
    answer = _answer(request, door, now_us)
    # What a link leads to is for who follows it, and for no other website's script.
    return answer if _is_page(request.path) else changing(answer, partial(with_cors, request))


def _is_page(path: str) -> bool:
    return path.startswith(_PAGES)


class _Route(NamedTuple):
    """What stands at a path."""

    method: str
    answer: Callable[[Request, Door, int], Outcome]
    takes: bool = True  # whether it takes something in, for which it may be closed


def _answer(request: Request, door: Door, now_us: int) -> Outcome:
    routes = _found(request.path.strip("/"))
    if not routes:
        return failure(404, "not_found", "no such path; events go to /v1/batch or /v1/track")
    if request.method == "OPTIONS":
        return preflight(request)
    asked = "GET" if request.method == "HEAD" else request.method
    for route in routes:
        if asked == route.method:
            return (route.takes and _closed(door)) or route.answer(request, door, now_us)
    return _wrong_method([route.method for route in routes])


def _found(path: str) -> Sequence[_Route]:
    known = _ROUTES.get(path)
    if known is not None:
        return known
    if path.startswith(_MAIL):
        return _BOX
    if path.startswith(profiles.PATH):
        return _PROFILE
    if path.startswith(_HOOKS):
        return _HOOK
    if path.startswith(unsubscribe.PATH):
        return _LEAVING
    if path.startswith(clicks.PATH):
        return _CLICKED
    if path.startswith(preferences.PATH):
        return _CHOOSING
    if path.startswith(confirm.PATH):
        return _CONFIRMING
    return _PROJECT if PROJECT.fullmatch(path) else ()


def _wrong_method(allowed: Sequence[str]) -> Response:
    wrong = failure(405, "method_not_allowed", f"this path takes {' and '.join(allowed)}")
    allow = (b"allow", ", ".join(allowed).encode())
    return msgspec.structs.replace(wrong, headers=(*wrong.headers, allow))


def _closed(door: Door) -> Response | None:
    if not door.ready:
        return failure(503, "draining", "this collector is shutting down; send again")
    if not door.room:
        return failure(503, "disk_full", "the log's disk is nearly full; send again")
    return None


def _alive(_request: Request, _door: Door, _now_us: int) -> Response:
    return success()


def _ready(_request: Request, door: Door, _now_us: int) -> Response:
    return _closed(door) or success(clock="file" if door.replayed else "log")


def _metrics(request: Request, door: Door, _now_us: int) -> Response:
    alone = "metrics are for who has a server's key"
    key = taking.server_key_of(from_head(request), door, alone)
    if isinstance(key, Response):
        return key
    return Response(200, exposition(door.figures), (_TEXT,))


def _described(_request: Request, _door: Door, _now_us: int) -> Response:
    return Response(200, _DOCUMENT, (JSON,))


def _mail(request: Request, door: Door, now_us: int) -> Outcome:
    return door.mail.answer(request.path.strip("/").removeprefix(_MAIL), request, now_us)


def _hook(request: Request, door: Door, now_us: int) -> Outcome:
    return door.hooks.answer(request.path.strip("/").removeprefix(_HOOKS), request, now_us)


def _routes() -> dict[str, Sequence[_Route]]:
    events = {name: _Route("POST", taking.one(name)) for name in _KINDS}
    events |= {name[0]: route for name, route in events.items()}
    events["batch"] = events["b"] = _Route("POST", taking.many())
    for name in ("scores", BEGIN, EXIT):
        events[name] = _Route("POST", taking.many(name))
    events["catalog"] = _Route("POST", taking.catalog)
    events["m"] = _Route("POST", _alive, takes=False)  # Segment's browser SDK reports about itself
    source_config = _Route("GET", source, takes=False)
    alone = {
        **{
            f"{start}{version}{name}": route
            for start in ("", "beacon/")
            for version in ("", "v1/")
            for name, route in events.items()
        },
        "pixel/v1/track": _Route("GET", taking.shown("track")),
        "pixel/v1/page": _Route("GET", taking.shown("page")),
        "sourceConfig": source_config,
        "v1/sourceConfig": source_config,
        snippet.PATH: _Route(
            "GET", lambda request, _door, _now_us: snippet.script(request), takes=False
        ),
        openapi.PATH: _Route("GET", _described, takes=False),
        "healthz": _Route("GET", _alive, takes=False),
        "health": _Route("GET", _alive, takes=False),
        "readyz": _Route("GET", _ready, takes=False),
        "v1/decide": _Route("GET", decide, takes=False),
        stream.PATH: _Route("GET", stream.stream, takes=False),
        "metrics": _Route("GET", _metrics, takes=False),
    }
    return {path: (route,) for path, route in alone.items()}


_PROFILE = (_Route("GET", profiles.profile, takes=False),)
_PROJECT = (_Route("GET", project, takes=False),)
_BOX = (_Route("POST", _mail),)
_HOOK = (_Route("POST", _hook),)
_LEAVING = (
    _Route("GET", unsubscribe.show, takes=False),
    _Route("POST", unsubscribe.leave, takes=False),  # which answers with a page
)
_CLICKED = (_Route("GET", clicks.follow, takes=False),)
_CHOOSING = (
    _Route("GET", preferences.show, takes=False),
    _Route("POST", preferences.choose, takes=False),
)
_CONFIRMING = (
    _Route("GET", confirm.show, takes=False),
    _Route("POST", confirm.confirm, takes=False),
)
_PAGES = tuple("/" + one.PATH for one in (unsubscribe, clicks, preferences, confirm))
_ROUTES = _routes()
_NAMED = {
    _MAIL + "{provider}": _BOX,
    _HOOKS + "{name}": _HOOK,
    profiles.PATH + "{id}": _PROFILE,
    unsubscribe.PATH + "{token}": _LEAVING,
    clicks.PATH + "{token}": _CLICKED,
    preferences.PATH + "{token}": _CHOOSING,
    confirm.PATH + "{token}": _CONFIRMING,
    "v1/projects/{key}/settings": _PROJECT,
}
_DOCUMENT = msgspec.json.encode(
    openapi.document(
        {path: [route.method for route in routes] for path, routes in (_ROUTES | _NAMED).items()}
    )
)
