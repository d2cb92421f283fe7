"""The figure of a sweep: the validation loss of every member against each setting."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatter, MaxNLocator

from deltarule.inspect.figures import HELD_OUT, TRAINING, drawn, label

if TYPE_CHECKING:
    from deltarule.populations.result import Result

COLUMNS, TICKS = 3, 4


@drawn
def against_settings(result: "Result") -> Figure:
    """A panel for each setting; the best member is marked."""
    names = [name for name in result.names if len({repr(row[name]) for row in result.rows}) > 1]
    rows = [row for row in result.rows if np.isfinite(row["validation_loss"])]
    best = min(rows, key=lambda row: row["validation_loss"], default=None)
    columns = min(COLUMNS, max(1, len(names)))
    lines = -(-max(1, len(names)) // columns)
    figure = Figure(figsize=(3.2 * columns, 2.6 * lines), layout="constrained")
    panels = figure.subplots(lines, columns, squeeze=False, sharey=True).ravel()
    for panel in panels[len(names) :]:
        panel.set_visible(False)
    for panel, name in zip(panels, names, strict=False):
        values = [row[name] for row in rows]
        numbers = all(isinstance(value, (int, float)) for value in values)
        places = dict.fromkeys(map(str, values))
        at = values if numbers else [list(places).index(str(value)) for value in values]
        panel.plot(at, [row["validation_loss"] for row in rows], "o", color=TRAINING, markersize=3, alpha=0.6)
        if best is not None:
            panel.plot(at[rows.index(best)], best["validation_loss"], "o", color=HELD_OUT, markersize=7)
        if not numbers:
            panel.set_xticks(range(len(places)), [label(place) for place in places])
        elif spans(values):
            panel.set_xscale("log")
            panel.xaxis.set_major_formatter(LogFormatter())
        else:
            panel.xaxis.set_major_locator(
                MaxNLocator(TICKS, integer=all(isinstance(value, int) for value in values))
            )
        panel.set_xlabel(label(name))
    panels[0].set_ylabel("validation loss")
    if spans([row["validation_loss"] for row in rows]):
        panels[0].set_yscale("log")  # of all, which share it
        panels[0].yaxis.set_major_formatter(LogFormatter())
    return figure


def spans(values: Sequence[float]) -> bool:
    """Whether numbers are so far apart that their logarithms tell more."""
    return min(values, default=0) > 0 and max(values) >= 10 * min(values)
