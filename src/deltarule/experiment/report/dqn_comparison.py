"""Several runs of agents side by side on one page: returns over seeds, curves over each other, what differs."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from deltarule.dqn.agent_state import batch_shape
from deltarule.experiment.report.comparison import COLOURS, labels, layers, not_alike, settings
from deltarule.experiment.report.dqn import AGENT, read_agent, rows_of
from deltarule.experiment.report.dqn_figures import over_runs, returns
from deltarule.experiment.run_folder import RECORD, read_record
from deltarule.inspect.drawing import drawing
from deltarule.inspect.html import Html, joined, number, table, tag
from deltarule.inspect.page import Section
from deltarule.inspect.page import report as page
from deltarule.training.history import Row

CURVES = {  # of metrics.jsonl: (title, caption)
    "evaluated": ("return of the greedy policy", "Mean returns of episodes without exploring."),
    "return": ("return while exploring", "Mean returns of the episodes that ended since the last point."),
    "excess": ("promised beyond what came", "How much more Q promised at the starts of episodes than came."),
    "loss": ("loss", "Mean losses of the gradient steps since the last point."),
}


class Learned(NamedTuple):
    """A run: its record, its agents' rows, and its network."""

    folder: Path
    record: dict[str, Any]
    agents: list[list[Row]]
    network: str | None

    @property
    def returns(self) -> dict[int, float]:
        """The mean return of each seed's greedy policy, where it was measured at the end."""
        return {row["seed"]: row["return"] for row in self.record["seeds"] if "return" in row}


def read_learned(folder: Path) -> Learned:
    """The run in a folder; raises FileError where a file of it is damaged."""
    agents = [
        [{**row, "excess": row["promised"] - row["came"]} if "promised" in row else row for row in rows]
        for rows in rows_of(folder)
    ]
    network = None
    if (folder / AGENT).exists():
        step, rules, observation = read_agent(folder)
        network = layers(step.net, batch_shape(rules, observation, 2)[1:])
    return Learned(folder, read_record(folder / RECORD), agents, network)


def comparison(runs: Sequence[Learned]) -> bytes:
    """The page of at least two runs.

    Raises:
        SettingError: more runs than colours, or one run twice.
    """
    names = labels([run.folder for run in runs])
    sections = [
        Section.of("returns", "Returns over seeds", *results(runs, names)),
        Section.of("settings", "Settings that differ", settings(differing(runs), names)),
        Section.of("curves", "Learning", *curves(runs, names)),
    ]
    return page(f"{len(runs)} runs of agents compared", lead(runs, names), sections, "Written by Deltarule.")


def differing(runs: Sequence[Learned]) -> dict[str, list[Any]]:
    """The values of each setting in which two runs differ, by its name."""
    told = ("environment", "steps", "seeds", "path")
    return not_alike(
        [
            {
                **{name: run.record["summary"][name] for name in told},
                "seed": run.record["seeds"][0]["seed"],
                "network": run.network,
                **run.record["settings"],
            }
            for run in runs
        ]
    )


def lead(runs: Sequence[Learned], names: Sequence[str]) -> str:
    """Which run came out best, where all played one game to the end, and whose interval its own overlaps."""
    summaries = [run.record["summary"] for run in runs]
    if len({summary["environment"] for summary in summaries}) > 1:
        return "The runs are of different environments, so that their returns cannot be set against each other."
    if not all(run.returns for run in runs):
        return "Not every run came to its end, so that not all can be compared by their returns."
    best = max(summaries, key=lambda summary: summary["interquartile_mean"])
    said = (
        f"The highest interquartile mean of returns over seeds is {number(best['interquartile_mean'])}, of "
        f"{names[summaries.index(best)]}."
    )
    others = [(n, s["interval"]) for n, s in zip(names, summaries, strict=True) if s is not best]
    if best["interval"] is None or any(interval is None for _, interval in others):
        return (
            f"{said} Of a run with one seed there is no interval; several seeds tell how far it could be chance."
        )
    over = [name for name, interval in others if interval[1] >= best["interval"][0]]
    return f"{said} Its 95 % interval " + (
        f"overlaps with that of {', '.join(over)}." if over else "lies above those of the others."
    )


def results(runs: Sequence[Learned], names: Sequence[str]) -> list[Html]:
    """The returns as a figure, the figures of the end, and the table of returns per seed."""
    head = ["run", "seeds", "interquartile mean", "95 % interval", "mean", "steps of an agent", "seconds"]
    rows = [
        [
            name,
            summary["seeds"],
            summary.get("interquartile_mean"),
            " – ".join(map(number, summary.get("interval") or ())) or None,
            *(summary.get(each) for each in ("mean", "steps", "seconds")),
        ]
        for name, summary in zip(names, (run.record["summary"] for run in runs), strict=True)
    ]
    told = (
        "The interquartile mean leaves out the lowest and the highest quarter of the seeds; its interval is by "
        "the bootstrap over seeds."
    )
    found = [table("The figures of the end", head, rows), tag("p", told)]
    measured = [
        (name, colour, run.record["summary"], [*run.returns.values()])
        for name, colour, run in zip(names, COLOURS, runs, strict=False)
        if run.returns
    ]
    if not measured:
        return found
    spoken = "; ".join(f"{name}: {number(ends['interquartile_mean'])}" for name, _, ends, _ in measured)
    picture = drawing(
        returns(measured),
        f"Interquartile means of the returns over seeds: {spoken}",
        "Each seed's mean return (dots), the interquartile mean (bar), and its 95 % interval (line).",
    )
    seeds = sorted({seed for run in runs for seed in run.returns})
    by_seed = table(
        "The mean return of each seed's greedy policy",
        ["seed", *names],
        [[str(seed), *(run.returns.get(seed) for run in runs)] for seed in seeds],
    )
    return [picture, *found, by_seed]


def curves(runs: Sequence[Learned], names: Sequence[str]) -> list[Html]:
    """Each figure over the steps, the runs over each other."""
    drawn = []
    for name, (title, caption) in CURVES.items():
        lines = [
            (label, colour, run.agents)
            for label, colour, run in zip(names, COLOURS, runs, strict=False)
            if any(row.get(name) is not None for rows in run.agents for row in rows)
        ]
        if lines:
            spoken = f"Curves of the {title} over the steps of {', '.join(label for label, *_ in lines)}"
            drawn.append(drawing(over_runs(lines, name, title), spoken, caption))
    said = (
        "Lines are interquartile means over seeds, and bands their 95 % intervals by the bootstrap; of one seed "
        "there is the line alone."
    )
    return [tag("p", said), joined([tag("div", *drawn, class_="pair")])]
