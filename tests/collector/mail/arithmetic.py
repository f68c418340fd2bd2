"""The signatures' arithmetic once more, from the standards' formulas and nothing else."""

from base64 import b64decode
from hashlib import sha1, sha256

# NIST P-256: FIPS 186, curve y² = x³ - 3x + b over the integers below P.
P = 2**256 - 2**224 + 2**192 + 2**96 - 1
N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
G = (
    0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
    0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
)
Point = tuple[int, int] | None  # None is the point at infinity

# What DER writes before a digest in PKCS#1 v1.5: RFC 8017, 9.2.
DIGEST_INFO = {
    "1": bytes.fromhex("3021300906052b0e03021a05000414"),
    "2": bytes.fromhex("3031300d060960864801650304020105000420"),
}


def plus(a: Point, b: Point) -> Point:
    if a is None or b is None:
        return a or b
    if a[0] == b[0] and (a[1] + b[1]) % P == 0:
        return None
    if a == b:
        slope = (3 * a[0] * a[0] - 3) * pow(2 * a[1], -1, P)
    else:
        slope = (b[1] - a[1]) * pow(b[0] - a[0], -1, P)
    x = (slope * slope - a[0] - b[0]) % P
    return x, (slope * (a[0] - x) - a[1]) % P


def times(k: int, point: Point) -> Point:
    total: Point = None
    while k:
        total = plus(total, point) if k & 1 else total
        point, k = plus(point, point), k >> 1
    return total


def two_integers(der: bytes) -> tuple[int, int]:
    """r and s out of a DER sequence."""
    assert der[0] == 0x30
    assert der[2] == 2
    r = der[4 : 4 + der[3]]
    rest = der[4 + der[3] :]
    assert rest[0] == 2
    return int.from_bytes(r, "big"), int.from_bytes(rest[2 : 2 + rest[1]], "big")


def as_der(r: int, s: int) -> bytes:
    parts = b""
    for value in (r, s):
        number = value.to_bytes(33, "big").lstrip(b"\0")
        number = b"\0" + number if number[0] & 0x80 else number
        parts += bytes([2, len(number)]) + number
    return bytes([0x30, len(parts)]) + parts


def ecdsa_holds(public_key: str, signature: bytes, signed: bytes) -> bool:
    der = b64decode(public_key)  # its last 64 bytes are x and y
    key = (int.from_bytes(der[-64:-32], "big"), int.from_bytes(der[-32:], "big"))
    r, s = two_integers(signature)
    digest = int.from_bytes(sha256(signed).digest(), "big")
    w = pow(s, -1, N)
    point = plus(times(digest * w % N, G), times(r * w % N, key))
    return point is not None and point[0] % N == r


def hmac_sha256(key: bytes, signed: bytes) -> str:
    """RFC 2104."""
    block = (sha256(key).digest() if len(key) > 64 else key).ljust(64, b"\0")
    inner = sha256(bytes(b ^ 0x36 for b in block) + signed).digest()
    return sha256(bytes(b ^ 0x5C for b in block) + inner).hexdigest()


def rsa_holds(n: int, e: int, signature: bytes, signed: bytes, version: str) -> bool:
    size = (n.bit_length() + 7) // 8
    shown = pow(int.from_bytes(signature, "big"), e, n).to_bytes(size, "big")
    digest = (sha1 if version == "1" else sha256)(signed).digest()
    tail = b"\0" + DIGEST_INFO[version] + digest
    return shown == b"\0\1" + b"\xff" * (size - 2 - len(tail)) + tail
