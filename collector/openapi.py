"""What the door says of itself, as OpenAPI 3.1: `GET /openapi.json`.

The schemas of bodies say what a call is meant to hold. The door minds less than they do: it keeps
what it can read, and what it refuses is told with a code of `docs/errors.md`.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

PATH = "openapi.json"

_Schema = dict[str, Any]
_JSON = "application/json"
_FORM = "application/x-www-form-urlencoded"
_ABOUT = (
    "Each call has other addresses too, as SDKs use them: without `v1/`, below `/beacon/`, and by its "
    "first letter (`/v1/t`, `/b`). GET paths answer HEAD, and all answer OPTIONS. JSON may come "
    "gzipped, under any Content-Type. A write key may also stand in the body as `writeKey`."
)
_ERRORS = {
    400: "What was sent cannot be read; nothing to gain from sending it again",
    401: "No write key, or one that nobody knows",
    403: "The key may not do this, or the call is not signed as it must be",
    404: "No such path, key, person, provider or webhook",
    409: "Several people have this identifier",
    405: "Another method is taken here, which Allow names",
    408: "The request did not arrive in time; send it again",
    413: "Too large",
    429: "The key is beyond its quota; send it again after Retry-After",
    431: "The header is too large",
    500: "A bug of the collector; send it again",
    503: "Not now; send it again after Retry-After",
}
_ALWAYS = (400, 404, 405, 408, 413, 431, 500)  # whatever the path


def _ref(name: str) -> _Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _text(longest: int) -> _Schema:
    return {"type": "string", "maxLength": longest}


def _object(required: str = "", **fields: Any) -> _Schema:
    return {"type": "object", "properties": fields} | (
        {"required": required.split()} if required else {}
    )


def _call(required: str = "", **fields: Any) -> _Schema:
    """Describe one call: whose it is, and what it says."""
    return {"allOf": [_ref("Call"), _object(required, **fields)]}


def _several(name: str, **more: Any) -> _Schema:
    many = {"type": "array", "items": _ref(name), "maxItems": 5_000}
    return _object("batch", batch=many, writeKey=_text(255), **more)


_ID, _FIELDS, _TIME = _text(255), {"type": "object"}, {"type": "string", "format": "date-time"}
_TEXTS = {"type": "array", "items": {"type": "string"}}
_TRUE, _COUNT = {"const": True}, {"type": "integer", "minimum": 0}
_BATCH = {"sentAt": _TIME, "context": _FIELDS}
_KINDS = {
    "Track": ("track", _call("event", event=_ID, properties=_FIELDS)),
    "Identify": ("identify", _call(traits=_FIELDS)),
    "Page": ("page", _call(name=_ID, category=_ID, properties=_FIELDS)),
    "Screen": ("screen", _call(name=_ID, category=_ID, properties=_FIELDS)),
    "Group": ("group", _call("groupId", groupId=_ID, traits=_FIELDS)),
    "Alias": ("alias", _call("previousId userId", previousId=_ID)),
}
_SCHEMAS: dict[str, _Schema] = {
    "Call": _object(
        userId=_ID, anonymousId=_ID, messageId=_ID, timestamp=_TIME, originalTimestamp=_TIME,
        sentAt=_TIME, context=_FIELDS, writeKey=_text(255),
    ) | {"anyOf": [{"required": ["userId"]}, {"required": ["anonymousId"]}]},
    **{name: schema for name, (_, schema) in _KINDS.items()},
    "Typed": {"oneOf": [
        {"allOf": [_ref(name), _object("type", type={"const": kind})]}
        for name, (kind, _) in _KINDS.items()
    ]},
    "Batch": _several("Typed", importId={"type": "string", "pattern": "^[A-Za-z0-9._-]{1,64}$"}, **_BATCH),
    "Score": _call("scores", scores=_FIELDS),
    "Scores": _several("Score", **_BATCH),
    "Run": _call("trigger", trigger=_ID, properties=_FIELDS),
    "Runs": _several("Run", **_BATCH),
    "Item": _object("id", id=_ID, gone={"type": "boolean"}),
    "Catalog": _object("items", items={"type": "array", "items": _ref("Item"), "maxItems": 5_000}),
    "Success": _object("success", success=_TRUE),
    "Taken": _object("success accepted", success=_TRUE, accepted=_COUNT),
    "Rejected": _object(
        "code message", index=_COUNT, message_id={"type": "string"}, code={"type": "string"},
        message={"type": "string"},
    ),
    "BatchTaken": _object(
        "success accepted", success=_TRUE, accepted=_COUNT,
        rejected={"type": "array", "items": _ref("Rejected")},
    ),
    "Profile": _object(
        "id identifiers first last events traits claimed scores segments consents as_of",
        id={"type": "string"}, identifiers=_TEXTS, first=_COUNT, last=_COUNT, events=_COUNT,
        traits=_FIELDS, claimed=_TEXTS, scores=_FIELDS, segments=_TEXTS, consents=_FIELDS,
        as_of=_COUNT,
    ),
    "Known": _object("success profile", success=_TRUE, profile=_ref("Profile")),
    "Message": _object(
        "id template subject text html", id={"type": "string"}, template={"type": "string"},
        subject={"type": "string"}, text={"type": "string"}, html={"type": "string"},
    ),
    "Messages": _object(
        "success messages", success=_TRUE, messages={"type": "array", "items": _ref("Message")}
    ),
    "Failure": _object(
        "success code message", success={"const": False}, message={"type": "string"},
        code={"type": "string", "description": "stable; docs/errors.md lists them"},
    ),
}  # fmt: skip


class _Path(NamedTuple):
    """What stands at a path."""

    summary: str
    takes: _Schema | None = None  # the JSON body
    gives: _Schema | None = _ref("Taken")  # with 200; None: nothing ever is
    media: str = _JSON  # of what it gives
    refuses: tuple[int, ...] = (401, 403, 429, 503)  # beside _ALWAYS
    keys: tuple[str, ...] = ()  # the ways in which a key may be sent; none: it takes none
    query: tuple[str, ...] = ()  # names of parameters
    also: Mapping[str, str] = {}  # other statuses, of another body or none, and what they say
    form: bool = False  # what it takes is a form's


_HEAD = ("basic", "bearer", "query")
_ANYWHERE = (*_HEAD, "")  # "": in the body, which OpenAPI has no word for


def _taking(summary: str, name: str, gives: str = "Taken") -> _Path:
    return _Path(summary, _ref(name), _ref(gives), keys=_ANYWHERE)


_SETTINGS = _Path("How an SDK is set up", gives=_FIELDS, refuses=())
_PIXEL = _Path(
    "An event as the address of an image; a dot in a name leads into an object",
    gives={"type": "string"}, media="image/gif", keys=_HEAD, query=("userId", "anonymousId", "event", "name"),
)  # fmt: skip
_PAGE = _Path(
    "", gives={"type": "string"}, media="text/html", refuses=(), form=True,
    also={"404": "A page that says that this is no token of ours", "503": "A page: try again"},
)  # fmt: skip
_LIVES = _Path("The process lives", gives=_ref("Success"), refuses=())
_PATHS = {
    **{f"v1/{kind}": _taking(f"One call of kind {kind}", name) for name, (kind, _) in _KINDS.items()},
    "v1/batch": _taking("Several calls, each with its type", "Batch", "BatchTaken"),
    "v1/scores": _taking("Scores of people, under a server's key", "Scores", "BatchTaken"),
    "v1/start": _taking("Start a trigger for people, under a server's key", "Runs", "BatchTaken"),
    "v1/exit": _taking("End runs of people, under a server's key", "Runs", "BatchTaken"),
    "v1/catalog": _taking("What there is to buy, under a server's key", "Catalog")._replace(keys=_HEAD),
    "v1/m": _Path("What an SDK reports about itself; not kept", _FIELDS, _ref("Success"), refuses=()),
    "pixel/v1/track": _PIXEL,
    "pixel/v1/page": _PIXEL,
    "v1/profiles/{id}": _Path(
        "What is known of somebody, under a server's key", gives=_ref("Known"),
        refuses=(401, 403, 409, 503), keys=_HEAD,
    ),
    "v1/decide": _Path(
        "What waits to be shown in a browser", gives=_ref("Messages"), refuses=(401, 503),
        keys=_HEAD, query=("anonymousId",),
    ),
    "v1/stream": _Path(
        "What is to be shown in a browser, as server-sent events, see docs/wire.md",
        gives={"type": "string"}, media="text/event-stream", refuses=(401, 503), keys=_HEAD,
        query=("anonymousId",), also={"204": "Nothing is shown on this website"},
    ),
    "v1/mail/{provider}": _Path("What a mail provider tells, signed by it", _FIELDS, refuses=(403, 503)),
    "v1/hooks/{name}": _Path("What another system posts, signed by it", _FIELDS, refuses=(403, 503)),
    "v1/projects/{key}/settings": _SETTINGS,
    "c/{token}": _PAGE._replace(
        summary="A link of a message, on to where it leads", gives=None,
        also={"302": "Where it leads, as Location", "404": _PAGE.also["404"]},
    ),
    "o/{token}": _PAGE._replace(
        summary="The answer to a question whether somebody wants messages: a page, and its button",
        takes={"type": "object", "properties": {}},
    ),
    "p/{token}": _PAGE._replace(
        summary="What somebody gets on a message's channel: a page, and what its form says",
        takes=_object(on=_TEXTS, was=_TEXTS, off=_TEXTS, all=_ID),
        also={**_PAGE.also, "400": "A page that says that this is no form of ours"},
    ),
    "u/{token}": _PAGE._replace(
        summary="Unsubscribe from what a message is for: a page, and what its button says (RFC 8058)",
        takes={"type": "object", "properties": {"List-Unsubscribe": {"const": "One-Click"}}},
    ),
    "v1/sourceConfig": _SETTINGS._replace(keys=("basic", "bearer", "query")),
    "kairos.js": _Path(
        "The script for web pages", gives={"type": "string"}, media="text/javascript", refuses=(),
        also={"304": "The browser has it already"},
    ),
    PATH: _Path("This document", gives=_FIELDS, refuses=()),
    "healthz": _LIVES,
    "readyz": _Path("Events are taken", gives=_ref("Success"), refuses=(503,)),
    "metrics": _Path(
        "What this collector counts, under a server's key", gives={"type": "string"},
        media="text/plain", refuses=(401, 403), keys=_HEAD,
    ),
}  # fmt: skip


def document(methods: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """Describe the door.

    Args:
        methods: path -> what it takes, GET, POST or both, of every path that is described.

    Raises:
        KeyError: what is described here is no path of the door.

    >>> document(dict.fromkeys(_PATHS, ["GET"]))["paths"]["/healthz"]["get"]["summary"]
    'The process lives'
    """
    return {
        "openapi": "3.1.0",
        "info": {"title": "Kairos collector", "version": "1", "description": _ABOUT},
        "servers": [{"url": "/"}],
        "paths": {
            f"/{path}": {method.lower(): _operation(path, one, method) for method in methods[path]}
            for path, one in _PATHS.items()
        },
        "components": {
            "schemas": _SCHEMAS,
            "responses": {str(status): _failure(status, said) for status, said in _ERRORS.items()},
            "securitySchemes": {
                "basic": {"type": "http", "scheme": "basic", "description": "the key as user name"},
                "bearer": {"type": "http", "scheme": "bearer"},
                "query": {"type": "apiKey", "in": "query", "name": "writeKey"},
            },
        },
    }


def _operation(path: str, one: _Path, method: str) -> dict[str, Any]:
    named = [part.strip("{}") for part in path.split("/") if part.startswith("{")]
    parameters = [_parameter("path", name) for name in named]
    parameters += [_parameter("query", name) for name in one.query]
    answers: dict[str, Any] = {}
    if one.gives is not None:
        answers["200"] = {"description": "Done", "content": {one.media: {"schema": one.gives}}}
    answers |= {
        str(status): {"$ref": f"#/components/responses/{status}"}
        for status in sorted({*_ALWAYS, *one.refuses})
    }
    answers |= {status: {"description": said} for status, said in one.also.items()}
    found: dict[str, Any] = {"summary": one.summary, "responses": answers}
    if parameters:
        found["parameters"] = parameters
    if one.takes is not None and method == "POST":
        media = _FORM if one.form else _JSON
        found["requestBody"] = {"required": not one.form, "content": {media: {"schema": one.takes}}}
    if one.keys:
        found["security"] = [{scheme: []} if scheme else {} for scheme in one.keys]
    return found


def _parameter(where: str, name: str) -> dict[str, Any]:
    return {"in": where, "name": name, "required": where == "path", "schema": _ID}


def _failure(status: int, said: str) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "description": said,
        "content": {_JSON: {"schema": _ref("Failure")}},
    }
    if status in (429, 503):
        seconds = {"type": "integer", "minimum": 1, "maximum": 300}
        answer["headers"] = {
            "Retry-After": {"description": "seconds", "required": True, "schema": seconds}
        }
    if status == 405:
        answer["headers"] = {"Allow": {"required": True, "schema": {"type": "string"}}}
    return answer
