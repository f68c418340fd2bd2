"""Child processes that do not outlive us, whatever ends us."""

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import IO

PR_SET_PDEATHSIG = 1  # prctl(2)


def _first(nice: int) -> Callable[[], None] | None:
    """Return what a child runs before its program: on Linux the kernel ends it after its parent."""
    if sys.platform != "linux":
        return partial(os.nice, nice) if nice else None
    prctl = ctypes.CDLL(None).prctl
    parent = os.getpid()

    def ask() -> None:
        prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
        if os.getppid() != parent:  # it died before we asked, and nobody would ever tell
            os._exit(1)
        os.nice(nice)

    return ask


def spawn(
    arguments: Sequence[str],
    *,
    output: IO[bytes] | int | None = None,
    env: Mapping[str, str] | None = None,
    keep: Sequence[int] = (),
    nice: int = 0,
) -> subprocess.Popen[bytes]:
    """Start a child in a session of its own: Ctrl-C reaches us alone, and we end it in order.

    On Linux the kernel ends it when the thread that called this ends, so call it from one that
    lives as long as the child shall.

    Args:
        arguments: the program and its arguments.
        output: where standard output and error go; None keeps ours.
        env: its environment; None gives it ours.
        keep: open file descriptors that it inherits.
        nice: by how much others go before it.
    """
    return subprocess.Popen(
        arguments,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        env=None if env is None else dict(env),
        start_new_session=True,
        pass_fds=tuple(keep),
        preexec_fn=_first(nice),  # noqa: PLW1509 - two system calls, no Python locks
    )


def end(process: subprocess.Popen[bytes], patience_s: float = 10) -> None:
    """Ask a child to end, and insist when it does not."""
    if process.poll() is not None:
        return
    process.terminate()
    try:
        process.wait(patience_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
