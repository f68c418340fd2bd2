"""Where does the engine's time go? The same drain as in `throughput`, in this process, profiled.

The profiler makes every Python call about twice as slow and C code not at all, so shares lean
towards small functions; `throughput` says how fast it is.
"""

import cProfile
import io
import pstats
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import redis
import structlog

from benchmarks import marketing
from benchmarks.ahead import write_ahead
from benchmarks.properties import addresses
from benchmarks.workload import Shop
from events.sources.valkey import ValkeyLog, stream_key
from flows.engine import Engine
from kairos.embedded import servers
from kairos.embedded.children import end
from profile_state.stores.redis import RedisStore

LINES = 40


def profile(events: int, seed: int = 1) -> str:
    """Drain once, and return the functions that cost most by their own time."""
    structlog.configure(processors=[structlog.processors.KeyValueRenderer()])
    with tempfile.TemporaryDirectory(prefix="kairos-") as folder, ExitStack() as opened:
        data = Path(folder)
        log_url = opened.enter_context(server("log", servers.LOG, data))
        ledger_url = opened.enter_context(server("ledger", servers.LEDGER, data))
        log = opened.enter_context(closing(ValkeyLog(f"valkey://{log_url}?name=log")))
        store = opened.enter_context(closing(RedisStore(f"unix://{ledger_url}")))
        engine = Engine(log, store, addresses(), clock=_now_ms, monotonic=time.monotonic)
        engine.recover()
        engine.adopt(marketing.files())
        engine.process(engine.read())
        with closing(redis.Redis(unix_socket_path=str(log_url))) as client:
            written = write_ahead(client, Shop(seed).calls(events), (_now_ms() + 50) * 1000)
            client.rename(written.key, stream_key("log", 0))
        profiler = cProfile.Profile()
        profiler.runcall(_drain, engine, written.last)
    return _table(profiler, events)


def _drain(engine: Engine, last: int) -> None:
    while engine.behind.stored.entry < last:
        if entries := engine.read():
            engine.process(entries)
        engine.pump()


@contextmanager
def server(name: str, options: Mapping[str, str], data: Path) -> Iterator[Path]:
    """Run a server of the stack alone; yields its socket."""
    socket = data / f"{name}.sock"
    process: subprocess.Popen[bytes] = servers.start(options, data / name, socket)
    try:
        servers.wait_for(name, process, socket, data / name)
        yield socket
    finally:
        end(process)


def _table(profiler: cProfile.Profile, events: int) -> str:
    text = io.StringIO()
    stats = pstats.Stats(profiler, stream=text)
    stats.strip_dirs().sort_stats("tottime").print_stats(LINES)
    seconds = stats.total_tt  # type: ignore[attr-defined]  # typeshed leaves it out
    head = f"{events} events in {seconds:.1f} s under the profiler, by own time\n"
    return head + "\n".join(line.rstrip() for line in text.getvalue().strip().splitlines()) + "\n"


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
