"""Compressed bodies: whatever their size, what comes out is what went in, or a refusal."""

import gzip
import random

import pytest

from collector.inflate import Caps, Corrupt, TooLarge, inflate

STEP = 64 * 1024


@pytest.mark.parametrize("level", [1, 6, 9])
@pytest.mark.parametrize("near", [0, STEP, 2 * STEP, 5 * STEP, Caps().body_bytes])
def test_every_size_comes_out_whole(near: int, level: int) -> None:
    """Also where the last of it is all that zlib holds back."""
    draw = random.Random(near + level)
    for size in range(max(0, near - 2), near + 3):
        clear = bytes(draw.choices(b'{"abcdef01234:,}', k=size))
        found = inflate(gzip.compress(clear, level), b"gzip", Caps())
        if size > Caps().body_bytes:
            assert isinstance(found, TooLarge)
        else:
            assert found == clear


def test_a_body_that_was_cut_ends_early() -> None:
    packed = gzip.compress(bytes(random.Random(5).choices(b"abcdef", k=200_000)))
    for length in (20, 1_000, STEP - 1, len(packed) - 9, len(packed) - 1):
        assert isinstance(inflate(packed[:length], b"gzip", Caps()), Corrupt)


def test_several_files_behind_each_other_are_one_body() -> None:
    packed = b"".join(gzip.compress(b"x%d" % n) for n in range(16))
    assert inflate(packed, b"", Caps()) == b"".join(b"x%d" % n for n in range(16))
    assert isinstance(inflate(packed + gzip.compress(b""), b"", Caps()), Corrupt)


@pytest.mark.parametrize("before", [0, 1_000, 300_000])
def test_a_bomb_is_known_wherever_it_begins(before: int) -> None:
    draw = random.Random(before)
    honest = gzip.compress(bytes(draw.choices(b"abcdef", k=before)))
    found = inflate(honest + gzip.compress(bytes(50_000_000)), b"", Caps())
    assert isinstance(found, TooLarge)


def test_what_sdks_repeat_is_no_bomb() -> None:
    event = b'{"type":"track","event":"Product Viewed","anonymousId":"%d","properties":{"p":%d}},'
    batch = b'{"batch":[' + b"".join(event % (n % 5, n) for n in range(4_000)) + b"]}"
    packed = gzip.compress(batch, 9)
    assert len(batch) / len(packed) < 100
    assert inflate(packed, b"gzip", Caps()) == batch
