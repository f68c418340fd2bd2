"""R17 and R19 with real processes: poison does not hold up who comes after it, nor a trigger that fails the others, whatever is killed meanwhile."""

import json
import os
import signal
import sys
import time
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import redis

from channels.delivery.beside import summary
from kairos.commands.dlq import list_, replay
from kairos.commands.doctor import command as doctor
from kairos.commands.triggers import command as triggers
from kairos.embedded.stack import Stack
from kairos.figures import Gauge
from tests.e2e.stacks import eventually, post, server_key, watched, workspace
from tests.shop import WORKSPACE
from triggers import activation
from triggers.activation import Activation
from triggers.failing import MOST

THANKED = """
trigger: thanked
when: {event: order_completed}
reentry: always
do: [{send: {channels: [log]}}]
deliver: {purpose: product, quiet_hours: off}
"""
LARGE = "segment: large\nif: ['share(order_completed.total) < 5']\n"
MENDED = "segment: large\nif: ['last(order_completed.total) > 20']\n"
FILES = {
    "workspace.yaml": WORKSPACE,
    "segments/large.yaml": LARGE,
    "triggers/thanked.yaml": THANKED,
}
FAULTY = {"live": [sys.executable, "-m", "tests.extension.live"]}
USERS = 20
KILLED_AFTER_S = (0.02, 0.1)  # before all of it is read, and in the middle


def order(user: str, n: int, total: int) -> dict[str, Any]:
    name = f"{user}-{n}"
    properties = {"total": total, "order": name}
    return {
        "type": "track",
        "event": "Order Completed",
        "userId": user,
        "messageId": name,
        "properties": properties,
    }


def accepted(stack: Stack, key: str, calls: list[dict[str, Any]]) -> bool:
    """Send; whether it is kept: the door may refuse while an engine that was killed is behind."""
    return post(stack, key, calls).status_code == 200


def decided(ledger: Any) -> list[Activation]:
    found: Any = ledger.xrange("activations:{p0}")
    return [one for _, fields in found for one in activation.decode(fields[b"r"])]


def counted(ledger: Any, name: str) -> int:
    return int(ledger.hget("counts:{p0}", name) or 0)


def serves(stack: Stack, old: int) -> bool:
    """Whether another engine than `old` is ready."""
    with suppress(FileNotFoundError):  # the stack takes the old one's away
        said = json.loads((stack.temp / "status" / "live.json").read_bytes())
        return bool(said["pid"] != old)
    return False


def test_r17_who_comes_after_poison_is_served_within_a_second_and_kills_double_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, folder = tmp_path / "data", workspace(tmp_path / "workspace", FILES)
    key = server_key(data)
    with (
        Stack(data, folder, programs=FAULTY) as stack,
        watched(stack),
        redis.Redis.from_url(stack.settings.ledger) as ledger,
    ):
        post(stack, key, [order(f"u{n}", 0, 10) for n in range(USERS)])
        assert eventually(lambda: len(decided(ledger)) == USERS)
        # Poison and a good event of the same person, in one entry and in two.
        waited = []
        for n in range(1, 6):
            started, before = time.monotonic(), len(decided(ledger))
            calls = [order("u0", 10 * n, 0), order("u0", 10 * n + 1, 10)]
            for part in (calls,) if n % 2 else ([calls[0]], [calls[1]]):
                assert post(stack, key, part).status_code == 200
            assert eventually(lambda b=before: len(decided(ledger)) > b)  # type: ignore[misc]
            waited.append(time.monotonic() - started)
        assert max(waited) < 1, f"served again after {max(waited):.2f} s"

        for nth, pause_s in enumerate(KILLED_AFTER_S):
            engine = stack.children["live"].process.pid
            calls = [
                order(f"u{u}", 100 + 2 * nth + k, 10 * k) for u in range(USERS) for k in (0, 1)
            ]
            assert eventually(partial(accepted, stack, key, calls), pause_s=0.2)
            time.sleep(pause_s)
            os.kill(engine, signal.SIGKILL)
            assert eventually(lambda old=engine: serves(stack, old))  # type: ignore[misc]
        poison = 5 + len(KILLED_AFTER_S) * USERS
        good = USERS + poison
        assert eventually(lambda: ledger.hlen("dead:{p0}") >= poison)
        assert eventually(lambda: counted(ledger, "applied") >= good)
        assert ledger.hlen("dead:{p0}") == poison
        assert counted(ledger, "applied") == counted(ledger, "entered:thanked") == good
        assert counted(ledger, "duplicate") == 0
        assert eventually(
            lambda: summary(data / "deliveries") == {"log": {"delivered": good}}, pause_s=0.2
        )
        list_(data=data, json=True)
        told = json.loads(capsys.readouterr().out.splitlines()[-1])
        assert told["by_code"] == {"poison": poison}

        # Somebody mends the rule, and replays them.
        workspace(folder, {"segments/large.yaml": MENDED})
        engine = stack.children["live"].process.pid
        os.kill(engine, signal.SIGTERM)
        assert eventually(lambda: serves(stack, engine))
        replay(code="poison", data=data, json=True)
        assert eventually(lambda: counted(ledger, "applied") == good + poison)
        assert ledger.hlen("dead:{p0}") == 0
        everything = {"log": {"delivered": good + poison}}
        assert eventually(lambda: summary(data / "deliveries") == everything, pause_s=0.2)
    alarms = (data / "live.log").read_text()
    assert '"event": "an event cannot be applied, it waits among the dead letters"' in alarms
    assert "ZeroDivisionError" in alarms


def test_r19_a_trigger_that_fails_is_paused_through_kills_and_resumed_by_an_edit(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    faulty = THANKED.replace("trigger: thanked", "trigger: faulty") + (
        "if: ['share(order_completed.total) < 50']\n"
    )
    mended = faulty.replace("share(order_completed.total) < 50", "last(order_completed.total) >= 0")
    files = {
        "workspace.yaml": WORKSPACE,
        "triggers/thanked.yaml": THANKED,
        "triggers/faulty.yaml": faulty,
    }
    data, folder = tmp_path / "data", workspace(tmp_path / "workspace", files)
    key = server_key(data)

    def killed(stack: Stack) -> None:
        engine = stack.children["live"].process.pid
        os.kill(engine, signal.SIGKILL)
        assert eventually(lambda: serves(stack, engine))

    with (
        Stack(data, folder, programs=FAULTY) as stack,
        watched(stack),
        redis.Redis.from_url(stack.settings.ledger) as ledger,
    ):

        def all_went_on(orders: int, entered: int) -> bool:
            return eventually(lambda: counted(ledger, "entered:thanked") == orders) and eventually(
                lambda: counted(ledger, "entered:faulty") == entered
            )

        post(stack, key, [order(f"u{n}", 0, 0) for n in range(MOST - 1)])
        post(stack, key, [order("ana", 0, 10)])
        assert all_went_on(MOST, 1)
        killed(stack)
        post(
            stack, key, [order("ana", 1, 0)]
        )  # the fiftieth, told apart from those before the kill
        assert eventually(lambda: bool(Gauge(stack.settings).read().paused))
        killed(stack)
        post(stack, key, [order(f"u{n}", 1, 10) for n in range(MOST)])
        assert all_went_on(2 * MOST + 1, 1)
        assert counted(ledger, "failed:faulty:error") == MOST
        assert ledger.hlen("dead:{p0}") == 0
        assert counted(ledger, "applied") == 2 * MOST + 1

        assert triggers("faulty", data=data, json=True) == 0
        told = json.loads(capsys.readouterr().out.splitlines()[-1])["faulty"]
        assert told["failed"] == {"error": MOST}
        assert told["paused"].startswith("ZeroDivisionError in ")
        doctor(data=data, json=True)
        found = json.loads(capsys.readouterr().out.splitlines()[-1])["findings"]
        [paused] = [one for one in found if one["what"] == "paused trigger"]
        assert paused["state"] == "warning"
        assert paused["found"].startswith("faulty failed 50 times within a minute, last with Zero")

        workspace(folder, {"triggers/faulty.yaml": mended})
        killed(stack)
        post(stack, key, [order("ana", 2, 10)])
        assert all_went_on(2 * MOST + 2, 2)
        assert not Gauge(stack.settings).read().paused
    alarms = (data / "live.log").read_text()
    assert alarms.count('"a trigger failed 50 times within a minute and is paused"') == 1
