"""R9 and D13 with real processes: an engine that was replaced, and one that dies while timers wait."""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kairos.parts.base import REPLACED
from profile_state.write_behind import PERIOD_S
from tests.e2e.engines import Engines
from tests.e2e.stacks import eventually
from tests.shared import LONG

FROZEN_S = float(os.environ.get("KAIROS_FROZEN_S", "0.5"))  # 60 by hand
WAIT_S = 3
FILES = {
    "triggers/greeted.yaml": """
trigger: greeted
when: {event: signed_up}
reentry: always
do: [{send: {channels: [log]}}]
deliver: {purpose: product, quiet_hours: off}
""",
    "triggers/cart.yaml": f"""
trigger: cart
when: {{event: cart_updated, then_no: order_completed, within: {WAIT_S}s}}
do: [{{send: {{channels: [log]}}}}]
deliver: {{purpose: product, quiet_hours: off}}
""",
}


@contextmanager
def load(engines: Engines) -> Iterator[list[str]]:
    """People sign up all the time; yields who did."""
    users: list[str] = []
    done = threading.Event()

    def run() -> None:
        while not done.wait(0.003):
            user = f"u{len(users)}"
            engines.say(user, event="signed_up")
            users.append(user)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield users
    finally:
        done.set()
        thread.join()


def frozen(engine: subprocess.Popen[bytes]) -> None:
    os.kill(engine.pid, signal.SIGSTOP)


def goes_on(engine: subprocess.Popen[bytes]) -> None:
    os.kill(engine.pid, signal.SIGCONT)


@LONG
def test_r9_an_engine_that_wakes_after_it_was_replaced_ends_and_changes_nothing(
    tmp_path: Path,
) -> None:
    with Engines(tmp_path, FILES) as engines:
        first = engines.start()
        with load(engines) as users:
            assert eventually(lambda: len(engines.decided) > 20)
            frozen(first)  # in the middle of reading, deciding and writing
            time.sleep(FROZEN_S)
            second = engines.start()
            before = len(users)
            assert eventually(lambda: engines.counted("applied") > before)
            goes_on(first)
            assert first.wait(10) == REPLACED, engines.said(first)
            assert "another engine owns the partition" in engines.said(first)
        assert eventually(lambda: engines.counted("applied") == len(users))
        assert set(engines.whom().values()) == {1}
        assert len(engines.whom()) == len(users)

        # With nothing else going on, whatever changes was changed by the one that was replaced:
        # it has people to write, and a timer that its successor fired.
        engines.say("ana", event="cart_updated", cart_id="c1")
        assert eventually(lambda: engines.position(second) == engines.log.last(0))
        frozen(second)
        time.sleep(max(FROZEN_S, WAIT_S))
        third = engines.start()
        assert eventually(lambda: len(engines.whom()) == len(users) + 1)
        assert eventually(lambda: engines.counted("applied") == len(users) + 1)
        assert eventually(lambda: engines.stored(third) == engines.log.last(0))
        held = engines.held()
        goes_on(second)
        assert second.wait(10) == REPLACED, engines.said(second)
        assert engines.held() == held
        assert third.poll() is None, engines.said(third)
        assert engines.counted("entered:greeted") == len(users)


def test_d13_timers_of_an_engine_that_was_killed_fire_once_after_it_comes_back(
    tmp_path: Path,
) -> None:
    with Engines(tmp_path, FILES) as engines:
        engine = engines.start()
        time.sleep(PERIOD_S)  # since the workspace was written: so the next is written at once
        written = [f"w{n}" for n in range(40)]  # the ledger has them when the engine dies
        engines.say(*written, event="cart_updated", cart_id="c")
        assert eventually(lambda: engines.ledger.zcard("due:{p0}") == len(written))
        unwritten = [f"n{n}" for n in range(40)]  # of these only the log knows
        engines.say(*unwritten, event="cart_updated", cart_id="c")
        started = time.monotonic()
        engines.say(*written[:5], event="order_completed")
        assert eventually(lambda: engines.position(engine) == engines.log.last(0))
        engine.kill()
        assert engine.wait() == -signal.SIGKILL
        assert not engines.decided, "it died while they waited"
        time.sleep(max(0.0, WAIT_S + 0.5 - (time.monotonic() - started)))

        engine = engines.start()
        engine.kill()  # once more, somewhere between reading on and firing
        engine.wait()
        engine = engines.start()
        waiting = len(written) - 5 + len(unwritten)
        assert eventually(lambda: len(engines.whom()) == waiting)
        assert eventually(lambda: engines.ledger.zcard("due:{p0}") == 0)
        time.sleep(0.5)  # what fires twice fires now
        assert set(engines.whom().values()) == {1}
        assert engines.counted("entered:cart") == waiting
