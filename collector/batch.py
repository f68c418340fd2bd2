"""Open a batch without letting one bad event close the door on the others."""

import json

import msgspec

from events.rejected import Rejected
from events.wire import RawBatch

_decode = msgspec.json.Decoder(RawBatch).decode


def open_batch(body: bytes, most: int) -> RawBatch | Rejected:
    """Read the frame of a batch; its events stay bytes.

    Args:
        body: JSON.
        most: how many events are worth taking a broken frame apart for.

    >>> [bytes(e) for e in open_batch(b'{"batch":[{"event":"A"},{"event":"B"}]}', 9).batch]
    [b'{"event":"A"}', b'{"event":"B"}']
    >>> open_batch(b'{"batch":[}', 9)
    Rejected(code='invalid_json', reason='JSON is malformed: invalid character (byte 10)', message_id='')
    """
    try:
        return _decode(body)
    except RecursionError:
        return Rejected("too_deep", "the body has more levels than any event may have")
    except msgspec.ValidationError as error:
        return Rejected("invalid_batch", f'{{"batch": [event, …]}} was expected: {error}')
    except (msgspec.DecodeError, ValueError) as error:
        where = "" if "byte" in str(error) else f" (byte {len(body)})"
        return _salvaged(body, most) or Rejected("invalid_json", f"{error}{where}")


def _salvaged(body: bytes, most: int) -> RawBatch | None:
    """Take apart a batch in which single events are no JSON; None where the frame is none either.

    Python's `json.dumps` writes NaN, and JavaScript half an emoji: neither is JSON. Only those
    events shall be refused, so the frame is read by a parser that minds less.
    """
    try:
        frame = json.loads(body.decode())
        if type(frame) is not dict or type(frame.get("batch")) is not list:
            return None
        if len(frame["batch"]) > most:
            return None
        events = [msgspec.Raw(json.dumps(event).encode()) for event in frame["batch"]]
        rest = _decode(json.dumps(frame | {"batch": []}).encode())
    except (ValueError, RecursionError):
        return None
    return msgspec.structs.replace(rest, batch=events)
