"""What tests of a whole stack share: a client, somebody who watches, and patience."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import httpx

from collector.keys import first_keys
from kairos.embedded.stack import Stack
from kairos.settings import Settings
from tests.channels.doubles import Mails, smtp_server
from tests.channels.test_anchors import read

PATIENCE_S = 30


def eventually(
    condition: Callable[[], bool], patience_s: float = PATIENCE_S, pause_s: float = 0.01
) -> bool:
    """Wait until it is true; says whether it became so."""
    until = time.monotonic() + patience_s
    while not condition():
        if time.monotonic() > until:
            return False
        time.sleep(pause_s)
    return True


@contextmanager
def watched(stack: Stack) -> Iterator[None]:
    """Start again whatever ends, as `kairos up` does."""
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.02):
            stack.watch()

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        yield
    finally:
        done.set()
        watching.join()


def part(name: str, settings: Settings, log: Path) -> subprocess.Popen[bytes]:
    """Start one part as a process of its own, which writes its log into a file."""
    env = {k: v for k, v in os.environ.items() if not k.startswith("KAIROS_")}
    with log.open("wb") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "kairos", "run", name],
            env=env | settings.to_env(),
            stdout=output,
            stderr=output,
        )


def server_key(data: Path) -> str:
    """Make the keys of a new data folder; returns the server's."""
    data.mkdir(parents=True, exist_ok=True)
    return first_keys(data / "keys.json", "2026-11-25T00:00:00Z")["server"]


def post(stack: Stack, key: str, calls: list[dict[str, Any]]) -> httpx.Response:
    """Send calls as one batch."""
    return httpx.post(f"{stack.url}/v1/batch", json={"batch": calls}, auth=(key, ""), timeout=20)


def workspace(folder: Path, files: dict[str, str]) -> Path:
    """Write a workspace into a folder."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


@contextmanager
def mailing(data: Path, folder: Path, mails: Mails) -> Iterator[Stack]:
    """Run a stack whose mails go to a server that keeps them; what ends is started again."""
    with smtp_server(mails) as port:
        url = f"smtp://127.0.0.1:{port}"
        channels = {"email": {"url": url, "sender": "Shop <a@shop.example>"}}
        with Stack(data, folder, channels=channels, indoors=True) as stack, watched(stack):
            yield stack


def only_link(content: bytes) -> str:
    """Return where the one link of a mail leads."""
    html = message_from_bytes(content, policy=policy.default).get_body(("html",))
    assert html is not None
    (link,) = [dict(said)["href"] for tag, said in read(html.get_content())[0] if tag == "a"]
    assert link is not None
    return link
