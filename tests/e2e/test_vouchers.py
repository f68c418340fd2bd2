"""Workers that share a pool are killed in the middle of it: nobody's code is somebody else's."""

import re
import sqlite3
import subprocess
import time
from contextlib import closing
from pathlib import Path

import msgspec
import redis

from channels.delivery.beside import summary
from channels.delivery.vouchers import FILE, Stock, Vouchers
from events.sources.valkey import connect
from kairos.settings import Log, Settings
from profile_state.stores.redis import RedisStore
from tests.channels.doubles import Mails, activation, smtp_server
from tests.e2e.stacks import eventually, part
from triggers.activation import Activation, encode
from triggers.vouchers import EXAMPLE

SENDS = 200
CODES = 300
HALVES = ((0, 31), (32, 63))
TEMPLATE = "Your code: {{ voucher.summer }}."


def shown(mails: Mails) -> list[tuple[str, str]]:
    """Return the message and the code of each mail."""
    found = []
    for _, content in list(mails.accepted):
        name = re.search(rb"Message-ID: <([0-9a-f]{32})@", content)
        code = re.search(rb"Your code: (\S+)\.", content)
        assert name is not None
        assert code is not None
        found.append((name.group(1).decode(), code.group(1).decode()))
    return found


def stand(valkey: Path, some: list[Activation]) -> None:
    """Put into the server what workers read: the messages, their template, and who withdrew."""
    owner = RedisStore(f"unix://{valkey}")
    owner.own()
    owner.vouch()
    owner.close()
    with redis.Redis(unix_socket_path=str(valkey)) as server:
        files = {"templates/hi.email.liquid": TEMPLATE}
        server.set("workspace:v1", msgspec.msgpack.encode(files))
    stream = connect(f"valkey://{valkey}?name=activations", 1)
    stream.append(0, encode(some))
    stream.close()


def settings(valkey: Path, folder: Path, port: int, scheme: str = "valkey") -> Settings:
    email = {"url": f"smtp://127.0.0.1:{port}", "sender": "hello@shop.example"}
    return Settings(
        log=Log(f"{scheme}://{valkey}?name=log"),
        ledger=f"unix://{valkey}",
        deliveries=folder / "deliveries",
        channels={"email": email},
    )


def test_mails_of_workers_that_are_killed_show_a_code_each_and_none_twice(
    valkey: Path, tmp_path: Path
) -> None:
    now = time.time_ns() // 1_000_000
    some = [activation(n, channel="email", template="hi", decided=now) for n in range(SENDS)]
    mails, started = Mails(wait=0.01), list[subprocess.Popen[bytes]]()
    stand(valkey, some)
    folder = tmp_path / "deliveries"
    vouchers = Vouchers(folder)
    vouchers.add("summer", [f"S-{n}" for n in range(CODES)])
    with smtp_server(mails) as port:

        def start(slots: tuple[int, int]) -> subprocess.Popen[bytes]:
            own = msgspec.structs.replace(settings(valkey, tmp_path, port), slots=slots)
            started.append(part("workers", own, tmp_path / f"worker{len(started)}.log"))
            return started[-1]

        try:
            killed = [start(half) for half in HALVES]
            assert eventually(lambda: len(mails.accepted) >= 60)
            for worker in killed:
                worker.kill()
                worker.wait()
            assert len(mails.accepted) < SENDS, "they were killed in the middle"
            for half in HALVES:
                start(half)

            def settled() -> bool:
                states = summary(folder)["email"]
                return states.get("delivered", 0) + states.get("unknown", 0) == SENDS

            assert eventually(settled, pause_s=0.1), summary(folder)
        finally:
            for process in started:
                process.kill()
                process.wait()
    with closing(sqlite3.connect(folder / FILE)) as db:
        given = dict(db.execute("SELECT activation, code FROM code WHERE activation NOTNULL"))
    left = vouchers.stocks(now)[0].left
    vouchers.close()

    sent = shown(mails)
    assert len({code for _, code in sent}) == len(sent) == len({name for name, _ in sent})
    assert all(given[name] == code for name, code in sent)
    assert given.keys() == {a.id for a in some}, "each has one, and nobody else"
    assert left == CODES - SENDS
    assert 0 <= SENDS - len(sent) <= 2 * 24, "at most the calls that were open at a kill"


def test_a_replay_of_the_past_takes_no_code(valkey: Path, tmp_path: Path) -> None:
    stand(valkey, [activation(channel="email", template="hi")])
    mails = Mails()
    with closing(Vouchers(tmp_path / "deliveries")) as vouchers, smtp_server(mails) as port:
        vouchers.add("summer", ["S-1"])
        worker = part("workers", settings(valkey, tmp_path, port, "replayed"), tmp_path / "log")
        try:
            assert eventually(lambda: bool(mails.accepted))
        finally:
            worker.kill()
            worker.wait()
        [(_, code)] = shown(mails)
        assert code == EXAMPLE
        assert vouchers.stocks(1) == [Stock("summer", 1, 0, 0)]
