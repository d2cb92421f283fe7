"""The report of a run: everything that its folder tells, on one page."""

from pathlib import Path

from deltarule.experiment.report.data import data_section
from deltarule.experiment.report.diagnostics import diagnostics_section
from deltarule.experiment.report.network import check_section, equations_section, network_section
from deltarule.experiment.report.predictions import predictions_section
from deltarule.experiment.report.training import training_section, words
from deltarule.experiment.run_folder import Run
from deltarule.inspect.html import Html, facts, joined, number, tag
from deltarule.inspect.page import Section
from deltarule.inspect.page import report as page

RESULTS = {  # of a summary, in this order, by the words of the page
    "loss": "held-out loss",
    "root_mean_squared_error": "root mean squared error",
    "mean_absolute_error": "mean absolute error",
    "naive_error": "error of the naive forecast",
    "seasonal_naive_error": "error of the seasonal naive forecast",
    "seasonal_skill": "skill over the seasonal one",
    "ngram_bits": "bits of n-grams",
    "ngram_order": "order of the n-grams",
    "parameters": "parameters",
    "epochs": "epochs",
    "best_epoch": "best epoch",
    "seconds": "seconds in all",
    "training_seconds": "seconds of training",
}


def report(run: Run) -> bytes:
    """The page of one run; it depends on nothing but what its folder holds."""
    sections = [
        Section.of("result", "Result", results(run)),
        data_section(run),
        network_section(run),
        training_section(run),
        diagnostics_section(run),
        predictions_section(run),
        equations_section(run),
        check_section(run),
        Section.of("environment", "Environment", surroundings(run)),
    ]
    return page(title(run), lead(run), sections, f"{run.name}, written by Deltarule.")


def title(run: Run) -> str:
    """What was learned, and the run's name."""
    target = run.model.notes.get("preprocessing", {}).get("target", {}).get("name")
    learned = "Handwritten digits" if target is None else f"Learning “{target}”"
    return f"{learned}: {run.name}"


def lead(run: Run) -> str:
    """What came out, in two sentences."""
    summary, data, history = run.record.get("summary"), run.record.get("data"), run.model.history
    if summary is None or data is None:
        return (
            f"A network of {number(run.model.parameters)} parameters after {len(history.rows)} epochs. The run "
            "did not end by itself, or an earlier version wrote its folder: what is held out was not measured."
        )
    chose = ", which also chose the epoch" if "best_epoch" in summary else ""
    unit = data["unit"]
    return (
        f"A network of {number(summary['parameters'])} parameters learned from {number(data['training'])} {unit} "
        f"of {Path(data['file']).name}. On {number(data['held_out'])} held-out {unit}{chose}, "
        f"{reading(summary['metric'], summary['validation'])}."
    )


def reading(metric: str, value: float) -> str:
    """The figure of the end in a sentence; an accuracy in per cent."""
    if metric.startswith("bits"):
        return f"it needs {number(value)} {words(metric)}"
    return f"its {words(metric)} is " + (f"{100 * value:.1f}\u202f%" if metric == "accuracy" else number(value))


def results(run: Run) -> Html:
    """The figures of the end."""
    summary, history = run.record.get("summary"), run.model.history
    if summary is None:
        last = history.rows[-1] if history.rows else {}
        return facts((words(name), value) for name, value in last.items() if name != "watch")
    found = [(words(summary["metric"]), summary["validation"])]
    found += [(told, summary[name]) for name, told in RESULTS.items() if name in summary]
    ended = tag("p", f"Training ended: {history.ended}.")
    return joined([facts(found), ended])


def surroundings(run: Run) -> Html:
    """Versions, processor, devices, kernels and seed."""
    return facts([*run.record.get("environment", {}).items(), ("seed", str(run.model.seed))], "small")
