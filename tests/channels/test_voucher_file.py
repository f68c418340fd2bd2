"""A file of codes is read whole, or refused with the line that is none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.delivery.voucher_file import LONGEST, CodesError, Listed, read_codes

CODE = st.text(
    st.characters(categories=["L", "N"], include_characters="-_ %&.!"), min_size=1, max_size=20
).filter(lambda code: code == code.strip() and code.casefold() != "code")


@pytest.mark.parametrize(
    "content",
    [
        b"A\nB\n",
        b"A\nB",
        b"A\r\nB\r\n",
        b"A\rB\r",
        b"\xef\xbb\xbfCode\r\nA\r\nB\r\n",
        b"\n\ncode\n\n  A\t\n \n\tB \n\n",
        b'"code"\n"A"\n" B "\n',
    ],
)
def test_what_shop_systems_write_is_read(content: bytes) -> None:
    assert read_codes(content) == Listed(["A", "B"], 0)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "one code a line was expected, found none"),
        (b"code\n\n", "one code a line was expected, found none"),
        (b"A\nB,2026-12-31\n", "line 2: one code was expected, found 2 columns"),
        (b"A\n\nB;;\n", "line 3: one code was expected, found 3 columns"),
        (b"A\n" + b"B" * 256, f"line 2: at most {LONGEST} characters were expected, found 256"),
        (b"A\nB\x07C", "line 2: printable characters were expected, found '\\x07'"),
        ("A\nB\u200bC".encode(), "line 2: printable characters were expected, found '\\u200b'"),
        (b"A\nB\tC", "line 2: printable characters were expected, found '\\t'"),
        (b'A\n"B\nC\n', "line 2: one code was expected, found no CSV: unexpected end of data"),
        (b'A\n"B\nC"\n', "line 2: printable characters were expected, found '\\n'"),
        (b"A\nB\n\xff\n", "line 3: UTF-8 was expected, found invalid start byte"),
    ],
)
def test_a_line_that_is_no_code_is_named(content: bytes, said: str) -> None:
    with pytest.raises(CodesError) as error:
        read_codes(content)
    assert str(error.value) == said


def test_the_longest_code_is_one() -> None:
    assert read_codes(b"A" * LONGEST) == Listed(["A" * LONGEST], 0)


@given(st.lists(CODE, min_size=1), st.sampled_from(["\n", "\r\n"]), st.booleans())
def test_every_code_comes_once_in_its_order(codes: list[str], end: str, header: bool) -> None:
    content = end.join((["code"] if header else []) + codes + [""]).encode()
    once = list(dict.fromkeys(codes))
    assert read_codes(content) == Listed(once, len(codes) - len(once))
