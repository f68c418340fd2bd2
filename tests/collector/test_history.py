"""Imports and replays at the door: who may bring history, and which times hold."""

from typing import Any

import msgspec
import pytest

from collector.door import Door
from collector.handle import handle
from collector.keys import KeyRing, Kind, create
from collector.outcome import Accepted, Outcome
from collector.request import Request, Response
from events.record import DeadLetter, Event

NOW_US = 1_790_000_000_000_000
LONG_AGO = "2019-10-01T00:00:00Z"
LONG_AGO_MS = 1_569_888_000_000
KEYS: dict[Kind, str] = {}
RING = KeyRing()
for kind in ("browser", "server"):
    KEYS[kind], stored = create(kind, "shop", "2026-11-25T00:00:00Z")
    RING = RING.having(stored)


def post(
    batch: list[dict[str, Any]], key: Kind = "server", *, replayed: bool = False, **frame: Any
) -> Outcome:
    head = {b"authorization": b"Bearer " + KEYS[key].encode()}
    body = msgspec.json.encode({"batch": batch, **frame})
    return handle(
        Request("POST", "/v1/batch", b"", head, body), Door(RING, replayed=replayed), NOW_US
    )


def seen(**more: Any) -> dict[str, Any]:
    return {"type": "track", "event": "Seen", "userId": "u1", **more}


def records(done: Outcome) -> list[Any]:
    assert isinstance(done, Accepted), done
    return list(done.records)


def test_an_import_keeps_its_times_also_those_of_an_sdk_that_sent_long_ago() -> None:
    sent = {"originalTimestamp": LONG_AGO, "sentAt": "2019-10-01T00:00:05Z"}
    (stated, original) = records(post([seen(timestamp=LONG_AGO), seen(**sent)], importId="old"))
    assert isinstance(stated, Event)
    assert isinstance(original, Event)
    assert (stated.time, original.time) == (LONG_AGO_MS, LONG_AGO_MS)
    assert (stated.import_id, stated.flags) == ("old", ())
    (now,) = records(post([seen(**sent)]))
    assert isinstance(now, Event)
    assert (now.time, now.import_id) == (NOW_US // 1000, ""), (
        "without an import its clock is broken"
    )


def test_only_a_servers_key_imports() -> None:
    refused = post([seen()], "browser", importId="old")
    assert isinstance(refused, Response)
    assert (refused.status, b"server_key_needed" in refused.body) == (403, True)


@pytest.mark.parametrize("name", ["", "a b", "x" * 65, 7, ["a"]])
def test_an_import_has_a_plain_name(name: object) -> None:
    refused = post([seen()], importId=name)
    assert isinstance(refused, Response)
    assert (refused.status, b"invalid_import_id" in refused.body) == (400, True)


def test_a_bad_event_of_an_import_keeps_what_a_replay_of_it_needs() -> None:
    (letter,) = records(post([{"type": "track", "event": "Seen"}], importId="old"))
    assert isinstance(letter, DeadLetter)
    assert letter.import_id == "old"


def test_a_collector_says_whose_clock_it_goes_by() -> None:
    for replayed, clock in ((False, b'"log"'), (True, b'"file"')):
        answer = handle(Request("GET", "/readyz", b"", {}), Door(RING, replayed=replayed), NOW_US)
        assert isinstance(answer, Response)
        assert b'"clock":' + clock in answer.body


def test_on_the_clock_of_a_file_every_event_has_a_time() -> None:
    good, bad = records(post([seen(timestamp=LONG_AGO), seen()], replayed=True))
    assert isinstance(good, Event)
    assert (good.time, good.import_id) == (LONG_AGO_MS, "")
    assert isinstance(bad, DeadLetter)
    assert bad.code == "missing_timestamp"
