"""Identity tokens: by which a shop's own server vouches for who sits at a browser.

A token is a JSON Web Token (RFC 7519): `sub` is the user id, `aud` this installation, `exp` at
most an hour ahead, and `email` and `phone` are addresses that the shop knows to be theirs. It is
signed with HMAC-SHA256 under a secret that both share, or with Ed25519 under the shop's own key.
"""

import re
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

LONGEST = 3_600  # seconds that a token may be good for
_LEEWAY = 60  # seconds that two clocks may differ
_MOST = 4_096  # characters of a token
_KEPT = 10_000  # tokens; a browser sends the same one with each event
_SECRET_BYTES = 32  # of an HMAC key, at least
_PEM = re.compile(r"-----BEGIN PUBLIC KEY-----.*?-----END PUBLIC KEY-----", re.DOTALL)


class Proof(msgspec.Struct, frozen=True):
    """What a token vouches for."""

    user_id: str
    addresses: dict[str, str]  # kind -> as the shop wrote it
    until: int  # seconds since 1970


class _Key(NamedTuple):
    algorithm: str
    key: str


class Prover:
    """Reads identity tokens.

    Args:
        keys: the text of the keys in force, of which any may have signed: a secret of 32 characters
            or more on a line of its own, or a public Ed25519 key in PEM.
        audience: what `aud` must name.

    Raises:
        ValueError: there is no key in the text, or one that is none.

    >>> import jwt
    >>> claims = {"sub": "u1", "aud": "kairos", "exp": 1_000, "email": "ana@shop.example"}
    >>> token = jwt.encode(claims, "s" * 32)
    >>> Prover("s" * 32, "kairos").proof(token, 990_000).user_id
    'u1'
    >>> [Prover(key, "kairos").proof(token, at) for key, at in (("t" * 32, 990_000), ("s" * 32, 2e6))]
    [None, None]
    """

    def __init__(self, keys: str, audience: str) -> None:
        self._keys = _keys_in(keys)
        self._audience = audience
        self._known: OrderedDict[str, Proof] = OrderedDict()

    def __repr__(self) -> str:
        return f"Prover({len(self._keys)} keys, audience={self._audience!r})"

    def proof(self, token: str, now_ms: float) -> Proof | None:
        """Return what a token vouches for at a time (ms), None where it is none that counts."""
        found = self._known.get(token)
        if found is None:
            found = self._read(token)
            if found is None:
                return None
            self._known[token] = found
            if len(self._known) > _KEPT:
                self._known.popitem(last=False)
        now = now_ms / 1000
        return found if now - _LEEWAY <= found.until <= now + LONGEST + _LEEWAY else None

    def _read(self, token: str) -> Proof | None:
        if len(token) > _MOST:
            return None
        for key in self._keys:
            claims = self._claims(token, key)
            if claims is not None:
                return _proof(claims)
        return None

    def _claims(self, token: str, key: _Key) -> dict[str, Any] | None:
        import jwt  # noqa: PLC0415 - it takes 40 ms, and most installations have no use for it

        # Whether it is expired depends on when it is asked; the rest is true for good.
        options: Any = {
            "require": ["sub", "aud", "exp"],
            "verify_exp": False,
            "verify_iat": False,
            "verify_nbf": False,
        }
        try:
            claims: dict[str, Any] = jwt.decode(
                token, key.key, algorithms=[key.algorithm], audience=self._audience, options=options
            )
        except (jwt.InvalidTokenError, ValueError, RecursionError):
            return None
        return claims


def _proof(claims: dict[str, Any]) -> Proof | None:
    until, user_id = claims["exp"], claims["sub"]
    if type(until) not in (int, float) or type(user_id) is not str or not user_id:
        return None
    told = ((kind, claims.get(kind)) for kind in ("email", "phone"))
    addresses = {kind: said for kind, said in told if type(said) is str}
    return Proof(user_id, addresses, int(min(until, 2**53)))


def _keys_in(text: str) -> Sequence[_Key]:
    found = [_Key("EdDSA", pem) for pem in _PEM.findall(text)]
    for key in found:
        _public(key.key)
    for line in _PEM.sub("", text).splitlines():
        secret = line.strip()
        if secret.startswith("-----"):
            raise ValueError("a public key in PEM was expected, and never a private one")
        if secret and len(secret.encode()) < _SECRET_BYTES:
            raise ValueError(f"a secret has fewer than {_SECRET_BYTES} bytes")
        if secret:
            found.append(_Key("HS256", secret))
    if not found:
        raise ValueError("a secret, or a public key in PEM, was expected")
    return found


def _public(pem: str) -> None:
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415 - as above
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (  # noqa: PLC0415
        Ed25519PublicKey,
    )
    from cryptography.hazmat.primitives.serialization import (  # noqa: PLC0415
        load_pem_public_key,
    )

    try:
        key = load_pem_public_key(pem.encode())
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ValueError("a public key in PEM was expected") from error
    if not isinstance(key, Ed25519PublicKey):
        raise ValueError("a public key is none of Ed25519")  # noqa: TRY004 - of the text's content
