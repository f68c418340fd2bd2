"""The log channel: one line of JSON for each message, for development and for dry runs.

A line holds no personal data: an address appears as a keyed hash, texts as their lengths.
"""

import asyncio
import hashlib
import json
import secrets
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec

from channels.base import Channel, Delivered, Later, Message, Outcome, Unknown
from channels.delivery.options import read

ADDRESS = None
KEYED = False  # nobody drops a second line


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What `connect` takes."""

    stream: Any = None  # a text stream; standard error if neither it nor `file` is given
    file: str | None = None  # a path to append to
    key: str = ""  # the hash's key; without one, hashes of two runs cannot be compared
    timeout: float = 10.0  # seconds


def connect(options: Mapping[str, Any]) -> Channel:
    """Return the channel.

    >>> import io
    >>> out = io.StringIO()
    >>> channel = connect({"stream": out})
    >>> asyncio.run(channel.deliver(Message(id="1", channel="sms", to="+33600000000")))
    Delivered(provider_id='')
    >>> sorted(json.loads(out.getvalue()))
    ['channel', 'html', 'id', 'subject', 'text', 'to', 'trigger']
    """
    chosen = read("log", options, Options)
    if chosen.file is not None:
        return Log(Path(chosen.file).open("a", encoding="utf-8"), chosen, owned=True)
    return Log(chosen.stream if chosen.stream is not None else sys.stderr, chosen, owned=False)


class Log:
    """Writes lines from a thread of its own: a full pipe must not stop the other channels."""

    def __init__(self, stream: Any, options: Options, *, owned: bool) -> None:
        self._stream = stream
        self._owned = owned
        self._timeout = options.timeout
        self._key = options.key.encode()[:64] or secrets.token_bytes(16)
        self._writer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="log")
        self._next: list[tuple[str, asyncio.Future[Outcome]]] = []  # written next, together
        self._writing: asyncio.Task[None] | None = None

    async def deliver(self, message: Message) -> Outcome:
        """Write the line, with all that come in the same moment: each way to the thread costs more."""
        written: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._next.append((self._line(message), written))
        if len(self._next) == 1:
            self._writing = asyncio.create_task(self._write_next())
        return await written

    async def _write_next(self) -> None:
        await asyncio.sleep(0)  # so that others come
        lines, self._next = self._next, []
        try:
            outcome = await self._write_all("".join(line for line, _ in lines))
        except Exception as error:  # noqa: BLE001 - a bug, which each of these calls is told of
            for _, written in lines:
                if not written.done():
                    written.set_exception(error)
            return
        for _, written in lines:
            if not written.done():  # its call may have been cancelled
                written.set_result(outcome)

    async def _write_all(self, lines: str) -> Outcome:
        loop = asyncio.get_running_loop()
        writing = loop.run_in_executor(self._writer, self._write, lines)
        try:
            await asyncio.wait_for(writing, self._timeout)
        except TimeoutError:
            return Unknown(reason="stream does not take lines")  # the thread may still write them
        except (OSError, ValueError) as error:  # ValueError: the stream is closed
            return Later(after=1.0, reason=f"stream: {type(error).__name__}", whose="provider")
        return Delivered()

    async def close(self) -> None:
        """Close the file if we opened it."""
        self._writer.shutdown(wait=False, cancel_futures=True)
        if self._owned:
            self._stream.close()

    def _line(self, message: Message) -> str:
        line = {
            "id": message.id,
            "channel": message.channel,
            "trigger": message.payload.get("trigger"),
            "to": self._hashed(message.to),
            "subject": len(message.subject),
            "text": len(message.text),
            "html": len(message.html),
        }
        return json.dumps(line) + "\n"  # ASCII only: no reader finds a line end inside

    def _hashed(self, address: str | None) -> str | None:
        if address is None:
            return None
        return hashlib.blake2b(
            address.encode("utf-8", "replace"), key=self._key, digest_size=8
        ).hexdigest()

    def _write(self, line: str) -> None:
        self._stream.write(line)
        self._stream.flush()
