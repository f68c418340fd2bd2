"""A key to sign mails with, and a reader of signatures that shares nothing with who writes them."""

import base64
import re
from email import message_from_bytes
from email.policy import compat32
from functools import cache

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import (
    RSAPrivateKey,
    RSAPublicKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.hashes import SHA256, Hash
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_public_key,
)


@cache
def key(bits: int = 2048) -> RSAPrivateKey:
    return generate_private_key(public_exponent=65537, key_size=bits)


def pem(private: RSAPrivateKey) -> str:
    return private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def record(private: RSAPrivateKey) -> str:
    """Return what stands in the DNS."""
    public = private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return f"v=DKIM1; k=rsa; p={base64.b64encode(public).decode()}"


def tags(text: str) -> dict[str, str]:
    found = (tag.partition("=") for tag in text.split(";") if tag.strip())
    return {name.strip(): re.sub(r"\s", "", value) for name, _, value in found}


def holds(mail: bytes, records: dict[str, str]) -> bool:
    """Tell whether the last signature of a mail holds, read as RFC 6376 says, relaxed and RSA."""
    signature = str(message_from_bytes(mail, policy=compat32).get_all("DKIM-Signature", [""])[-1])
    said = tags(signature)
    if (said["c"], said["a"]) != ("relaxed/relaxed", "rsa-sha256"):
        return False
    head, body = mail.split(b"\r\n\r\n", 1)
    if base64.b64encode(_digest(_body(body))).decode() != said["bh"]:
        return False
    signed = b"".join(_picked(head, said["h"].lower().split(":")))
    signed += b"dkim-signature:" + re.sub(r"(\bb=)[^;]*", r"\1", _line(signature)).encode()
    public = load_der_public_key(
        base64.b64decode(tags(records[f"{said['s']}._domainkey.{said['d']}"])["p"])
    )
    assert isinstance(public, RSAPublicKey)
    try:
        public.verify(base64.b64decode(said["b"]), signed, PKCS1v15(), SHA256())
    except InvalidSignature:
        return False
    return True


def _digest(text: bytes) -> bytes:
    digest = Hash(SHA256())
    digest.update(text)
    return digest.finalize()


def _body(body: bytes) -> bytes:
    lines = [re.sub(rb"[ \t]+", b" ", line).rstrip(b" ") for line in body.split(b"\r\n")]
    while lines and not lines[-1]:
        lines.pop()
    return b"".join(line + b"\r\n" for line in lines)


def _picked(head: bytes, names: list[str]) -> list[bytes]:
    """Take the fields that are named, of several with a name the last that was not taken yet."""
    fields: list[list[str]] = []
    for line in head.decode().split("\r\n"):
        if line[0] in " \t":
            fields[-1][1] += line
        else:
            name, _, value = line.partition(":")
            fields.append([name.strip().lower(), value])
    picked = []
    for name in names:
        at = next((n for n in reversed(range(len(fields))) if fields[n][0] == name), None)
        if at is not None:
            picked.append(f"{name}:{_line(fields.pop(at)[1])}\r\n".encode())
    return picked


def _line(value: str) -> str:
    return re.sub(r"[ \t]+", " ", value.replace("\r", "").replace("\n", "")).strip(" ")
