"""What a request to end does, which depends on how far we are."""

import signal
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Self

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Signals:
    """Takes the signals that ask us to end, and calls `then`. Use it as a context manager.

    At first `then` is KeyboardInterrupt, once: what has started unwinds, and a second signal
    cannot leave half of it running. The handlers stay the same all the time, so there is no
    moment in which a signal would simply end us.
    """

    def __init__(self) -> None:
        self.then: Callable[[], None] = self._interrupt
        self._interrupted = False

    def __enter__(self) -> Self:
        """Take the signals."""
        self._before = {number: signal.signal(number, self._take) for number in SIGNALS}
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        """Give them back."""
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def ignore(self) -> None:
        """Let nothing disturb the end."""
        self.then = _nothing

    def _take(self, _number: int, _frame: FrameType | None) -> None:
        self.then()

    def check(self) -> None:
        """Interrupt again where a first interrupt was lost.

        Python drops an exception that a handler raises inside a finaliser or a callback of the
        garbage collector; asked once more at a quiet place, it counts.
        """
        if self._interrupted:
            raise KeyboardInterrupt

    def _interrupt(self) -> None:
        self.ignore()
        self._interrupted = True
        raise KeyboardInterrupt


def _nothing() -> None:
    """Do nothing."""
