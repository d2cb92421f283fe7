"""One live line about a run: epoch, loss, validation, speed, time left. Plain lines where none is redrawn."""

import sys
import time
from typing import Any

from deltarule.training.live_lines import LiveLine, in_notebook, live_line

PLAIN_EVERY = 2.0  # seconds between plain lines
LIVE_AFTER = 0.3  # seconds before the live line appears; a shorter run is left in peace


class Progress:
    """Shows the rows of a run: in a notebook as one output of the cell, else on standard error.

    `wanted` None means only where the line can be redrawn: in a notebook, or a terminal.
    """

    def __init__(self, epochs: int, examples: int | None, wanted: bool | None):
        self.epochs, self.examples = epochs, examples
        self.redraws = in_notebook() or sys.stderr.isatty()
        self.wanted = self.redraws if wanted is None else wanted
        self.live: LiveLine | None = None
        self.shown = self.started = time.perf_counter()
        self.first = 0.0  # seconds of the first epoch, which holds the compiling
        self.waiting: dict[str, Any] | None = None  # the last row, while no plain line has told it

    def __enter__(self) -> "Progress":
        return self

    def show(self, row: dict[str, Any]) -> None:
        """Tells of an epoch, where it is time to."""
        if not self.wanted:
            return
        now = time.perf_counter()
        if row["epoch"] == 1:
            self.first = row["seconds"]
        if self.redraws:
            if self.live is None and now - self.started > LIVE_AFTER:
                self.live = live_line()
            if self.live is not None:
                self.live.update(self.text(row), self.share(row))
        elif row["epoch"] == 1 or now - self.shown > PLAIN_EVERY:
            self.shown, self.waiting = now, None
            print(self.text(row), file=sys.stderr, flush=True)
        else:
            self.waiting = row

    def share(self, row: dict[str, Any]) -> float:
        """How much of the run is over."""
        return row["epoch"] / self.epochs

    def text(self, row: dict[str, Any]) -> str:
        """The line for a row."""
        figures = [
            f"{name.replace('_', ' ')} {value:{',' if isinstance(value, int) else '.4g'}}"
            for name, value in row.items()
            if name not in ("epoch", "seconds", "watch")
        ]
        parts = [f"epoch {row['epoch']}/{self.epochs}", *figures]
        if row["epoch"] > 1:
            seconds = max(row["seconds"] - self.first, 1e-9) / (row["epoch"] - 1)
            if self.examples:
                parts.append(f"{self.examples / seconds:,.0f} examples/s")
            parts.append(f"{duration(seconds * (self.epochs - row['epoch']))} left")
        return "  ".join(parts)

    def __exit__(self, *error: Any) -> None:
        if self.live is not None:
            self.live.stop()
        if self.waiting is not None:
            print(self.text(self.waiting), file=sys.stderr, flush=True)


def duration(seconds: float) -> str:
    """Seconds as a person reads them.

    >>> duration(3.2), duration(75), duration(7300)
    ('3.2 s', '1 min 15 s', '2 h 1 min')
    """
    if seconds < 60:
        return f"{seconds:.1f} s"
    if seconds < 3600:
        return f"{int(seconds // 60)} min {int(seconds % 60)} s"
    return f"{int(seconds // 3600)} h {int(seconds % 3600 // 60)} min"
