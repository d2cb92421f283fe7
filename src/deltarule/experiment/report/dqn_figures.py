"""The figures of agents in training over their steps: one thin line an agent, and a thick one for their mean."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, MaxNLocator

from deltarule.inspect.figures import HELD_OUT, TRAINING, WRONG, Plain, drawn
from deltarule.training.history import Row

Line = tuple[list[int], list[float]]  # steps, values


def line(rows: Sequence[Row], name: str) -> Line:
    """A figure over the steps, where there is one."""
    found = [(row["steps"], row[name]) for row in rows if row.get(name) is not None]
    return [step for step, _ in found], [value for _, value in found]


def mean_line(agents: Sequence[Sequence[Row]], name: str) -> Line:
    """The mean over the agents that have the figure at a step."""
    found: dict[int, list[float]] = {}
    for rows in agents:
        for step, value in zip(*line(rows, name), strict=True):
            found.setdefault(step, []).append(value)
    return sorted(found), [float(np.mean(found[step])) for step in sorted(found)]


@drawn
def of_agents(agents: Sequence[Sequence[Row]], name: str, title: str, colour: str = TRAINING) -> Figure:
    """One figure over the steps, of each agent and of their mean."""
    figure, panel = panel_of(title)
    marker = {"marker": "o", "markersize": 3}
    many = len(agents) > 1
    few = len(line(agents[0], name)[0]) <= 20
    for rows in agents if many else ():
        panel.plot(*line(rows, name), color=colour, linewidth=0.8, alpha=0.4)
    panel.plot(*mean_line(agents, name), color=colour, linewidth=2, **(marker if few else {}))
    values = [value for rows in agents for value in line(rows, name)[1]]
    if name == "loss" and values and min(values) > 0 and max(values) > 20 * min(values):
        panel.set_yscale("log")
        panel.yaxis.set_major_formatter(Plain())
        panel.yaxis.set_minor_formatter(Plain(minor_thresholds=(2, 0.5)))
    elif name == "epsilon":
        panel.set_ylim(0, 1.03 * max([*values, 0.05]))
    return figure


@drawn
def promises(agents: Sequence[Sequence[Row]]) -> Figure:
    """What Q promised at the starts of episodes, by the maximum and by Double's estimate, and what came."""
    figure, panel = panel_of("value of a start", wide=True)
    shown = {
        "promised": ("promised by the maximum", WRONG, "-"),
        "promised_double": ("promised by Double's estimate", HELD_OUT, "--"),
        "came": ("came", TRAINING, "-"),
    }
    for name, (label, colour, style) in shown.items():
        if len(agents) > 1 and name != "promised_double":
            for rows in agents:
                panel.plot(*line(rows, name), color=colour, linewidth=0.8, alpha=0.3)
        panel.plot(
            *mean_line(agents, name), style, color=colour, linewidth=2, marker="o", markersize=3, label=label
        )
    panel.legend(frameon=False)
    return figure


def panel_of(title: str, wide: bool = False):
    """An empty figure over steps."""
    figure = Figure(figsize=(6.4, 3.4) if wide else (4.2, 2.9), layout="constrained")
    panel = figure.subplots()
    panel.set_title(title, loc="left")
    panel.set_xlabel("steps of the environment")
    panel.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    panel.xaxis.set_major_formatter(EngFormatter(sep="\u202f"))
    panel.spines[["top", "right"]].set_visible(False)
    panel.grid(alpha=0.25)
    return figure, panel
