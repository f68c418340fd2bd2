"""The Slack channel: a message into the one channel of an incoming webhook.

Slack drops no copies, so what was written and not answered is held, not sent again. The URL is
the secret: whoever has it can post.
"""

import re
import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

import msgspec
import orjson

from channels.base import Channel, Delivered, Later, Message, Outcome, Refused, Unknown
from channels.delivery import urls
from channels.delivery.options import read
from channels.delivery.pinned import ForbiddenError, NotSentError, resolved
from channels.delivery.retry_after import PAUSE, TOO_MANY, later
from channels.delivery.transport import Answer, MaybeSentError, Transport

ADDRESS = None
KEYED = False

_WORD = re.compile(rb"[a-z_]{1,40}")  # such as channel_is_archived; nothing personal is like it
_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What `connect` takes."""

    url: str  # https://hooks.slack.com/services/…
    timeout: float = 10.0  # seconds, for everything together
    now: Any = time.time  # seconds since 1970
    resolve: Any = resolved  # from a name and a port to addresses


def connect(options: Mapping[str, Any]) -> Channel:
    """Return the channel.

    Raises:
        ValueError: when an option is missing or wrong.

    >>> connect({"url": "https://hooks.slack.com/services/T0/B0/secret"})
    Slack(host='hooks.slack.com')
    """
    chosen = read("slack", options, Options)
    if problem := urls.refused(chosen.url):
        raise ValueError(f"channel slack: url: {problem}")
    return Slack(chosen)


class Slack:
    """One incoming webhook, its connections kept open."""

    def __init__(self, options: Options) -> None:
        self._url = options.url
        self._now: Callable[[], float] = options.now
        self._transport = Transport(options.timeout, resolve=options.resolve)

    def __repr__(self) -> str:
        return f"Slack(host={urlsplit(self._url).hostname!r})"

    async def deliver(self, message: Message) -> Outcome:
        """Post the text."""
        said = text(message.subject, message.text)
        if not said:
            return Refused(reason="no text")
        try:
            body = orjson.dumps({"text": said})
        except TypeError:
            return Refused(reason="text is not Unicode")
        try:
            answer = await self._transport.post(
                self._url, {"content-type": "application/json"}, body
            )
        except ForbiddenError as error:
            return Refused(reason=f"url: {error}")
        except NotSentError as error:
            return Later(after=PAUSE, reason=str(error), whose="provider")
        except MaybeSentError as error:
            return Unknown(reason=f"{error} after the request")
        return outcome(answer, self._now())

    async def close(self) -> None:
        """Close the connections."""
        await self._transport.close()


def text(subject: str, body: str) -> str:
    r"""Return what is posted: the subject in bold, on a line of its own, and the text.

    All of it is text. Were `<` let through, a visitor who calls themselves `<!channel>` would
    wake everybody.

    >>> text("New & big", "<!channel> Ana bought it.")
    '*New &amp; big*\n&lt;!channel&gt; Ana bought it.'
    """
    heading = " ".join(subject.split())
    lines = [f"*{heading}*"] if heading else []
    lines += [body] if body.strip() else []
    return "\n".join(lines).translate(_ESCAPES)


def outcome(answer: Answer, now: float) -> Outcome:
    """Say what an answer means.

    Args:
        answer: of Slack.
        now: seconds since 1970.

    >>> outcome(Answer(200, body=b"ok"), 0.0), outcome(Answer(404, body=b"no_service"), 0.0)
    (Delivered(provider_id=''), Refused(reason='http 404 no_service', whose='message'))
    >>> outcome(Answer(429, {"retry-after": "30"}), 0.0), outcome(Answer(502), 0.0)
    (Later(after=30.0, reason='http 429', whose='pace'), Unknown(reason='http 502'))
    """
    said = answer.body.strip()
    word = _WORD.fullmatch(said)
    reason = f"http {answer.status}{f' {word[0].decode()}' if word else ''}"
    if answer.status == 200 and said == b"ok":
        return Delivered()
    if _turned_away(answer):
        return later(answer.status, answer.headers.get("retry-after"), now, reason)
    if 300 <= answer.status < 500 and answer.status != 408:
        return Refused(reason=reason)
    return Unknown(reason=reason)


def _turned_away(answer: Answer) -> bool:
    """Tell whether Slack says that it did not work on the message.

    A proxy says 502, 503 or 504, and some say 408, also where what is behind it did the work and
    its answer was lost. Only a server that turns a request away on purpose names a time.
    """
    return answer.status == TOO_MANY or (answer.status == 503 and "retry-after" in answer.headers)
