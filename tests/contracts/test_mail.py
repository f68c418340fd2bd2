"""The battery: every file in collector/mail/ passes it from the day it lands.

A new provider adds its fixture to FILES in `tests/collector/mail/stories.py`. Below the battery,
planted faults show that each check can fail.
"""

import json
import re
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.mail.base import (
    KINDS,
    Confirmation,
    Meaning,
    Reading,
    Refused,
    Secret,
    Told,
    Verified,
)
from collector.request import Request
from kairos.discovery import found_in
from tests.collector.mail.stories import FILES, SENT, calls, secret, signed_ms

Story = list[tuple[Request, Secret, int]]  # calls that are verified at that time

NOW_MS = SENT
NONSENSE: list[Any] = [None, True, 0, -1, 1.5, 10**30, "", "\0\u2028", "x" * 10_000, [], {}, [[]]]

HOSTILE = [
    b"",
    b"null",
    b"7",
    b'"text"',
    b"[]",
    b"{}",
    b"[null, 1, {}]",
    b"[" * 100_000,
    b'{"a":' * 100_000,
    b"[" * 500 + b"]" * 500,
    b'[{"event":' + b"[" * 5_000 + b"]" * 5_000 + b"}]",
    b"NaN",
    b'[{"event":"open","timestamp":NaN}]',
    b'{"event":"opened","ts_epoch":-Infinity}',
    b'{"event":"opened","ts_epoch":1e400}',
    b'{"event":"opened","ts_epoch":1e300}',
    b'{"event":"opened","ts_epoch":' + b"9" * 5_000 + b"}",
    b'{"event":"a","event":"b"}',
    b'{"RecordType":"Open","RecordType":7}',
    b'{"event":"opened","ts_epoch":true}',
    b'{"event":"\xff\xfe"}',
    b'{"event":"\\ud800"}',
    b'\xef\xbb\xbf{"event":"open"}',
    '{"event":"open"}'.encode("utf-16"),
    b"event=opened&token=1&signature=2",
    b"\0" * 1_000,
]


def good(name: str) -> Story:
    return [(call, secret(name), signed_ms(name, call)) for call in calls(name)]


def check_named_after_its_file(name: str, module: Any, _story: Story) -> None:
    assert module.__name__ == f"collector.mail.{name}"
    assert re.fullmatch(r"[a-z][a-z0-9_]*", name)  # it stands in a path
    assert module.__doc__


def check_says_what_it_needs_and_what_its_words_mean(
    _name: str, module: Any, _story: Story
) -> None:
    assert set(module.NEEDS) <= set(Secret.__struct_fields__)
    assert module.EVENTS
    assert all(type(meaning) is Meaning for meaning in module.EVENTS.values())
    for meaning in module.EVENTS.values():
        assert meaning.kind in KINDS
        assert meaning.permanent is None or meaning.kind == "bounced"
        assert meaning.machine is None or meaning.kind in ("opened", "clicked")
    # What must never be lost: that somebody wants no more.
    assert {"bounced", "complained", "unsubscribed"} <= {m.kind for m in module.EVENTS.values()}


def check_takes_its_story(_name: str, module: Any, story: Story) -> None:
    for call, known, now_ms in story:
        assert isinstance(module.verify(call, known, now_ms), Verified)
        reading = module.read(call.body)
        assert isinstance(reading, Reading | Confirmation)
        for told in _told(reading):
            assert told.kind in {m.kind for m in module.EVENTS.values()}
            assert told.time_ms > 0


def check_refuses_without_a_secret(_name: str, module: Any, story: Story) -> None:
    for call, known, now_ms in story:
        refused = module.verify(call, Secret(), now_ms)
        assert isinstance(refused, Refused)
        for field in module.NEEDS:
            if not getattr(known, field) or type(getattr(known, field)) is int:
                continue
            lacking = msgspec.structs.replace(known, **{field: ""})
            assert field == "user" or isinstance(module.verify(call, lacking, now_ms), Refused)


def check_is_deterministic(_name: str, module: Any, story: Story) -> None:
    for call, known, now_ms in story:
        assert module.read(call.body) == module.read(call.body)
        assert module.verify(call, known, now_ms) == module.verify(call, known, now_ms)


def check_ids_stay_and_differ(_name: str, module: Any, story: Story) -> None:
    ids = [t.id for call, _, _ in story for t in _told(module.read(call.body))]
    assert len(ids) == len(set(ids))
    assert all(re.fullmatch(r"[!-~]{1,230}", one) for one in ids)
    again = [
        told.id
        for call, _, _ in story
        for told in _told(module.read(json.dumps(_turned(json.loads(call.body))).encode()))
    ]
    # A provider that tells the same again may write it another way, unless its own id says so.
    assert len(again) == len(ids)
    assert set(again) == set(ids)


def check_bounds_what_it_keeps(_name: str, module: Any, story: Story) -> None:
    for call, _, _ in story:
        for path in _paths(json.loads(call.body)):
            for long in ("\u2028é" * 50_000, "x" * 100_000, "a@b." * 25_000):
                for told in _told(module.read(_with(call.body, path, long))):
                    fields = msgspec.structs.asdict(told).values()
                    texts = [field for field in fields if type(field) is str]
                    assert all(text.isprintable() and len(text) <= 2_048 for text in texts)
                    assert len(told.id) <= 230


def check_raises_nothing(_name: str, module: Any, story: Story) -> None:
    bodies = list(HOSTILE)
    for call, _, _ in story:
        for path in _paths(json.loads(call.body)):
            bodies += [_with(call.body, path, nonsense) for nonsense in NONSENSE]
    call, known, now_ms = story[0]
    for body in bodies:
        answer = module.read(body)
        assert isinstance(answer, Reading | Confirmation | Refused), body[:100]
        if isinstance(answer, Refused):
            assert answer.reason
        done = module.verify(msgspec.structs.replace(call, body=body), known, now_ms)
        assert isinstance(done, Verified | Refused), body[:100]


CHECKS: list[Callable[[str, Any, Story], None]] = [
    check_named_after_its_file,
    check_says_what_it_needs_and_what_its_words_mean,
    check_takes_its_story,
    check_refuses_without_a_secret,
    check_is_deterministic,
    check_ids_stay_and_differ,
    check_bounds_what_it_keeps,
    check_raises_nothing,
]


def _told(answer: Any) -> tuple[Told, ...]:
    return answer.told if isinstance(answer, Reading) else ()


def _paths(value: Any) -> list[tuple[str | int, ...]]:
    """Every place within a value, its own included; of an array the first and the last."""
    found: list[tuple[str | int, ...]] = [()]
    if type(value) is dict:
        inside: list[tuple[Any, Any]] = list(value.items())
    elif type(value) is list and value:
        inside = [(0, value[0]), (len(value) - 1, value[-1])]
    else:
        inside = []
    for key, part in inside:
        found += [(key, *path) for path in _paths(part)]
    return found


def _with(body: bytes, path: tuple[str | int, ...], value: Any) -> bytes:
    loaded = json.loads(body)
    at = loaded
    for key in path[:-1]:
        at = at[key]
    if path:
        at[path[-1]] = value
    else:
        loaded = value
    return json.dumps(loaded).encode()


def _turned(value: Any) -> Any:
    """The same object, its keys the other way round."""
    if type(value) is dict:
        return {key: _turned(value[key]) for key in reversed(value)}
    return [_turned(one) for one in value] if type(value) is list else value


def test_every_provider_has_a_story() -> None:
    assert set(found_in("collector.mail")) == set(FILES)


@pytest.mark.parametrize("check", CHECKS, ids=lambda c: c.__name__)
@pytest.mark.parametrize("name", found_in("collector.mail"))
def test_every_provider(name: str, check: Any) -> None:
    check(name, found_in("collector.mail")[name], good(name))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inside: (
        st.lists(inside, max_size=4) | st.dictionaries(st.text(max_size=8), inside, max_size=4)
    ),
    max_leaves=12,
)


@pytest.mark.parametrize("name", found_in("collector.mail"))
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_no_body_makes_a_provider_raise(name: str, data: st.DataObject) -> None:
    module: Any = found_in("collector.mail")[name]
    story = good(name)
    call, known, now_ms = data.draw(st.sampled_from(story))
    if data.draw(st.booleans()):
        path = data.draw(st.sampled_from(_paths(json.loads(call.body))))
        body = _with(call.body, path, data.draw(json_values))
    else:
        body = data.draw(
            st.binary(max_size=200) | json_values.map(lambda v: json.dumps(v).encode())
        )
    if data.draw(st.booleans()):
        body = body[: data.draw(st.integers(0, len(body)))]
    assert isinstance(module.read(body), Reading | Confirmation | Refused)
    headers = {
        key: data.draw(st.binary(max_size=20) | st.just(value))
        for key, value in call.headers.items()
    }
    sent = Request("POST", call.path, b"", headers, body)
    assert isinstance(module.verify(sent, known, now_ms), Verified | Refused)


# Planted faults: a toy provider that is right, and one fault at a time.


class Toy:
    __doc__ = "A toy."
    NEEDS = ("bearer",)

    def __init__(self, fault: str) -> None:
        self.fault = fault
        self.count = 0
        self.__name__ = "collector.mail.other" if fault == "name" else "collector.mail.toy"
        left = [] if fault == "deaf" else ["unsubscribed"]
        self.EVENTS = {kind: Meaning(kind) for kind in ["bounced", "complained", *left]}  # type: ignore[arg-type]

    def verify(self, call: Request, known: Secret, now_ms: int) -> Verified | Refused:
        token = call.header(b"authorization").partition(b" ")[2].decode("latin-1")
        if self.fault == "trusting" and not known.bearer:
            return Verified()
        if self.fault == "slow" and now_ms != 0:
            return Refused("too late")
        self.count += 1
        nonce = str(self.count) if self.fault == "moody" else ""
        right = bool(known.bearer) and token == known.bearer
        return Verified(nonce) if right else Refused("no")

    def read(self, body: bytes) -> Reading | Refused:
        if self.fault == "raises" and body.startswith(b"[["):
            raise RecursionError
        try:
            fields = msgspec.json.decode(body, type=dict[str, Any])
        except (msgspec.DecodeError, ValueError, RecursionError):
            return Refused("no")
        kind, who, at = fields.get("kind"), fields.get("who"), fields.get("at")
        if kind not in KINDS or type(at) is not int:
            return Reading()
        who = who if type(who) is str and (len(who) < 99 or self.fault == "boundless") else ""
        id_ = {"same": "1", "bytes": str(hash(body))}.get(self.fault, f"{kind}{at}")
        told = Told(kind=kind, id=id_, time_ms=at, address=who)
        return Reading((told,))


def toy_story() -> Story:
    head = {b"authorization": b"Bearer t"}
    bodies = [{"kind": "bounced", "at": 1, "who": "a@b"}, {"kind": "complained", "at": 2}]
    return [
        (Request("POST", "/", b"", head, json.dumps(body).encode()), Secret(bearer="t"), NOW_MS)
        for body in bodies
    ]


@pytest.mark.parametrize("check", CHECKS, ids=lambda c: c.__name__)
def test_the_toy_without_a_fault_passes(check: Any) -> None:
    check("toy", Toy("none"), toy_story())


@pytest.mark.parametrize(
    ("fault", "check"),
    [
        ("name", check_named_after_its_file),
        ("deaf", check_says_what_it_needs_and_what_its_words_mean),
        ("slow", check_takes_its_story),
        ("trusting", check_refuses_without_a_secret),
        ("moody", check_is_deterministic),
        ("same", check_ids_stay_and_differ),
        ("bytes", check_ids_stay_and_differ),
        ("boundless", check_bounds_what_it_keeps),
        ("raises", check_raises_nothing),
    ],
)
def test_each_check_finds_its_fault(fault: str, check: Any) -> None:
    with pytest.raises((AssertionError, RecursionError)):
        check("toy", Toy(fault), toy_story())
