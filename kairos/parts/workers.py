"""The activation worker: takes activations, delivers each once."""

import asyncio
import signal
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import partial

import redis.asyncio
import structlog

from channels.delivery import configured
from channels.delivery.copies import Copies
from channels.delivery.gate import RedisWithdrawals
from channels.delivery.ledger import Ledger, SlotTakenError
from channels.delivery.links import Links
from channels.delivery.vouchers import Vouchers, examples
from channels.delivery.worker import Delivery, Worker
from channels.delivery.workspaces import RedisWorkspaces
from collector.commit import partition_of
from events.record import Event, Record, encode
from events.sealed import seal_at
from events.sources.base import Log, LogUnavailableError
from flows.open import open_log
from kairos.parts.base import REPLACED, Reporter, log_lines
from kairos.settings import Settings, SettingsError, activations
from triggers.activation import Activation

log = structlog.get_logger()

TRIM_S = 10.0  # seconds between two trimmings of the activation stream


def main(settings: Settings, watched: Callable[[Log], Log] = lambda stream: stream) -> int:
    """Deliver until a signal comes, then finish the calls that are open.

    Args:
        settings: of the installation.
        watched: wraps the activation stream, for a benchmark that notes what arrives when.
    """
    log_lines()
    try:
        asyncio.run(_serve(settings, watched))
    except SlotTakenError as error:
        log.error("another worker serves these slots", reason=str(error))
        return REPLACED
    return 0


async def _serve(settings: Settings, watched: Callable[[Log], Log]) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    stream = watched(open_log(activations(settings)))
    source = open_log(settings.log)
    store = redis.asyncio.Redis.from_url(settings.ledger)
    replayed, links, workspaces = settings.log.replayed, _links(settings), RedisWorkspaces(store)
    connected = configured.connect(settings.channels)
    keyed = configured.keyed(settings.channels)
    configured.known(settings.rates)
    first, last = settings.slots
    ledger = Ledger.open(
        settings.deliveries, keyed=keyed, now=_now_ms(), slots=range(first, last + 1)
    )
    vouchers = Vouchers(settings.deliveries)
    worker = Worker(
        stream,
        ledger,
        connected,
        keyed=keyed,
        withdrawals=RedisWithdrawals(store, settings.log.partitions),
        workspaces=workspaces,
        links=links,
        copies=None if replayed else Copies(workspaces),
        vouchers=examples if replayed else vouchers.take,
        now=_now_ms,
        now_us=lambda: time.time_ns() // 1000,
        handed=_decided if replayed else None,
        say=None if replayed else partial(_say, source),
        delivery=Delivery(per_s_of=Delivery().per_s_of | settings.rates),
    )
    try:
        with Reporter(settings.status, "workers", worker.stats):
            trimming = asyncio.create_task(_trim(stream, worker, stop))
            await worker.run(stop)
            await trimming
    finally:
        for channel in connected.values():
            await channel.close()
        await store.aclose()
        ledger.close()
        vouchers.close()
        stream.close()
        source.close()


def _links(settings: Settings) -> Links:
    """Open the seal where something will carry it; a worker that only logs needs none.

    Raises:
        SettingsError: its file cannot be used.
    """
    if not settings.public_url and "email" not in settings.channels:
        return Links()
    try:
        return Links(seal_at(settings.collector.sealing), settings.public_url)
    except (ValueError, OSError) as error:
        raise SettingsError(f"KAIROS_SEAL: {error}") from error


async def _trim(stream: Log, worker: Worker, stop: asyncio.Event) -> None:
    """Let go of activations that the delivery ledgers hold."""
    while not stop.is_set():
        for partition, needed in enumerate(worker.trimmable()):
            if needed > 0:
                try:
                    await asyncio.to_thread(stream.trim, partition, needed)
                except LogUnavailableError as error:  # such as on a full disk
                    log.warning("the activation stream is not trimmed", reason=str(error))
        try:
            await asyncio.wait_for(stop.wait(), TRIM_S)
        except TimeoutError:
            continue


def _say(source: Log, events: Sequence[Event]) -> None:
    """Put events into the partitions where their leaves are at home."""
    homes: dict[int, list[Record]] = defaultdict(list)
    for event in events:
        homes[partition_of(event, source.partitions)].append(event)
    for partition, some in homes.items():
        source.append(partition, encode(some))


def _decided(activation: Activation) -> int:
    """Say that a message of a replay is handed over when it is decided."""
    return activation.decided


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
