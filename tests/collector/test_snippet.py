"""How `/kairos.js` is served."""

import gzip
import re
from pathlib import Path

import pytest

from collector import snippet
from collector.request import Request
from tests.collector.doubles import ask

SOURCE = Path(snippet.__file__).parent / "browser" / snippet.PATH
LARGEST = 4096  # bytes on the wire


def get(method: str = "GET", **headers: str) -> Request:
    sent = {name.replace("_", "-").encode(): value.encode() for name, value in headers.items()}
    return Request(method, "/kairos.js", headers=sent)


def test_it_is_smaller_than_four_kilobytes_on_the_wire() -> None:
    answer = ask(get(accept_encoding="gzip, deflate, br"))
    assert dict(answer.headers)[b"content-encoding"] == b"gzip"
    assert len(answer.body) < LARGEST
    assert gzip.decompress(answer.body) == ask(get()).body


def test_its_source_is_written_so_that_nothing_of_a_text_is_left_out() -> None:
    for nth, line in enumerate(SOURCE.read_text().splitlines(), 1):
        if not line.strip().startswith("//"):
            for quote in "`'":
                assert line.count(quote) % 2 == 0, f"line {nth}: a text that spans lines"
            for mark in ("//", "/*"):
                assert mark not in line, f"line {nth}: a comment behind code"
            assert not line.endswith("\\"), f"line {nth}"
            outside = re.sub(r"'[^']*'|`[^`]*`", "", line)
            assert '"' not in outside.replace('<>"]', ""), f"line {nth}: a text in other quotes"


def test_a_browser_that_has_it_already_is_told_so() -> None:
    first = ask(get())
    tag = dict(first.headers)[b"etag"].decode()
    again = ask(get(if_none_match=f'"other", {tag}'))
    assert (again.status, again.body) == (304, b"")
    assert dict(again.headers)[b"etag"].decode() == tag
    assert ask(get(if_none_match='W/"other"')).status == 200


def test_caches_keep_it_for_an_hour_and_apart_by_encoding() -> None:
    for accepted in ("gzip", ""):
        head = ask(get(accept_encoding=accepted)).headers
        assert (b"cache-control", b"public, max-age=3600, stale-while-revalidate=86400") in head
        assert (b"vary", b"Accept-Encoding") in head
        assert (b"content-type", b"text/javascript; charset=utf-8") in head


@pytest.mark.parametrize("refused", ["", "br", "gzip;q=0", "gzip; q=0.0, br"])
def test_who_reads_no_gzip_gets_none(refused: str) -> None:
    assert b"content-encoding" not in dict(ask(get(accept_encoding=refused)).headers)


def test_any_website_may_load_it_and_nobody_post_to_it() -> None:
    head = dict(ask(get(origin="https://shop.example")).headers)
    assert head[b"access-control-allow-origin"] == b"https://shop.example"
    assert ask(get("POST")).status == 405
    assert ask(get("HEAD")).status == 200
