"""A real Chromium on a website of another origin, and a collector that comes and goes."""

import asyncio
import json
import socket
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import uvicorn

from collector.application import Application
from collector.asgi import Collector
from collector.onsite.hub import Hub
from collector.onsite.shelf import connected
from events.record import Event
from kairos.parts.http.serve import UvicornServer
from tests import clients
from tests.clients import SDKS
from tests.collector.doubles import DOOR, MemoryLog
from tests.e2e.stacks import eventually

KEY = "BROWSER_KEY"


class Browser:
    """One profile; tabs are called by name."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def _do(self, what: str, **how: Any) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"what": what, **how}) + "\n")
        self._process.stdin.flush()
        said = json.loads(self._process.stdout.readline())
        assert "error" not in said, said["error"]
        return said["value"]

    def serve(self, html: str, path: str = "/", headers: Mapping[str, str] | None = None) -> None:
        self._do("serve", path=path, html=html, headers=headers or {})

    def before_each_page(self, code: str) -> None:
        self._do("init", code=code)

    def open(self, path: str = "/", tab: str = "one") -> None:
        self._do("open", tab=tab, path=path)

    def arrives(self, path: str, tab: str = "one") -> None:
        self._do("arrives", tab=tab, path=path)

    def run(self, code: str, tab: str = "one") -> Any:
        return self._do("run", tab=tab, code=code)

    def click(self, text: str, tab: str = "one") -> None:
        self._do("click", tab=tab, text=text)

    def banners(self, tab: str = "one") -> list[str]:
        """What is shown on a page, as it is read; also where the page itself cannot look."""
        found: list[str] = self._do("texts", tab=tab)
        return found

    def link(self, tab: str = "one") -> str:
        found: str = self._do("href", tab=tab)
        return found

    def focus(self, tab: str = "one") -> None:
        self._do("focus", tab=tab)

    def back(self, tab: str = "one") -> None:
        self._do("back", tab=tab)

    def close(self, tab: str = "one") -> None:
        self._do("close", tab=tab)

    def offline(self, on: bool) -> None:
        self._do("offline", on=on)

    def shot(self, file: Path, tab: str = "one") -> None:
        self._do("shot", tab=tab, file=str(file))

    def forget_cookies(self) -> None:
        self._do("forget")

    def errors(self) -> list[str]:
        found: list[str] = self._do("errors")
        return found


@contextmanager
def browser(profile: Path) -> Iterator[Browser]:
    """A Chromium with a profile of its own; skips, and says why, where there is none."""
    folder = clients.packages()
    process = subprocess.Popen(
        ["node", str(SDKS / "pages.mjs"), clients.chromium(), str(profile)],
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield Browser(process)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        try:
            process.wait(20)
        finally:
            process.kill()
            if process.stdout is not None:
                process.stdout.close()


def shop(url: str, *, key: str = KEY, attributes: str = "", head: str = "") -> str:
    """A page as a web developer writes it, with the two lines of docs/browser.md."""
    return f"""<!doctype html><title>Shop</title>{head}
    <script>window.kairos = window.kairos || []</script>
    <script async src="{url}/kairos.js" data-key="{key}" {attributes}></script>"""


class Door:
    """A collector on a port of its own, over a log in memory, which can go away and come back."""

    def __init__(self, valkey: Path | None = None) -> None:
        """Choose a port.

        Args:
            valkey: socket of the server where on-site messages are; None streams none.
        """
        self.log = MemoryLog()
        self._valkey = valkey
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._listening.close()

    def __enter__(self) -> Self:
        self.back()
        return self

    def __exit__(self, *_: object) -> None:
        self.away()

    def back(self) -> None:
        """Serve."""
        valkey = self._valkey
        self._onsite = None if valkey is None else Hub(connected(f"unix://{valkey}", 1.0))
        self.app = Application(DOOR, self.log, onsite=self._onsite)
        carried = Collector(self.app)
        config = uvicorn.Config(
            carried,
            host="127.0.0.1",
            port=self.port,
            log_level="error",
            access_log=False,
        )
        self._server = UvicornServer(config, carried)
        self._thread = threading.Thread(target=lambda: asyncio.run(self._server.serve()))
        self._thread.start()
        assert eventually(lambda: self._server.started)

    def away(self) -> None:
        """Let nobody in: the port refuses connections."""
        self._server.should_exit = True
        self._thread.join()

    @property
    def streams(self) -> int:
        """How many browsers' tabs listen."""
        return 0 if self._onsite is None else self._onsite.streams

    @property
    def events(self) -> list[Event]:
        """What is in the log, in the order in which it came, copies included."""
        return [record for record in self.log.records if isinstance(record, Event)]

    def told(self, *names: str, times: int = 1) -> list[Event]:
        """Wait for events, and return all of those names, each message once."""

        def found() -> dict[str, Event]:
            return {e.message_id: e for e in self.events if not names or e.name in names}

        assert eventually(lambda: len(found()) >= times, 15), [e.name for e in self.events]
        return list(found().values())
