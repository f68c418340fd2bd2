"""Dies at a named place: Python imports this at the start of every process of a tortured stack.

A file in TORTURE_POINTS, named after the part, says where: `MODULE FUNCTION call|return NTH`. Who
finds it there at the start, or is sent SIGUSR1 later, watches every call of a Python function, and
kills itself upon that one. Calls of a coroutine are its start and each time that it goes on; its
returns are each time that it waits, and its end. A signal reaches the main thread alone.
"""

import os
import signal
import sys
import threading
from types import FrameType
from typing import Any


def _arm(folder: str, part: str) -> None:
    path = f"{folder}/{part}"
    if not os.path.exists(path):  # noqa: PTH110 - what is imported here is imported everywhere
        return
    with open(path, encoding="utf-8") as file:  # noqa: PTH123 - the same
        module, function, event, nth = file.read().split()
    left = int(nth)

    def watch(frame: FrameType, happened: str, _: Any) -> None:
        nonlocal left
        if happened != event or frame.f_code.co_qualname != function:
            return
        if frame.f_globals.get("__name__") != module:
            return
        left -= 1
        if left == 0:
            os.rename(path, f"{path}.hit")  # noqa: PTH104 - the same
            os.kill(os.getpid(), signal.SIGKILL)

    threading.setprofile(watch)
    sys.setprofile(watch)


def _listen(folder: str, part: str) -> None:
    signal.signal(signal.SIGUSR1, lambda *_: _arm(folder, part))
    _arm(folder, part)


if "TORTURE_POINTS" in os.environ:
    _listen(os.environ["TORTURE_POINTS"], sys.orig_argv[-1])
