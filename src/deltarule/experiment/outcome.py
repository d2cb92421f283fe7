"""How well a job's held-out examples are predicted, and what shows it."""

from dataclasses import dataclass
from typing import Any

from deltarule.data.series import SeriesPreprocessing
from deltarule.data.text import TextStream
from deltarule.experiment import language, series
from deltarule.experiment.prepared import Prepared
from deltarule.experiment.use import actual, measure
from deltarule.experiment.worst import worst
from deltarule.model import Model

SAMPLE = 1000  # characters that a language model leaves in its folder


@dataclass(frozen=True)
class Outcome:
    """What came out.

    Attributes:
        measured: figures by name, `task` and `metric` among them.
        files: what shows them, by the name of the file.
        shown: what the page shows besides; plain data that JSON can hold.
    """

    measured: dict[str, Any]
    files: dict[str, bytes]
    shown: dict[str, Any]


def outcome(model: Model, prepared: Prepared) -> Outcome:
    """How well the held-out examples are predicted."""
    from deltarule.inspect import figures

    shown: dict[str, Any] = {"worst": worst(model, prepared)}
    if isinstance(prepared.training, TextStream) and prepared.text is not None:
        vocabulary, measured = prepared.text.vocabulary, language.measure(model, prepared.text)
        text = language.draw(model, vocabulary, SAMPLE, "", 1.0, 0, [])
        measured |= language.baseline(prepared.training, prepared.text)
        return Outcome(measured, {"sample.txt": text.encode()}, shown)
    preprocessing, (x, y, _), goal = prepared.preprocessing, prepared.held_out, prepared.preprocessing.goal
    measured = measure(model, preprocessing, prepared.stream or prepared.held_out)
    if isinstance(preprocessing, SeriesPreprocessing) and prepared.windows is not None:
        return Outcome(measured, {"forecast.svg": series.drawing(model, preprocessing, *prepared.windows)}, shown)
    predicted, true = goal.decode(model.predict(x)), actual(goal, y)
    if goal.task == "classification":
        shown["confusion"] = confusion(figures.confused(predicted, true, goal.classes), goal.classes)
        return Outcome(measured, {"confusion.svg": figures.confusion(predicted, true, goal.classes)}, shown)
    files = {
        "predicted.svg": figures.predicted(predicted, true, goal.name),
        "residuals.svg": figures.residuals(predicted, true, goal.name),
    }
    return Outcome(measured, files, shown)


def confusion(counts: Any, classes: Any) -> dict[str, Any]:
    """Counts (true, predicted) with the names of their rows and columns."""
    return {"classes": [str(each) for each in classes], "counts": counts.tolist()}
