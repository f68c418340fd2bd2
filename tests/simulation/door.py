"""The collector's process: the real application, without a server around it."""

from itertools import count
from typing import Any

from collector.application import Application
from collector.asgi import Collector
from collector.door import Door
from collector.keys import KeyRing, create
from tests.simulation.clients import Answered
from tests.simulation.log import Appender, LogServer
from tests.simulation.world import Process, World

KEYS = KeyRing(
    [
        create("server", "shop", "2026-03-01T00:00:00Z", "SERVER")[1],
        create("browser", "web", "2026-03-01T00:00:00Z", "BROWSER")[1],
    ]
)


class Doors:
    """Keeps one collector running, and hands requests to it."""

    def __init__(self, world: World, log: LogServer) -> None:
        self.world = world
        self._log = log
        self._names = count(1)
        self._draw = world.draw("doors")
        self.process: Process
        self._start()

    def _start(self) -> None:
        self.process = Process(self.world, f"collector{next(self._names)}")
        self.process.on_death = self._died
        appender = Appender(self.process, self._log)
        app = Application(Door(KEYS), appender, now_us=lambda: self.world.us)
        self._collector = Collector(app)

    def _died(self) -> None:
        self.world.outside.call_later(self._draw.choice((0.1, 1, 10)), self._start)

    def request(self, key: bytes, body: bytes, answered: Answered) -> None:
        """Carry a request in, and its status out unless the process dies on the way."""
        process = self.process
        if not process.alive or process.dies("collector parse:before"):
            self.world.outside.call_later(0.001, answered, 0)
            return
        process.create_task(self._serve(process, key, body, answered))

    async def _serve(self, process: Process, key: bytes, body: bytes, answered: Answered) -> None:
        parts = [{"type": "http.request", "body": body}]

        async def receive() -> dict[str, Any]:
            return parts.pop()

        async def send(message: Any) -> None:
            if message["type"] != "http.response.start":
                return
            if process.dies("collector answer:before"):
                await process.gone()
            status = message["status"]
            process.say(f"answers {status}")
            outside, draw = self.world.outside, self._draw
            if draw.random() < 0.99:  # else the answer is lost on its way
                outside.call_later(draw.choice((0.001, 0.01, 0.5)), answered, status)

        scope = {
            "type": "http",
            "method": "POST",
            "path": "/v1/batch",
            "query_string": b"",
            "headers": [(b"authorization", b"Bearer " + key)],
        }
        await self._collector(scope, receive, send)
