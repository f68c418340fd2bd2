"""How a message's token leaves over SMTP, so that a provider's webhooks bring it home.

Each provider reads a header of its own and takes it out. `collector/mail/` reads what comes back.
"""

import json
from collections.abc import Callable

from collector.mail.common.fields import TOKEN_KEYS

KEY = TOKEN_KEYS[0]
_POSTMARK = 80  # characters of a metadata field
_SES = 256  # characters of a message tag


def headers(provider: str | None, token: str) -> dict[str, str]:
    """Return the headers that carry a token, none where no provider would take them out.

    Args:
        provider: whose relay the server is.
        token: letters, digits, `-` and `_`; `""` where the message has none.

    >>> headers("mailgun", "t1"), headers(None, "t1")
    ({'X-Mailgun-Variables': '{"kairos_token": "t1"}'}, {})
    """
    return _HEADERS[provider](token) if provider and token else {}


def _parts(token: str, most: int) -> dict[str, str]:
    """Cut a token for fields that are too short for it.

    >>> _parts("abcde", 2)
    {'kairos_token': 'ab', 'kairos_token_2': 'cd', 'kairos_token_3': 'e'}
    """
    cut = [token[start : start + most] for start in range(0, len(token), most)]
    return {f"{KEY}_{n}" if n > 1 else KEY: part for n, part in enumerate(cut, 1)}


_HEADERS: dict[str, Callable[[str], dict[str, str]]] = {
    "brevo": lambda token: {"X-Mailin-custom": json.dumps({KEY: token})},
    "mailgun": lambda token: {"X-Mailgun-Variables": json.dumps({KEY: token})},
    "postmark": lambda token: {
        f"X-PM-Metadata-{name}": part for name, part in _parts(token, _POSTMARK).items()
    },
    "sendgrid": lambda token: {"X-SMTPAPI": json.dumps({"unique_args": {KEY: token}})},
    "ses": lambda token: {
        "X-SES-MESSAGE-TAGS": ", ".join(f"{n}={part}" for n, part in _parts(token, _SES).items())
    },
}
