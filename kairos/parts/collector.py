"""The collector: the HTTP door."""

import os

import uvicorn

from collector.asgi import Collector
from collector.handle import Door
from collector.keys import KeyRing
from flows.open import open_appender
from kairos.parts.base import Reporter, log_lines
from kairos.settings import Settings


def main(settings: Settings) -> int:
    """Serve until a signal comes, then finish what is in flight."""
    log_lines()
    app = Collector(Door(KeyRing.load(settings.collector.keys)), open_appender(settings.log))
    inherited = os.environ.get("KAIROS_FD")
    config = uvicorn.Config(
        app,
        host=settings.collector.host,
        port=settings.collector.port,
        fd=int(inherited) if inherited else None,
        access_log=False,
        log_level="warning",
        timeout_graceful_shutdown=10,
    )
    with Reporter(settings.status, "collector", lambda: dict(app.counters)):
        uvicorn.Server(config).run()
    return 0
