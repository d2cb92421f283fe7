"""SIGINT and SIGTERM, taken note of until a run has been written down; the second one ends it at once."""

import signal
import threading
from types import FrameType
from typing import Any

TAKEN = (signal.SIGINT, signal.SIGTERM)


class Interrupted(KeyboardInterrupt):
    """A signal stopped a run between two steps, after a checkpoint; the message says how to go on.

    Attributes:
        status: what a process that ends with it is expected to return, 130 or 143.
    """

    def __init__(self, came: signal.Signals, how: str, failure: Exception | None = None):
        self.came, self.failure, self.status = came, failure, 128 + came
        lost = "" if failure is None else f", from the checkpoint before, because {failure}"
        super().__init__(f"{came.name} stopped the run; {how}{lost}")

    def but(self, how: str) -> "Interrupted":
        """The same, with another way to go on."""
        return Interrupted(self.came, how, self.failure)


class Signals:
    """In its `with`, in the main thread alone, `came` is the first signal that came, None while none has.

    A signal that is ignored stays so.
    """

    def __init__(self):
        self.came: signal.Signals | None = None
        self.before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> "Signals":
        if threading.current_thread() is threading.main_thread():
            taken = [number for number in TAKEN if signal.getsignal(number) not in (signal.SIG_IGN, None)]
            self.before = {number: signal.signal(number, self.note) for number in taken}
        return self

    def note(self, number: int, frame: FrameType | None) -> None:
        """Takes note of a signal; the next one does what it did before."""
        self.came = signal.Signals(number)
        self.restore()

    def restore(self) -> None:
        """Gives the signals back to whom they belonged."""
        for number, handler in self.before.items():
            signal.signal(number, handler)
        self.before = {}

    def __exit__(self, *error: Any) -> None:
        self.restore()
