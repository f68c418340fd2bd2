"""What went on beside a run, without which a latency cannot be judged.

Who used the cores: each process of ours, everything else on the machine, the hypervisor.
And how the engine kept up: how many people waited to be written, how far the stored offset was
behind the log's newest entry, how full the log was.

A look costs about a millisecond of CPU, four times a second. How many people wait is what the
live flow last said of itself, which it does twice a second; a peak between two may be missed.
"""

import os
import time
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from types import TracebackType
from typing import NamedTuple, Self

import msgspec
import orjson
import redis

from benchmarks.bed import marked
from benchmarks.processes import GONE, MachineCpu, cpu_seconds, machine_cpu
from events.sources.valkey import SEQUENCE_BITS
from flows.open import open_log
from kairos.embedded.stack import Stack

PAUSE_S = 0.25  # between looks


class Look(NamedTuple):
    """One look; CPU in seconds so far."""

    at: float  # s since 1970
    cpu: Mapping[str, float]  # by process
    machine: MachineCpu
    pending: int  # people who wait to be written
    stored: float  # s since 1970; time of the log's entry up to which everything is stored
    newest: float  # the same, of the log's last entry
    fullness: float  # share of the log's room


class Beside(msgspec.Struct, frozen=True):
    """What went on during a run; CPU in cores, which is seconds of CPU a second of the run."""

    cpu: dict[str, float]  # by process of ours
    other: float  # all other processes, and the kernel itself
    stolen: float  # by the hypervisor, for other machines
    pending_max: int  # people who waited to be written
    lag_max_s: float  # how far the stored offset was behind the log's newest entry
    fullness_max: float  # of the log, 0 to 1


class Watch:
    """Looks at a stack again and again. Use it as a context manager.

    Args:
        stack: that runs.
        generator: pid of the load generator.
    """

    def __init__(self, stack: Stack, generator: int) -> None:
        self.looks: list[Look] = []
        self._pids = {name: child.process.pid for name, child in stack.children.items()}
        self._pids |= {"generator": generator, "bench": os.getpid()}
        self._settings = stack.settings

    def __enter__(self) -> Self:
        """Look for the first time."""
        self._opened = ExitStack()
        self._log = self._opened.enter_context(closing(open_log(self._settings.log)))
        ledger = redis.Redis.from_url(self._settings.ledger)
        self._ledger = self._opened.enter_context(closing(ledger))
        self.look()
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        """Give back the connections."""
        self._opened.close()

    def glance(self) -> None:
        """Look, if the last look is a while ago."""
        if time.time() - self.looks[-1].at >= PAUSE_S:
            self.look()

    def look(self) -> None:
        """Look now.

        Raises:
            RedisError: the ledger is away.
            LogUnavailableError: the log is away.
        """
        self.looks.append(
            Look(
                at=time.time(),
                cpu={name: self._cpu(name, pid) for name, pid in self._pids.items()},
                machine=machine_cpu(),
                pending=self._pending(),
                stored=_time(marked(self._ledger)),
                newest=_time(self._log.last(0)),
                fullness=self._log.fullness(),
            )
        )

    def _cpu(self, name: str, pid: int) -> float:
        try:
            return cpu_seconds(pid)
        except GONE:
            return self.looks[-1].cpu[name] if self.looks else 0.0

    def _pending(self) -> int:
        assert self._settings.status is not None
        said = orjson.loads((self._settings.status / "live.json").read_bytes())
        return int(said["pending"])


def _time(entry: int) -> float:
    return (entry >> SEQUENCE_BITS) / 1000


def beside(looks: Sequence[Look], first: float, last: float) -> Beside:
    """Sum up the looks from the one before `first` to the one after `last`.

    What lay in the log before `first` was stored, so the stored offset is never counted as
    farther behind than that.

    Args:
        looks: two or more, in order of time.
        first: s since 1970; when the run began.
        last: the same; when it ended.
    """
    at = [look.at for look in looks]
    during = looks[max(bisect_right(at, first) - 1, 0) : bisect_left(at, last) + 1]
    begin, end = during[0], during[-1]
    took = end.at - begin.at
    ours = {name: end.cpu[name] - begin.cpu[name] for name in end.cpu}
    return Beside(
        cpu={name: seconds / took for name, seconds in ours.items()},
        other=max(0.0, end.machine.used - begin.machine.used - sum(ours.values())) / took,
        stolen=(end.machine.stolen - begin.machine.stolen) / took,
        pending_max=max(look.pending for look in during),
        lag_max_s=max(0.0, *(look.newest - max(look.stored, first) for look in during)),
        fullness_max=max(look.fullness for look in during),
    )
