"""Several runs side by side on one page: their ends, the settings that differ, their curves over each other."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from deltarule.errors import SettingError
from deltarule.experiment.report.single import RESULTS
from deltarule.experiment.report.training import sentence, setting, words
from deltarule.experiment.run_folder import Run
from deltarule.inspect.drawing import drawing
from deltarule.inspect.html import Html, joined, number, table, tag
from deltarule.inspect.page import Section, report
from deltarule.inspect.rows import label
from deltarule.inspect.visit import visits
from deltarule.layers.layer import Layer, Shape, inner_layers

MOST = 8  # runs, as many as colours that an eye keeps apart
COLOURS = ("#1f5fa8", "#d9731a", "#c0272d", "#2b8a57", "#7a4fa3", "#8a6d1f", "#0f8a94", "#b0487f")


def comparison(runs: Sequence[Run]) -> bytes:
    """The page of at least two runs.

    Raises:
        SettingError: more runs than colours, or one run twice.
    """
    names = labels([run.folder for run in runs])
    sections = [
        Section.of("results", "Results", results(runs, names)),
        Section.of("settings", "Settings that differ", settings(differing(runs), names)),
        Section.of("curves", "Curves", curves(runs, names)),
    ]
    return report(f"{len(runs)} runs compared", lead(runs, names), sections, "Written by Deltarule.")


def labels(folders: Sequence[Path]) -> list[str]:
    """A name for each run: its folder's, with the folder above where two have one name; raises SettingError."""
    if len(folders) > MOST:
        raise SettingError(
            f"report: expected at most {MOST} runs to compare, but got {len(folders)}; leave some out"
        )
    places = [folder.resolve() for folder in folders]
    for place in places:
        if places.count(place) > 1:
            raise SettingError(f"report: {place.name} is named twice; name each run once")
    names = [place.name for place in places]
    return [str(Path(*place.parts[-2:])) if names.count(place.name) > 1 else place.name for place in places]


def lead(runs: Sequence[Run], names: Sequence[str]) -> str:
    """Which run came out best, where all were measured alike on data of one name."""
    if not all(run.record for run in runs):
        return "Not every run came to its end, so that not all can be compared on what was held out."
    kinds = {(run.record["summary"]["metric"], Path(run.record["data"]["file"]).name) for run in runs}
    if len(kinds) > 1:
        return "The runs are of different data or tasks, so that their figures cannot be set against each other."
    metric, ends = runs[0].record["summary"]["metric"], [run.record["summary"]["validation"] for run in runs]
    best = min(ends) if metric.startswith("bits") else max(ends)
    return f"The best {words(metric)} on held-out data is {number(best)}, of {names[ends.index(best)]}."


def results(runs: Sequence[Run], names: Sequence[str]) -> Html:
    """The figures of the end, a run a row."""
    summaries = [run.record.get("summary", {}) for run in runs]
    metrics = list(dict.fromkeys(summary["metric"] for summary in summaries if summary))
    columns = [*metrics, *(name for name in RESULTS if any(name in summary for summary in summaries))]
    rows = [
        [name, *(summary.get("validation" if each == summary.get("metric") else each) for each in columns)]
        for name, summary in zip(names, summaries, strict=True)
    ]
    return table("The figures of the end", ["run", *(RESULTS.get(each, words(each)) for each in columns)], rows)


def settings(differ: dict[str, list[Any]], names: Sequence[str]) -> Html:
    """Every setting in which two runs differ, a setting a row."""
    if not differ:
        return tag("p", "The runs have the same settings.")
    rows = [
        [name, *("–" if value is None else setting(value) for value in values)] for name, values in differ.items()
    ]
    return table("Settings that are not the same in all runs", ["setting", *names], rows)


def differing(runs: Sequence[Run]) -> dict[str, list[Any]]:
    """The values of each setting in which two runs differ, by its name; the network is one of them."""
    given = []
    for run in runs:
        model = run.model
        network = layers(model.net, model.input_shape or ())
        given.append({**run.settings, "network": network, "optimizer": label(model.optimizer)})
    return not_alike(given)


def not_alike(given: Sequence[dict[str, Any]]) -> dict[str, list[Any]]:
    """The values of each setting that is not the same in all of them, but for the folder of runs."""
    known = dict.fromkeys(name for each in given for name in each if name != "runs")
    found = {name: [each.get(name) for each in given] for name in known}
    return {name: values for name, values in found.items() if any(value != values[0] for value in values)}


def layers(net: Layer, shape: Shape) -> str:
    """The innermost layers of a network on examples of a shape, as they are written."""
    found = visits(net, (2, *shape))
    return ", ".join(label(visit.layer) for visit in found if not inner_layers(visit.layer))


def curves(runs: Sequence[Run], names: Sequence[str]) -> Html:
    """Each figure of the epochs that at least one run has, the runs over each other."""
    from deltarule.inspect import figures

    histories = [run.model.history.rows for run in runs]
    rows = [row for history in histories for row in history[:1]]
    found = dict.fromkeys(name for row in rows for name in ("loss", "validation_loss", figures.metric_of([row])))
    parts = []
    for name in (each for each in found if each):
        lines = [
            (run, colour, [(row["epoch"], row[name]) for row in history])
            for run, colour, history in zip(names, COLOURS, histories, strict=False)
            if history and name in history[0]
        ]
        ends = "; ".join(f"{run} ends at {number(points[-1][1])}" for run, _, points in lines)
        said = f"Curves of the {words(name)} over the epochs: {ends}"
        parts.append(drawing(figures.curve(name, lines), said, f"{sentence(words(name))} by epoch."))
    return joined([tag("div", *parts, class_="pair")])
