"""A model from its run folder, put to work: predictions, measures, and text."""

from pathlib import Path
from typing import Any

import numpy as np

from deltarule.data.image_files import Corrupt
from deltarule.data.image_preprocessing import ImagePreprocessing
from deltarule.data.series import SeriesPreprocessing
from deltarule.data.stream import Stream
from deltarule.data.table import Preprocessing, read_table
from deltarule.data.target import Target
from deltarule.data.text import Vocabulary
from deltarule.errors import FileError, SettingError
from deltarule.experiment import images, language, series, table, table_set
from deltarule.experiment.prepared import AnyPreprocessing, Examples
from deltarule.loading import load
from deltarule.model import Model

METRICS = {"classification": "accuracy", "regression": "r2"}


def measure(model: Model, preprocessing: AnyPreprocessing, found: Examples | Stream) -> dict[str, Any]:
    """The task, its metric and the loss on examples, and for numbers their errors in the unit of the data."""
    goal = preprocessing.goal
    if isinstance(found, Stream):
        return table_set.measure(model, goal, found)
    x, y, weight = found
    measured = model.evaluate(x, y, weight)
    if isinstance(preprocessing, SeriesPreprocessing):
        result = series.measure(preprocessing, model.predict(x), found)
        return {"task": "forecast", "metric": "skill", **result, "loss": measured["loss"]}
    metric = METRICS[goal.task]
    result = {"task": goal.task, "metric": metric, metric: measured[metric], "loss": measured["loss"]}
    if goal.task == "regression":
        error = goal.decode(model.predict(x)) - actual(goal, y)
        result["root_mean_squared_error"] = float(np.sqrt(np.average(error**2, weights=weight)))
    return result


def predict(
    model_path: str, *data: str, corrupt: Corrupt = "refuse", progress: bool | None = None
) -> tuple[dict[str, np.ndarray], list[str]]:
    """The prediction for each row or image, and for classes each one's probability, by column name; and notes.

    Args:
        data: a file with a table, a folder or a pattern of tables, or a file with a series whose next values are
            wanted; or image files, folders of them, or a .npz file, whatever was trained on. Predictions for image
            files have their paths in the column `file`.
    """
    model, preprocessing = load_prepared(model_path)
    notes: list[str] = []
    if isinstance(preprocessing, Vocabulary):
        raise SettingError(f"{model_path}: the model was trained on a text; draw from it with deltarule sample")
    if isinstance(preprocessing, SeriesPreprocessing):
        frame = read_table(table.one_file(data, corrupt), notes)
        return series.forecast(model, preprocessing, frame, notes), notes
    columns: dict[str, np.ndarray] = {}
    if isinstance(preprocessing, ImagePreprocessing):
        columns, outputs = images.outputs(model, preprocessing, data, corrupt, notes, progress)
    elif table_set.is_set(data[0]):
        outputs = table_set.outputs(model, preprocessing, table.one_of(data, corrupt))
    else:
        outputs = model.predict(table.features(preprocessing, data, corrupt, notes))
    columns[preprocessing.goal.name] = preprocessing.goal.decode(outputs)
    for label, probability in zip(preprocessing.goal.classes, outputs.T, strict=False):
        columns[f"probability of {label}"] = probability
    return columns, notes


def evaluate(
    model_path: str, data: str, corrupt: Corrupt = "refuse", progress: bool | None = None
) -> tuple[dict[str, Any], list[str]]:
    """How well a model predicts a file that has its target, a text, or class folders of images; and notes."""
    model, preprocessing = load_prepared(model_path)
    notes: list[str] = []
    if isinstance(preprocessing, Vocabulary):
        return language.known(model, preprocessing, table.one_file([data], corrupt), notes), notes
    if isinstance(preprocessing, ImagePreprocessing):
        found = images.examples(preprocessing, data, corrupt, notes, progress)
    elif isinstance(preprocessing, SeriesPreprocessing):
        found = series.known(preprocessing, read_table(table.one_file([data], corrupt), notes), notes)
    elif table_set.is_set(data):
        found = table_set.known(preprocessing, table.one_of([data], corrupt))
    else:
        found = table.examples(preprocessing, data, corrupt, notes)
    rows = found.examples if isinstance(found, Stream) else len(found[0])
    return {**measure(model, preprocessing, found), "rows": rows}, notes


def sample(
    model_path: str, length: int = 500, prompt: str = "", temperature: float = 1.0, seed: int = 0
) -> tuple[str, list[str]]:
    """Text that a language model draws, which goes on from the prompt; and notes. Raises as `draw` does."""
    model, vocabulary = load_prepared(model_path)
    if not isinstance(vocabulary, Vocabulary):
        raise SettingError(f"{model_path}: the model was not trained on a text; use deltarule predict")
    notes: list[str] = []
    return language.draw(model, vocabulary, length, prompt, temperature, seed, notes), notes


def actual(goal: Target, y: np.ndarray) -> np.ndarray:
    """Encoded targets as they were in the data."""
    return np.array(goal.classes)[y] if goal.task == "classification" else goal.decode(y)


def load_prepared(path: str) -> tuple[Model, AnyPreprocessing]:
    """The model in a file or run folder, with the preprocessing of its data."""
    file = Path(path) / "model.safetensors" if Path(path).is_dir() else Path(path)
    model = load(file)
    if "preprocessing" not in model.notes:
        raise FileError(
            f"{file}: the model was trained on arrays, not on a table, a text or a folder; use deltarule.load "
            "and predict"
        )
    return model, preprocessing_of(model)


def preprocessing_of(model: Model) -> AnyPreprocessing:
    """How the data of a model became numbers, as its notes keep it."""
    saved = model.notes["preprocessing"]
    kinds = {"images": ImagePreprocessing, "series": SeriesPreprocessing, "text": Vocabulary}
    return kinds.get(saved.get("kind"), Preprocessing).from_json(saved)
