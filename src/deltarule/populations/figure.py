"""The figure of a sweep: the validation loss of every member against each setting."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from deltarule.inspect.figures import HELD_OUT, TRAINING, Plain, drawn, label

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
            as_numbers(panel.xaxis)
        if numbers and len(set(values)) <= TICKS:
            few = sorted(set(values))
            panel.set_xticks(few, [f"{value:g}" for value in few])
            panel.minorticks_off()
        elif numbers and not spans(values):
            whole = all(isinstance(value, int) for value in values)
            panel.xaxis.set_major_locator(MaxNLocator(TICKS, integer=whole))
        panel.set_xlabel(label(name))
    panels[0].set_ylabel("validation loss")
    if spans([row["validation_loss"] for row in rows]):
        panels[0].set_yscale("log")  # of all, which share it
        as_numbers(panels[0].yaxis)
    return figure


def as_numbers(axis: Any) -> None:
    """Writes the numbers of a logarithmic axis as they are."""
    axis.set_major_formatter(Plain())
    axis.set_minor_formatter(Plain(minor_thresholds=(1, 0.5)))


def spans(values: Sequence[float]) -> bool:
    """Whether numbers are so far apart that their logarithms tell more."""
    return min(values, default=0) > 0 and max(values) >= 10 * min(values)
