"""The outside world on loopback: a mail server and a webhook's receiver, on a thread of their own."""

import asyncio
import base64
import hmac
import secrets
import socket
import threading
import time
from collections.abc import Awaitable, Callable, MutableMapping
from email.parser import BytesHeaderParser
from typing import Any, Self

import orjson
import uvicorn
from aiosmtpd.smtp import SMTP

from channels.webhook import signature
from kairos.demo.receipts import Receipts

Message = MutableMapping[str, Any]
SENDER = "Shop <hello@shop.example>"


class Outside:
    """Serves SMTP and HTTP, and writes down what arrives. Use it as a context manager.

    The receiver does what Standard Webhooks asks of one: it checks the signature, and drops a
    second request with the same `webhook-id`. A mail server drops nothing.

    Args:
        receipts: where arrivals are written, before they are confirmed.
        pause_s: between the two, as real providers take their time.
    """

    def __init__(self, receipts: Receipts, pause_s: float = 0.0) -> None:
        self.receipts = receipts
        self._pause_s = pause_s
        self.forged = 0  # webhooks whose signature is wrong
        self._secret = secrets.token_bytes(32)
        self._mail = socket.create_server(("127.0.0.1", 0))
        self._hook = socket.create_server(("127.0.0.1", 0))
        config = uvicorn.Config(
            self._receive, interface="asgi3", lifespan="off", access_log=False, log_level="error"
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))

    @property
    def channels(self) -> dict[str, dict[str, str]]:
        """The options with which the engine reaches this world."""
        secret = base64.b64encode(self._secret).decode()
        return {
            "email": {"url": f"smtp://127.0.0.1:{self._mail.getsockname()[1]}", "sender": SENDER},
            "webhook": {
                "url": f"http://127.0.0.1:{self._hook.getsockname()[1]}/kairos",
                "secret": f"whsec_{secret}",
            },
        }

    def __enter__(self) -> Self:
        """Start serving."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop; what has arrived is written."""
        self._server.should_exit = True
        self._thread.join()
        self._mail.close()
        self._hook.close()

    async def _serve(self) -> None:
        loop = asyncio.get_running_loop()
        handler = _Mailbox(self.receipts, self._pause_s)
        mails = await loop.create_server(
            lambda: SMTP(handler, ident="demo", loop=loop), sock=self._mail
        )
        await self._server.serve(sockets=[self._hook])
        mails.close()

    async def _receive(
        self,
        scope: Message,
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        body = b""
        while True:
            part = await receive()
            if part["type"] == "http.disconnect":
                return  # who sent it died in the middle: that is no request, and no forgery
            body += part.get("body", b"")
            if not part.get("more_body"):
                break
        status = self._take(dict(scope["headers"]), body)
        await asyncio.sleep(self._pause_s)
        empty = [(b"content-length", b"0")]
        await send({"type": "http.response.start", "status": status, "headers": empty})
        await send({"type": "http.response.body", "body": b""})

    def _take(self, headers: dict[bytes, bytes], body: bytes) -> int:
        name = headers.get(b"webhook-id", b"").decode("latin-1")
        at = int(headers.get(b"webhook-timestamp", b"0"))
        right = signature(self._secret, name, at, body)
        if not hmac.compare_digest(headers.get(b"webhook-signature", b""), right.encode()):
            self.forged += 1
            return 401
        said = orjson.loads(body)
        self.receipts.add("webhook", name, _now_ms(), trigger=said["trigger"], event=said["event"])
        return 200


class _Mailbox:
    """A handler for aiosmtpd."""

    def __init__(self, receipts: Receipts, pause_s: float) -> None:
        self._receipts = receipts
        self._pause_s = pause_s

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd calls it so
        headers = BytesHeaderParser().parsebytes(envelope.content)
        [to] = envelope.rcpt_tos
        name, subject = str(headers["Message-ID"]), str(headers["Subject"])
        self._receipts.add("email", name, _now_ms(), to=to, subject=subject)
        await asyncio.sleep(self._pause_s)
        return "250 2.0.0 taken"


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
