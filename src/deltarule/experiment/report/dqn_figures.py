"""The figures of agents: of one run over its steps, an agent a thin line; of several runs, over their seeds."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, MaxNLocator

from deltarule.dqn.returns import Summary, summary
from deltarule.inspect.figures import HELD_OUT, TRAINING, WRONG, Plain, drawn, label
from deltarule.training.history import Row

Line = tuple[list[int], list[float]]  # steps, values


def line(rows: Sequence[Row], name: str) -> Line:
    """A figure over the steps, where there is one."""
    found = [(row["steps"], row[name]) for row in rows if row.get(name) is not None]
    return [step for step, _ in found], [value for _, value in found]


def mean_line(agents: Sequence[Sequence[Row]], name: str) -> Line:
    """The mean over the agents that have the figure at a step."""
    found = by_step(agents, name)
    return sorted(found), [float(np.mean(found[step])) for step in sorted(found)]


def by_step(agents: Sequence[Sequence[Row]], name: str) -> dict[int, list[float]]:
    """A figure at each step, of the agents that have it there."""
    found: dict[int, list[float]] = {}
    for rows in agents:
        for step, value in zip(*line(rows, name), strict=True):
            found.setdefault(step, []).append(value)
    return found


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
    if name == "loss":
        scale(panel, values)
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
    for name, (text, colour, style) in shown.items():
        if len(agents) > 1 and name != "promised_double":
            for rows in agents:
                panel.plot(*line(rows, name), color=colour, linewidth=0.8, alpha=0.3)
        panel.plot(
            *mean_line(agents, name), style, color=colour, linewidth=2, marker="o", markersize=3, label=text
        )
    panel.legend(frameon=False)
    return figure


def scale(panel, values: Sequence[float]) -> None:
    """Puts losses that are positive and far apart on a logarithmic scale."""
    if values and min(values) > 0 and max(values) > 20 * min(values):
        panel.set_yscale("log")
        panel.yaxis.set_major_formatter(Plain())
        panel.yaxis.set_minor_formatter(Plain(minor_thresholds=(2, 0.5)))


def over_seeds(agents: Sequence[Sequence[Row]], name: str) -> tuple[list[int], list[Summary]]:
    """(steps, a figure's summary over the agents that have it then)."""
    found = by_step(agents, name)
    return sorted(found), [summary(found[step]) for step in sorted(found)]


@drawn
def over_runs(runs: Sequence[tuple[str, str, Sequence[Sequence[Row]]]], name: str, title: str) -> Figure:
    """One figure over the steps of each run, (label, colour, agents): over seeds, with the interval as a band."""
    figure, panel = panel_of(title)
    values = []
    for text, colour, agents in runs:
        steps, told = over_seeds(agents, name)
        middle = [each.interquartile_mean for each in told]
        panel.plot(steps, middle, color=colour, linewidth=1.8, label=label(text))
        if len(agents) > 1:
            low, high = [each.low for each in told], [each.high for each in told]
            panel.fill_between(steps, low, high, color=colour, alpha=0.18, linewidth=0)
        values += middle
    if name == "loss":
        scale(panel, values)
    panel.legend(frameon=False, fontsize=8)
    return figure


@drawn
def returns(runs: Sequence[tuple[str, str, dict[str, Any], Sequence[float]]]) -> Figure:
    """The mean returns of each run's seeds, (label, colour, summary, returns), and what they come to."""
    figure = Figure(figsize=(6.4, 0.7 + 0.42 * len(runs)), layout="constrained")
    panel = figure.subplots()
    for place, (_, colour, told, values) in enumerate(runs):
        panel.plot(values, [place] * len(values), "o", color=colour, markersize=4, alpha=0.5)
        panel.plot([told["interquartile_mean"]], [place], "|", color=colour, markersize=16, markeredgewidth=3)
        if told["interval"]:
            panel.plot(told["interval"], [place, place], color=colour, linewidth=2)
    panel.set_yticks(range(len(runs)), [label(text) for text, *_ in runs])
    panel.set_ylim(len(runs) - 0.5, -0.5)
    panel.set_title("return of the greedy policy", loc="left")
    panel.spines[["top", "right"]].set_visible(False)
    panel.grid(axis="x", alpha=0.25)
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
