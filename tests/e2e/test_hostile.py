"""R50: bodies that are made to hurt a parser hurt nobody, on a real collector."""

import gzip
import json
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import httpx
import pytest

from kairos.embedded.stack import Stack
from kairos.settings import Collector, Http
from tests.e2e.stacks import server_key, workspace

GB = 1024**3
MB = 1024**2


@pytest.fixture(scope="module", params=get_args(Http))
def door(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Stack, httpx.Client]]:
    folder = tmp_path_factory.mktemp("hostile")
    data = folder / "data"
    key = server_key(data)
    shop = workspace(folder / "shop", {"workspace.yaml": "workspace: shop\n"})
    with (
        Stack(data, shop, door=Collector(http=request.param)) as stack,
        httpx.Client(base_url=stack.url, auth=(key, "")) as client,
    ):
        for _ in range(20):  # what a first request loads is no request's fault
            client.post("/v1/track", content=b'{"event":"a","userId":"u1"}')
        yield stack, client


def resident(stack: Stack) -> int:
    """Bytes of memory that the collector has, and the most it ever had."""
    status = Path(f"/proc/{stack.children['collector'].process.pid}/status").read_text()
    return int(next(ln for ln in status.splitlines() if ln.startswith("VmHWM")).split()[1]) * 1024


def bomb() -> bytes:
    """A gigabyte of zeros in about a megabyte."""
    pack = zlib.compressobj(9, zlib.DEFLATED, 31)
    zeros = bytes(MB)
    return b"".join(pack.compress(zeros) for _ in range(GB // MB)) + pack.flush()


def test_r50_a_gzip_bomb_is_refused_at_once_and_takes_no_room(
    door: tuple[Stack, httpx.Client],
) -> None:
    stack, client = door
    body = bomb()
    assert MB // 2 < len(body) < 2 * MB
    before, took = resident(stack), []
    for _ in range(5):
        began = time.monotonic()
        answer = client.post("/v1/batch", content=body, headers={"content-encoding": "gzip"})
        took.append(time.monotonic() - began)
        assert (answer.status_code, answer.json()["code"]) == (413, "request_too_large")
    assert min(took) < 0.1, "of five, since others share the machine"
    assert resident(stack) - before <= 8 * MB


def event(value: bytes) -> bytes:
    return b'{"event":"a","userId":"u1","properties":{"x":' + value + b"}}"


HURTING = {
    "deep": (event(b"[" * 100_000 + b"]" * 100_000), {400, 413}),
    "deep in a small event": (event(b"[" * 200 + b"]" * 200), {400}),
    "many keys": (event(json.dumps({f"k{n}": n for n in range(100_000)}).encode()), {413}),
    "many keys in a small event": (event(json.dumps({f"k{n}": 1 for n in range(300)}).encode()), {400}),
    "digits": (event(b"9" * 5_000), {400}),
    "digits behind a point": (event(b"1." + b"9" * 5_000), {200, 400}),
    "NaN": (event(b"NaN"), {400}),
    "infinity": (event(b"-Infinity"), {400}),
    "an exponent": (event(b"1e999"), {400}),
    "half an emoji": (event(b'"\\ud800"'), {400}),
    "a byte order mark": (b"\xef\xbb\xbf" + event(b"1"), {200, 400}),
    "no UTF-8": (event(b'"\xff\xfe"'), {400}),
    "a key twice": (b'{"event":"a","event":"b","userId":"u1"}', {200}),
    "a prototype": (event(b'{"__proto__":{"admin":true}}'), {200}),
    "NUL in an id": (b'{"event":"a","userId":"u\\u0000"}', {400}),
    "a long id": (b'{"event":"a","userId":"' + b"u" * 300 + b'"}', {400}),
    "nothing": (b"", {400}),
    "a list": (b"[]", {400}),
    "null": (b"null", {400}),
    "half a gzip": (gzip.compress(event(b"1"))[:-9], {400}),
}  # fmt: skip


@pytest.mark.parametrize("what", HURTING)
@pytest.mark.parametrize("path", ["/v1/track", "/v1/batch"])
def test_r50_what_is_made_to_hurt_is_answered_in_words(
    door: tuple[Stack, httpx.Client], path: str, what: str
) -> None:
    _, client = door
    body, right = HURTING[what]
    if path == "/v1/batch":
        body, right = b'{"batch":[' + body + b"]}", right | {200, 400}
    began = time.monotonic()
    answer = client.post(path, content=body)
    assert answer.status_code in right, answer.text
    assert time.monotonic() - began < 2
    said = answer.json()
    refused = said.get("rejected", []) if answer.status_code == 200 else [said]
    assert all(one["code"] and one["message"] for one in refused)
    assert client.get("/readyz").status_code == 200
