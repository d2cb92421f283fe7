"""Lines that are redrawn in place: by rich or a carriage return in a terminal, as one output in a notebook."""

import sys
import time
from html import escape
from typing import Any, Protocol

EVERY = 0.1  # seconds between two states of a notebook's line


class LiveLine(Protocol):
    """A line that is redrawn until it stops; `share` of the whole, from 0 to 1, is over, or None is not known."""

    def update(self, text: str, share: float | None = None) -> None: ...

    def stop(self) -> None: ...


def live_line() -> LiveLine:
    """The line for where this runs."""
    if in_notebook():
        return NotebookLine()
    try:
        return RichLine()
    except ImportError:
        return PlainLine()


def in_notebook() -> bool:
    """Whether a notebook's kernel runs this: Jupyter's, VS Code's or Colab's."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return getattr(shell, "kernel", None) is not None


class RichLine:
    """A line that rich redraws in place; raises ImportError where it is not installed."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.live import Live

        self.live = Live(console=Console(stderr=True), refresh_per_second=8)
        self.live.start()

    def update(self, text: str, share: float | None = None) -> None:
        self.live.update(text)

    def stop(self) -> None:
        self.live.stop()


class PlainLine:
    """A line redrawn in place without rich."""

    def update(self, text: str, share: float | None = None) -> None:
        print(f"\r{text}\x1b[K", end="", file=sys.stderr, flush=True)

    def stop(self) -> None:
        print(file=sys.stderr)


class NotebookLine:
    """A bar and its line as one output of the cell, replaced every `EVERY` seconds at most, and at the end."""

    def __init__(self) -> None:
        self.handle: Any = None
        self.waiting: tuple[str, float | None] | None = None
        self.shown = 0.0

    def update(self, text: str, share: float | None = None) -> None:
        self.waiting = text, share
        if time.perf_counter() - self.shown >= EVERY:
            self.draw()

    def draw(self) -> None:
        """Shows what waits."""
        from IPython.display import display

        if self.waiting is None:
            return
        text, share = self.waiting
        bar = "" if share is None else f'<progress value="{share:.4f}" max="1"></progress>  '
        style = "font-family: monospace; white-space: pre-wrap"
        seen = {"text/plain": text, "text/html": f'<div style="{style}">{bar}{escape(text)}</div>'}
        if self.handle is None:
            self.handle = display(seen, raw=True, display_id=True)
        else:
            self.handle.update(seen, raw=True)
        self.waiting, self.shown = None, time.perf_counter()

    def stop(self) -> None:
        self.draw()
