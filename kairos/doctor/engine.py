"""A running engine: is every promise that its servers must keep kept, and does it keep up?"""

import shutil
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import msgspec
import orjson
import redis

from channels.delivery.beside import floor_of, lost_slots, summary
from channels.delivery.ledger import HORIZON, SlotUnusableError
from channels.delivery.vouchers import Stock, Vouchers, VouchersUnusableError
from events.record import DeadLetter
from events.sources.base import LogUnavailableError
from events.sources.valkey import address
from flows.bounds import MB
from flows.open import open_whole
from flows.promises import broken_promises
from kairos.doctor import archive
from kairos.doctor.base import Finding, ok, warning, wrong
from kairos.settings import Settings
from profile_state.stores.base import LedgerLostError
from profile_state.stores.keys import Keys
from profile_state.stores.redis import RedisStore, unpack_paused
from triggers.claims import CLAIMED_ADDRESSES
from triggers.failing import MOST
from triggers.load import pools
from triggers.problems import WorkspaceError

FULL = 0.8  # of a server's memory
LATE_MS = 10_000  # the ledger follows the log by a few seconds
HOT = 0.05  # of all events
DAY_MS = 86_400_000
CLOCK = "copies could not be told from new messages; it ends by itself when that day has passed"
DECIDE = "`kairos deliveries list` shows them, and what to do with them"
LOST = (
    "restore the file from a backup; else stop the workers and delete cursor.db: the slot begins "
    "anew, what waited in it is lost, and what it sent of late may be sent again"
)

RESTORE = "make room, or stop the workers and restore the file from a backup"


def findings(settings: Settings) -> Iterator[Finding]:
    """Look at collector, log, ledger, and what lies between them."""
    yield _collector(settings.collector.url)
    if settings.log.url.startswith("kafka://"):
        yield ok("log", "Kafka: its topic must have acks=all and LogAppendTime")
    else:
        yield from _server("log", address(settings.log.url)[0], durable=True)
    if settings.disk is not None:
        yield _room(settings.disk, settings.disk_free_mb)
    ledger = list(_server("ledger", settings.ledger, durable=False))
    yield from ledger
    if all(one.state != "wrong" for one in ledger):
        yield _lag(settings)
        if not settings.log.replayed:
            yield _timers(settings)
            yield from _vouchers(settings)
        yield _withdrawals(settings)
        yield _kept_apart(settings)
        yield _addresses(settings)
        yield from _paused(settings)
        yield from _left_over(settings)
    if "email" in settings.channels:
        yield links(settings.public_url)
    if settings.archive is not None:
        yield from archive.findings(settings, settings.archive)
    yield from _busiest(_said(settings, "live"))
    yield from _held(_said(settings, "workers"))


def links(public_url: str) -> Finding:
    """Look whether e-mails have a link by which who reads them can leave."""
    if public_url:
        return ok("links", f"of e-mails lead to {public_url}")
    return warning(
        "links",
        "e-mail is set up and KAIROS_PUBLIC_URL is not, so no e-mail has a link to unsubscribe, and "
        "templates that speak of one are not sent",
        "set it to where people reach the collector, such as https://id.shop.example",
    )


def _collector(url: str) -> Finding:
    try:
        answer = httpx.get(f"{url}/readyz", timeout=5)
    except httpx.HTTPError as error:
        return wrong("collector", f"{url} does not answer: {error}", "see collector.log")
    if answer.status_code != 200:
        return wrong("collector", f"{url} answers {answer.status_code}", "see collector.log")
    return ok("collector", f"{url} is ready, on the clock of the {answer.json()['clock']}")


def _server(what: str, url: str, *, durable: bool) -> Iterator[Finding]:
    try:
        broken = broken_promises(url, durable=durable)
        with redis.Redis.from_url(url) as client:
            memory: Any = client.info("memory")
    except redis.RedisError as error:
        yield wrong(what, f"it does not answer: {error}", f"start the server at {url}")
        return
    for one in broken:
        yield wrong(what, one.found, one.mend)
    yield _memory(what, int(memory["used_memory"]), int(memory["maxmemory"]))


def _memory(what: str, used: int, ceiling: int) -> Finding:
    said = f"{used / 1024**2:.0f} MB in use"
    if not ceiling:
        return ok(what, said)
    said += f" of {ceiling / 1024**2:.0f}"
    if used / ceiling > FULL:
        return warning(what, said, "it refuses writes when it is full; give it more memory")
    return ok(what, said)


def _room(disk: Path, least_mb: int) -> Finding:
    free = shutil.disk_usage(disk).free // MB
    said = f"{free:,} MB free; below {least_mb:,} no event is accepted"
    if free < 2 * least_mb:
        return warning("disk", said, f"make room on the disk of {disk}")
    return ok("disk", said)


def _lag(settings: Settings) -> Finding:
    store = RedisStore(settings.ledger)
    try:
        log = open_whole(settings)
        try:
            stored = store.peek().offset.entry
            newest = log.back(0, 1 << 62, 1)
            at = log.back(0, stored + 1, 1)
        finally:
            log.close()
    except (LedgerLostError, LogUnavailableError) as error:
        return wrong("live flow", str(error), "see live.log")
    finally:
        store.close()
    if not newest or newest[0].id <= stored:
        return ok("live flow", "everything in the log is applied and stored")
    behind = newest[0].time - at[0].time if at else newest[0].time
    said = f"the ledger is {behind / 1000:.1f} s behind the log"
    if behind > LATE_MS:
        return wrong("live flow", said, "is `kairos run live` running? see live.log")
    return ok("live flow", said)


def _timers(settings: Settings) -> Finding:
    """Say who waits although their time has come, and how long that will go on."""
    with redis.Redis.from_url(settings.ledger) as client:
        late: Any = client.zcount("due:{p0}", 0, time.time() * 1000 - LATE_MS)
    if not late:
        return ok("timers", "nobody waits whose time has come")
    said = f"{late:,} people are due since more than {LATE_MS // 1000} s"
    live = _said(settings, "live")
    if per_s := live.get("timers_per_s"):
        said += f"; {per_s:,.0f} a second are worked off, so {late / per_s:,.0f} s more"
    return warning("timers", said, "a storm ends by itself; else see live.log")


def _vouchers(settings: Settings) -> Iterator[Finding]:
    """Look at the pools that the workspace in force names."""
    store, vouchers = RedisStore(settings.ledger), Vouchers(settings.deliveries)
    try:
        wanted = pools(store.peek().files)
        stocks = {s.pool: s for s in vouchers.stocks(time.time_ns() // 1_000_000)} if wanted else {}
    except (LedgerLostError, WorkspaceError):
        return  # others say so
    except VouchersUnusableError as error:
        yield wrong("vouchers", f"{error}; messages that need a code wait", RESTORE)
        return
    finally:
        vouchers.close()
        store.close()
    for pool, low in sorted(wanted.items()):
        yield stocked(stocks.get(pool, Stock(pool, 0, 0, 0)), low)


def stocked(stock: Stock, low: int) -> Finding:
    """Say whether a pool has codes for another day, and as many as its workspace wants it to have.

    >>> stocked(Stock("summer", 90, 40, 5), 100).found
    '90 codes left, fewer than 100, the `low` of workspace.yaml'
    """
    what, left = f"vouchers {stock.pool}", stock.left
    add = f"`kairos vouchers add {stock.pool} FILE`"
    if not left:
        return warning(what, "none left: messages that need one wait", add)
    said = f"{left:,} codes left"
    if left < low:
        return warning(what, f"{said}, fewer than {low:,}, the `low` of workspace.yaml", add)
    if left < stock.last_day:
        return warning(what, f"{said}, fewer than the last day used, {stock.last_day:,}", add)
    return ok(what, said)


def _withdrawals(settings: Settings) -> Finding:
    """Say whether workers may believe the ledger; else every message waits."""
    with redis.Redis.from_url(settings.ledger) as client:
        run: Any = client.info("server")
        vouched: Any = client.get(Keys(0).vouched)
    if vouched is not None and vouched.decode() == run["run_id"]:
        return ok("withdrawals", "the ledger knows everybody who withdrew")
    said = "the ledger was restarted or is new, and may have lost who withdrew: messages wait"
    return warning("withdrawals", said, "until the live flow has read its log; see live.log")


def _kept_apart(settings: Settings) -> Finding:
    """Say how many statements would have joined people beyond a limit; one is nothing wrong."""
    found = _counted(settings, "merge_refused")
    if not found:
        return ok("identity", "every statement of who is who is applied")
    said = f"{found:,} statements of who is who were left out, for a limit or a shared device"
    return ok("identity", f"{said}; `kairos profile` says which and why")


def _addresses(settings: Settings) -> Finding:
    """Say how often a browser named another address for somebody known; one is a new mailbox."""
    found = _counted(settings, CLAIMED_ADDRESSES)
    if not found:
        return ok("addresses", "no browser named another one for somebody known")
    return warning(
        "addresses",
        f"{found:,} times a browser named another one for somebody known; nothing is sent there",
        "many at once are an attempt to have messages sent elsewhere: see docs/identity.md",
    )


def _counted(settings: Settings, what: str) -> int:
    with redis.Redis.from_url(settings.ledger) as client:
        found: Any = client.hget("counts:{p0}", what)
    return int(found or 0)


def _paused(settings: Settings) -> Iterator[Finding]:
    """Name the triggers that failed too often to go on."""
    with redis.Redis.from_url(settings.ledger) as client:
        found: Any = client.hget(Keys(0).mark, "paused")
    for said in unpack_paused(found):
        yield warning(
            "paused trigger",
            f"{said.trigger} failed {MOST} times within a minute, last with {said.reason}",
            "mend what raises, then edit the trigger, or set its `status` to paused and back",
        )


def _said(settings: Settings, part: str) -> dict[str, Any]:
    """Return what a part says of itself; nothing where it is not there."""
    if settings.status is None:
        return {}
    try:
        said: dict[str, Any] = orjson.loads((settings.status / f"{part}.json").read_bytes())
    except (OSError, ValueError):
        return {}
    return said


def _busiest(said: dict[str, Any]) -> Iterator[Finding]:
    """Name a person who makes a large part of all events: a robot, or an id that many share."""
    if said.get("busiest_share", 0) > HOT:
        found = f"{said['busiest']} makes {said['busiest_share']:.0%} of all events"
        yield warning(
            "hot person", found, "look at it with `kairos profile`: a robot, a shared id?"
        )


def _held(said: dict[str, Any]) -> Iterator[Finding]:
    """Name the channels on which nothing leaves for the provider's sake."""
    for name, why in said.get("held", {}).items():
        yield warning(f"channel {name}", why, "ask the provider; what waits is sent afterwards")


def _clock(floor: int, now: int) -> Iterator[Finding]:
    """Say what a clock that was ahead has done: ids are forgotten that may still be sent."""
    ahead = floor + HORIZON - now
    if floor < 0 or ahead <= LATE_MS:
        return
    until = datetime.fromtimestamp(floor / 1000, UTC).date()
    said = f"it was {ahead / DAY_MS:,.1f} days ahead once: what was decided before {until} expires"
    if floor > now:
        yield wrong("clock", f"{said}, so nothing is sent", CLOCK)
    else:
        yield warning("clock", said, CLOCK)


def _left_over(settings: Settings) -> Iterator[Finding]:
    """Look at what waits for somebody: dead letters, messages of unknown fate, slots not served."""
    client = redis.Redis.from_url(settings.ledger)
    try:
        letters: Any = client.hvals("dead:{p0}")
    finally:
        client.close()
    if letters:
        codes = Counter(msgspec.msgpack.decode(v, type=DeadLetter).code for v in letters)
        said = ", ".join(f"{n} {code}" for code, n in codes.most_common(5))
        yield warning("dead letters", said, "docs/errors.md says what each code means")
    else:
        yield ok("dead letters", "none")
    try:
        counts = summary(settings.deliveries)
        for lost in lost_slots(settings.deliveries):
            yield wrong("slots", f"{lost}; its messages wait", LOST)
        yield from _clock(floor_of(settings.deliveries), time.time_ns() // 1_000_000)
    except SlotUnusableError as error:
        yield wrong("deliveries", str(error), "restore the file from a backup; its slot waits")
        return
    dead, unknown, waiting = (
        sum(states.get(state, 0) for states in counts.values())
        for state in ("dead", "unknown", "pending")
    )
    if unknown:
        found = f"{unknown} messages may or may not have been sent"
        yield warning("deliveries", found, f"ask the provider, then {DECIDE}")
    if dead:
        found = f"{dead} messages failed for good"
        yield warning("deliveries", found, f"mend what is wrong, then {DECIDE}")
    if not unknown and not dead:
        yield ok("deliveries", f"{waiting} wait, none has failed, none is of unknown fate")
