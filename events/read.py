"""From bytes to the fields of one call, or what is wrong with the bytes."""

import json
from typing import Any

import msgspec

from events.limits import Limits
from events.rejected import Rejected
from events.wire import RawEvent

_decode = msgspec.json.Decoder(RawEvent).decode


class _OnlyMessageId(msgspec.Struct, frozen=True, rename="camel"):
    message_id: Any = None


_decode_message_id = msgspec.json.Decoder(_OnlyMessageId).decode


def read(body: bytes | msgspec.Raw, limits: Limits) -> RawEvent | Rejected:
    """Read one call's JSON.

    >>> read(b'{"event":"Seen"}', Limits()).event
    'Seen'
    >>> read(b'{"event":"Seen"', Limits())
    Rejected(code='invalid_json', reason='Input data was truncated', message_id='')
    """
    size = len(body)
    if size > limits.event_bytes:
        reason = f"the event has {size} bytes, at most {limits.event_bytes}"
        return Rejected("event_too_large", reason, _message_id_of(body))
    try:
        return _decode(body)
    except UnicodeDecodeError as error:
        return Rejected("invalid_unicode", f"not UTF-8: {error.reason}")
    except RecursionError:
        return Rejected("too_deep", f"more than {limits.depth} levels")
    except msgspec.ValidationError as error:
        if "out of range" in str(error):
            return Rejected("number_out_of_range", str(error), _message_id_of(body))
        return Rejected("invalid_event", str(error), _message_id_of(body))
    except (msgspec.DecodeError, ValueError) as error:
        return _almost_json(bytes(body)) or Rejected("invalid_json", str(error))


def readable(message_id: Any) -> str:
    """Return a message id for the eyes of whoever sent it, `""` where there is none.

    >>> readable("m1"), readable(5)
    ('m1', '')
    """
    return message_id[:255] if type(message_id) is str else ""


def _almost_json(body: bytes) -> Rejected | None:
    """Name what writers of JSON get wrong most; None where it is something else."""
    constants: list[str] = []
    try:
        call = json.loads(body.decode(), parse_constant=constants.append)
    except (ValueError, RecursionError):
        return None
    message_id = readable(call.get("messageId")) if type(call) is dict else ""
    message_id = message_id.encode(errors="replace").decode()  # it may hold half a pair itself
    if constants:
        reason = f"{constants[0]} is no number in JSON; leave the field out or send null"
        return Rejected("number_out_of_range", reason, message_id)
    reason = "half a surrogate pair: a text was cut in the middle of a character"
    return Rejected("invalid_unicode", reason, message_id)


def _message_id_of(body: bytes | msgspec.Raw) -> str:
    try:
        return readable(_decode_message_id(body).message_id)
    except (msgspec.DecodeError, ValueError, RecursionError):
        return ""  # the rejection that asks for it already says what is wrong
