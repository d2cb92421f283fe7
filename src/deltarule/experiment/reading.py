"""How far the reading of many files has come, on standard error: one live line, or plain lines now and then."""

import sys
import time
from typing import Any

from deltarule.training.live_lines import LiveLine, in_notebook, live_line
from deltarule.training.progress import LIVE_AFTER, PLAIN_EVERY


class Reading:
    """Shows a line about the reading once it takes long; `wanted` None means only where it can be redrawn."""

    def __init__(self, wanted: bool | None):
        self.redraws = in_notebook() or sys.stderr.isatty()
        self.wanted = self.redraws if wanted is None else wanted
        self.live: LiveLine | None = None
        self.shown = time.perf_counter()
        self.text = ""

    def __enter__(self) -> "Reading":
        return self

    def show(self, text: str) -> None:
        """Tells it, where it is time to."""
        now, self.text = time.perf_counter(), text
        if not self.wanted or now - self.shown < (LIVE_AFTER if self.redraws else PLAIN_EVERY):
            return
        self.shown = now
        if not self.redraws:
            print(text, file=sys.stderr, flush=True)
            return
        self.live = self.live or live_line()
        self.live.update(text)

    def __exit__(self, *error: Any) -> None:
        if self.live is not None:
            self.live.update(self.text)
            self.live.stop()
