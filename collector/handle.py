"""The HTTP door without HTTP: a request as a value in, an answer and records out. No I/O.

Content-Type is never looked at: SDKs send JSON as text, as a form and as JSON.
"""

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from collector import pixel
from collector.batch import open_batch
from collector.cors import preflight, with_cors
from collector.credentials import from_body, from_head
from collector.inflate import Caps, Corrupt, TooLarge, inflate
from collector.keys import Key, KeyRing
from collector.request import Request, Response
from collector.respond import failure, success
from collector.sdk_settings import key_asked, settings
from events.catalog import posted
from events.context import as_context
from events.limits import Limits
from events.parse import Arrival, parse
from events.record import BEGIN, CLAIMED, EXIT, DeadLetter, Event, Item
from events.rejected import RefusedError, Rejected
from events.wire import RawBatch

_ONE = {name: name for name in ("track", "identify", "page", "screen", "group", "alias")}
_ONE |= {name[0]: name for name in _ONE}
_OF_SERVERS = ("scores", BEGIN, EXIT)  # kinds that only a server's key may send
_BATCH = {"batch": "", "b": ""} | {kind: kind for kind in _OF_SERVERS}  # "": as each says itself
_IMPORT_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_METRICS = "m"  # Segment's browser SDK reports about itself

_CATALOG = "catalog"
_PROBES = ("healthz", "readyz", "health")
_STATUS = {"event_too_large": 413, "request_too_large": 413, "server_key_needed": 403}  # else 400
_ONE_ACCEPTED = success(accepted=1)


class Door(msgspec.Struct, frozen=True):
    """What the door knows: who may send and how much.

    >>> Door(KeyRing()).ready
    True
    """

    keys: KeyRing
    caps: Caps = Caps()
    limits: Limits = Limits()
    ready: bool = True  # False while draining
    room: bool = True  # False while the log's disk is nearly full
    replayed: bool = False  # the log takes its time from the events, see events/sources/replayed.py


class Accepted(msgspec.Struct, frozen=True):
    """An answer that may only leave once its records are durable."""

    records: Sequence[Event | DeadLetter | Item]
    response: Response
    size: int  # bytes of JSON that the records came from
    rejected: int = 0  # how many of the records are dead letters


def handle(request: Request, door: Door, now_us: int) -> Response | Accepted:
    """Answer one request.

    Args:
        request: with its whole body.
        door: keys and limits.
        now_us: when the request came, us since 1970.

    >>> from collector.keys import create
    >>> text, key = create("browser", "web", "2026-11-25T00:00:00Z")
    >>> auth = {b"authorization": b"Bearer " + text.encode()}
    >>> body = b'{"event":"Product Viewed","anonymousId":"a1"}'
    >>> done = handle(Request("POST", "/v1/track", b"", auth, body), Door(KeyRing([key])), 10**15)
    >>> done.response.body, done.records[0].leaf
    (b'{"success":true,"accepted":1}', 'anonymous_id:a1')
    """
    done = _answer(request, door, now_us)
    if isinstance(done, Response):
        return with_cors(request, done)
    return msgspec.structs.replace(done, response=with_cors(request, done.response))


def _answer(request: Request, door: Door, now_us: int) -> Response | Accepted:
    path, method = request.path.strip("/"), request.method
    call = path.removeprefix("beacon/").removeprefix("v1/")
    if call not in _ONE and call not in _BATCH and call not in (_METRICS, _CATALOG):
        return _answer_get(request, path, door, now_us)
    if method == "OPTIONS":
        return preflight(request)
    if method != "POST":
        return _wrong_method("POST")
    if call == _METRICS:
        return success()
    closed = _closed(door)
    if closed is not None:
        return closed
    opened = _open(request, door)
    if isinstance(opened, Response):
        return opened
    if call == _CATALOG:
        return _take_catalog(opened, door, now_us)
    if call in _BATCH:
        return _take_many(opened, _BATCH[call], door, now_us)
    return _take_single(opened, _ONE[call], door, now_us)


def _answer_get(request: Request, path: str, door: Door, now_us: int) -> Response | Accepted:
    asked = key_asked(request, path)
    if asked is None and path not in _PROBES and path not in pixel.CALLS:
        return failure(404, "not_found", "no such path; events go to /v1/batch or /v1/track")
    if request.method == "OPTIONS":
        return preflight(request)
    if request.method not in ("GET", "HEAD"):
        return _wrong_method("GET")
    if path in _PROBES:
        return _probe(path, door)
    if asked is not None:
        return settings(request, path, asked, door.keys)
    if request.method == "HEAD":
        return pixel.SHOWN  # which shows it to nobody
    return _closed(door) or _take_pixel(request, path, door, now_us)


def _probe(path: str, door: Door) -> Response:
    if path != "readyz":
        return success()
    if not door.ready:
        return failure(503, "draining", "this collector is shutting down; ask another")
    if not door.room:
        return failure(503, "disk_full", "the log's disk is nearly full")
    return success(clock="file" if door.replayed else "log")


def _closed(door: Door) -> Response | None:
    if not door.ready:
        return failure(503, "draining", "this collector is shutting down; send again")
    if not door.room:
        return failure(503, "disk_full", "the log's disk is nearly full; send again")
    return None


def _take_pixel(request: Request, path: str, door: Door, now_us: int) -> Response | Accepted:
    key = _key(from_head(request), door)
    if isinstance(key, Response):
        return key
    said = pixel.call(request, now_us)
    if said is None:
        return failure(400, "invalid_query", "names such as properties.path=/ were expected")
    done = _take_one(said, _arrival(key, door, now_us, pixel.CALLS[path]))
    if isinstance(done, Response) or done.rejected:
        return done
    return msgspec.structs.replace(done, response=pixel.SHOWN)


def _wrong_method(allowed: str) -> Response:
    wrong = failure(405, "method_not_allowed", f"this path takes {allowed}")
    allow = (b"allow", allowed.encode())
    return msgspec.structs.replace(wrong, headers=(*wrong.headers, allow))


class _Opened(NamedTuple):
    """A request whose key may be one, with its body inflated."""

    body: bytes
    sent_key: str  # as the head has it, "" where it has none


def _open(request: Request, door: Door) -> _Opened | Response:
    sent_key = from_head(request)
    if sent_key and door.keys.find(sent_key) is None:
        return _unknown_key()  # before its body costs anything
    body = inflate(request.body, request.header(b"content-encoding"), door.caps)
    match body:
        case TooLarge(reason=reason):
            return failure(413, "request_too_large", reason)
        case Corrupt(reason=reason):
            return failure(400, "invalid_encoding", reason)
    return _Opened(body, sent_key)


def _take_single(opened: _Opened, kind: str, door: Door, now_us: int) -> Response | Accepted:
    key = _key(opened.sent_key or from_body(opened.body), door)
    if isinstance(key, Response):
        return key
    return _take_one(opened.body, _arrival(key, door, now_us, kind))


def _take_many(opened: _Opened, kind: str, door: Door, now_us: int) -> Response | Accepted:
    batch = open_batch(opened.body, door.caps.events)
    if isinstance(batch, Rejected):
        return failure(400, batch.code, batch.reason)
    if len(batch.batch) > door.caps.events:
        many = f"the batch has {len(batch.batch)} events, at most {door.caps.events}"
        return failure(413, "request_too_large", many)
    key = _key(opened.sent_key or _key_in(batch), door)
    if isinstance(key, Response):
        return key
    if kind in _OF_SERVERS and key.trust == CLAIMED:
        return failure(403, "server_key_needed", "this path is for a server's key alone")
    arrival = _importing(batch.import_id, _arrival(key, door, now_us, kind))
    if isinstance(arrival, Response):
        return arrival
    return _take_batch(batch, arrival, len(opened.body))


def _take_catalog(opened: _Opened, door: Door, now_us: int) -> Response | Accepted:
    key = _key(opened.sent_key, door)
    if isinstance(key, Response):
        return key
    if key.trust == CLAIMED:
        return failure(403, "server_key_needed", "only a server's key may change the catalogue")
    try:
        items = posted(opened.body, now_us // 1000)
    except RefusedError as refusal:
        status = _STATUS.get(refusal.code, 400)
        return failure(status, refusal.code, refusal.reason)
    answer = success(accepted=len(items))
    return Accepted(items, answer, len(opened.body)) if items else answer


def _importing(import_id: Any, arrival: Arrival) -> Arrival | Response:
    """Let a batch be part of an import, which only a server's key may say."""
    if import_id is None:
        return arrival
    if type(import_id) is not str or not _IMPORT_ID.fullmatch(import_id):
        wanted = "importId: 1 to 64 letters, digits, '.', '_' and '-' were expected"
        return failure(400, "invalid_import_id", wanted)
    if arrival.trust == CLAIMED:
        return failure(403, "server_key_needed", "importId: only a server's key may import history")
    return msgspec.structs.replace(arrival, import_id=import_id)


def _key_in(batch: RawBatch) -> str:
    if type(batch.write_key) is str and batch.write_key:
        return batch.write_key
    return from_body(batch.batch[0]) if batch.batch else ""


def _key(sent: str, door: Door) -> Key | Response:
    if not sent:
        return failure(
            401,
            "missing_write_key",
            "send the write key as Basic user name, Bearer token, ?writeKey= or in the body",
        )
    return door.keys.find(sent) or _unknown_key()


def _unknown_key() -> Response:
    return failure(
        401,
        "unknown_write_key",
        "no such write key; it was revoked, or belongs to another installation",
    )


def _arrival(key: Key, door: Door, now_us: int, kind: str) -> Arrival:
    return Arrival(key.source, key.trust, now_us, kind, limits=door.limits, replayed=door.replayed)


def _take_one(body: bytes, arrival: Arrival) -> Response | Accepted:
    result = parse(body, arrival)
    if isinstance(result, Event):
        return Accepted([result], _ONE_ACCEPTED, len(body))
    status = _STATUS.get(result.code, 400)
    answer = failure(status, result.code, result.reason)
    if result.code == "invalid_json":
        return answer  # no event to keep; in a batch the request as a whole fails likewise
    return Accepted([_dead(result, body, arrival)], answer, len(body), rejected=1)


def _take_batch(batch: RawBatch, arrival: Arrival, size: int) -> Response | Accepted:
    arrival = msgspec.structs.replace(
        arrival, sent_at=batch.sent_at, context=as_context(batch.context)
    )
    records: list[Event | DeadLetter] = []
    rejected: list[dict[str, Any]] = []
    for index, raw in enumerate(batch.batch):
        result = parse(raw, arrival)
        if isinstance(result, Event):
            records.append(result)
            continue
        records.append(_dead(result, bytes(raw), arrival))
        rejected.append(
            {
                "index": index,
                "message_id": result.message_id,
                "code": result.code,
                "message": result.reason,
            }
        )
    accepted = len(records) - len(rejected)
    more = {"rejected": rejected} if rejected else {}
    answer = success(accepted=accepted, **more)
    return Accepted(records, answer, size, len(rejected)) if records else answer


def _dead(result: Rejected, body: bytes, arrival: Arrival) -> DeadLetter:
    return DeadLetter(
        source=arrival.source,
        trust=arrival.trust,
        code=result.code,
        reason=result.reason,
        body=body,
        accepted_us=arrival.accepted_us,
        kind=arrival.kind,
        sent_at="" if arrival.sent_at is None else str(arrival.sent_at),
        context=msgspec.json.encode(arrival.context),
        import_id=arrival.import_id,
    )
