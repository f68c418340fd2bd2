"""Take in what was posted: a key that may, a body that is opened, and what it becomes. No I/O."""

import re
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import msgspec

from collector import pixel
from collector.batch import open_batch
from collector.credentials import from_body, from_head
from collector.door import Door
from collector.inflate import Corrupt, TooLarge, inflate
from collector.keys import Key
from collector.letters import dead_letter
from collector.outcome import Accepted
from collector.quotas import kinds_of, rank_of
from collector.request import Request, Response
from collector.respond import failure, success
from events.arrival import Arrival
from events.catalog import posted
from events.context import as_context
from events.parse import parse
from events.record import CLAIMED, STATEMENTS, DeadLetter, Event
from events.rejected import RefusedError, Rejected
from events.wire import RawBatch

_IMPORT_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_STATUS = {
    "event_too_large": 413,
    "request_too_large": 413,
    "server_key_needed": 403,
    "identity_needed": 403,
}  # else 400
Taken = Response | Accepted

_ONE_ACCEPTED = success(accepted=1)


def one(kind: str) -> Callable[[Request, Door, int], Taken]:
    """Return what answers a path that takes a single call of this kind."""

    def answer(request: Request, door: Door, now_us: int) -> Taken:
        opened = _open(request, door)
        if isinstance(opened, Response):
            return opened
        key = key_of(opened.sent_key or from_body(opened.body), door)
        if isinstance(key, Response):
            return key
        refused = _too_much(key, {kind}, 1, door, now_us)
        return refused or _take_one(opened.body, _arrival(key, door, now_us, kind, gpc=opened.gpc))

    return answer


def many(kind: str = "") -> Callable[[Request, Door, int], Taken]:
    """Return what answers a path that takes a batch.

    Args:
        kind: of each call in it, which then only a server's key may send; "" lets each say its own.
    """

    def answer(request: Request, door: Door, now_us: int) -> Taken:
        opened = _open(request, door)
        if isinstance(opened, Response):
            return opened
        return _take_many(opened, kind, door, now_us)

    return answer


def catalog(request: Request, door: Door, now_us: int) -> Taken:
    """Take in changes of what there is to buy."""
    opened = _open(request, door)
    if isinstance(opened, Response):
        return opened
    return _take_catalog(opened, door, now_us)


def shown(kind: str) -> Callable[[Request, Door, int], Taken]:
    """Return what answers the address of an image, which is an event of this kind."""

    def answer(request: Request, door: Door, now_us: int) -> Taken:
        if request.method == "HEAD":
            return pixel.SHOWN  # which shows it to nobody
        key = key_of(from_head(request), door)
        if isinstance(key, Response):
            return key
        refused = _too_much(key, {kind}, 1, door, now_us)
        if refused is not None:
            return refused
        said = pixel.call(request, now_us)
        if said is None:
            return failure(400, "invalid_query", "names such as properties.path=/ were expected")
        done = _take_one(said, _arrival(key, door, now_us, kind, gpc=_asks_for_privacy(request)))
        if isinstance(done, Response) or done.rejected:
            return done
        if any(isinstance(one, Event) and one.name in STATEMENTS for one in done.records):
            # Whoever reads a mail or scans a page fetches addresses, and means nothing by it.
            return failure(400, "invalid_query", "a GET says nothing about consent; POST it")
        return msgspec.structs.replace(done, response=pixel.SHOWN)

    return answer


class _Opened(NamedTuple):
    """A request whose key may be one, with its body inflated."""

    body: bytes
    sent_key: str  # as the head has it, "" where it has none
    gpc: bool  # whether the browser asks for privacy


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
    return _Opened(body, sent_key, _asks_for_privacy(request))


def _take_many(opened: _Opened, kind: str, door: Door, now_us: int) -> Taken:
    batch = open_batch(opened.body, door.caps.events)
    if isinstance(batch, Rejected):
        return failure(400, batch.code, batch.reason)
    if len(batch.batch) > door.caps.events:
        many = f"the batch has {len(batch.batch)} events, at most {door.caps.events}"
        return failure(413, "request_too_large", many)
    sent_key = opened.sent_key or _key_in(batch)
    alone = "this path is for a server's key alone"
    key = server_key_of(sent_key, door, alone) if kind else key_of(sent_key, door)
    if isinstance(key, Response):
        return key
    kinds = {kind} if kind or not door.admission.limiting else kinds_of(batch.batch)
    refused = _too_much(key, kinds, len(batch.batch), door, now_us)
    if refused is not None:
        return refused
    arrival = _importing(batch.import_id, _arrival(key, door, now_us, kind, gpc=opened.gpc))
    if isinstance(arrival, Response):
        return arrival
    return _take_batch(batch, arrival, len(opened.body))


def _take_catalog(opened: _Opened, door: Door, now_us: int) -> Taken:
    alone = "only a server's key may change the catalogue"
    key = server_key_of(opened.sent_key, door, alone)
    if isinstance(key, Response):
        return key
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


def key_of(sent: str, door: Door) -> Key | Response:
    """Return the key that was sent, or why nobody is let in with it."""
    if not sent:
        return failure(
            401,
            "missing_write_key",
            "send the write key as Basic user name, Bearer token, ?writeKey= or in the body",
        )
    return door.keys.find(sent) or _unknown_key()


def server_key_of(sent: str, door: Door, alone: str) -> Key | Response:
    """Return the server's key that was sent, or why nobody is let in, with `alone` for a browser's."""
    key = key_of(sent, door)
    if isinstance(key, Key) and key.trust == CLAIMED:
        return failure(403, "server_key_needed", alone)
    return key


def _too_much(key: Key, kinds: set[str], events: int, door: Door, now_us: int) -> Response | None:
    wait = door.quotas.wait(key, events, now_us)
    if wait:
        many = f"this key may send {key.quota} events a second; send these again"
        return failure(429, "quota_exceeded", many, after=wait)
    if not door.admission.lets_in(rank_of(key, kinds), events, now_us):
        return failure(503, "overloaded", "the engine has enough to do; send these again")
    return None


def _unknown_key() -> Response:
    return failure(
        401,
        "unknown_write_key",
        "no such write key; it was revoked, or belongs to another installation",
    )


def _asks_for_privacy(request: Request) -> bool:
    return request.header(b"sec-gpc") == b"1"


def _arrival(key: Key, door: Door, now_us: int, kind: str, *, gpc: bool) -> Arrival:
    arrival = Arrival(
        key.source, key.trust, now_us, kind, limits=door.limits, gpc=gpc, replayed=door.replayed
    )
    if door.prover is None:
        return arrival
    prove = partial(door.prover.proof, now_ms=now_us / 1000)
    return msgspec.structs.replace(arrival, prove=prove)


def _take_one(body: bytes, arrival: Arrival) -> Taken:
    result = parse(body, arrival)
    if isinstance(result, Event):
        return Accepted([result], _ONE_ACCEPTED, len(body))
    status = _STATUS.get(result.code, 400)
    answer = failure(status, result.code, result.reason)
    if result.code == "invalid_json":
        return answer  # no event to keep; in a batch the request as a whole fails likewise
    return Accepted([dead_letter(result, body, arrival)], answer, len(body), rejected=1)


def _take_batch(batch: RawBatch, arrival: Arrival, size: int) -> Taken:
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
        records.append(dead_letter(result, bytes(raw), arrival))
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
