"""The core needs no clock, no chance and no I/O: it decides the same with all of them torn out."""

import subprocess
import sys

SCRIPT = """
import builtins, io, os, random, secrets, socket, sys, time, uuid

def torn(module, name):
    def gone(*args, **kwargs):
        raise AssertionError(f"the core called {module.__name__}.{name}")
    return gone

from profile_state import hashes
from tests.flows.test_crashes import FILES, history
from tests.flows.test_models_again import MODELLED
from tests.shop import ADDRESSES
from tests.triggers.orders import twelve
from triggers import activation, core
from triggers.load import load
from triggers.state import State
from events.record import Sweep, Tick, Version

entries = [(at, list(events)) for at, events in history(7)]
entries.insert(0, (entries[0][0], [Version("v", FILES, "2026.1")]))
entries.insert(90, (entries[90][0], twelve(3)))
entries.insert(120, (entries[120][0], [Version("w", {**MODELLED, "segments/late.yaml":
    "segment: late\\nif: since(product_viewed) > 1h"}, "2026.1")]))
entries.insert(121, (entries[121][0], [Sweep(0, 4095)]))
last = entries[-1][0]
entries += [(last + n * 3_600_000, [Tick(last + n * 3_600_000)]) for n in range(40)]

# What code and which time zones there are is found out once, with the first workspace.
load({"workspace.yaml": "workspace: w\\n", "segments/s.yaml": "segment: s\\nif: count(x) > 1"}, {})
if sys.argv[1] == "torn":
    for module in (time, random, secrets, uuid):
        for name, value in list(vars(module).items()):
            if callable(value) and not isinstance(value, type) and not name.startswith("_"):
                setattr(module, name, torn(module, name))
    for module, name in ((os, "urandom"), (os, "getpid"), (builtins, "open"), (io, "open"),
                         (os, "open"), (os, "scandir"), (os, "stat"), (socket, "socket")):
        setattr(module, name, torn(module, name))

state, sent = State(0), []
for nth, (instant, records) in enumerate(entries):
    batch = core.Batch(nth, instant, records)
    while wanted := core.needs(state, [batch]):
        state.index.update(dict.fromkeys(wanted.identifiers))
        state.loaded |= wanted.sweeps
        state.foresee([], max(wanted.horizon, state.dues.horizon))  # everybody is in memory
    work = core.step(state, [batch], ADDRESSES)
    sent += [one.id for one in work.activations]
assert len(sent) > 20 and len(state.people) > 5, (len(sent), len(state.people))
people = state.people.values()
print(hashes.facts(people, state.workspace.slots, state.now), hashes.decisions(people), *sent)
"""


def run(how: str, seed: str) -> str:
    ran = subprocess.run(
        [sys.executable, "-c", SCRIPT, how],
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": ".", "PYTHONHASHSEED": seed},
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def test_the_core_decides_the_same_without_clock_chance_and_io() -> None:
    assert run("torn", "1") == run("whole", "2")
