"""A job from its data to its run folder, and a model from its run folder to predictions."""

import dataclasses
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from deltarule.data.image_files import Corrupt
from deltarule.data.image_preprocessing import ImagePreprocessing
from deltarule.data.table import Preprocessing
from deltarule.data.target import Target
from deltarule.errors import FileError
from deltarule.experiment import images, table
from deltarule.experiment.run_folder import metrics_writer, new_folder
from deltarule.files import write_whole
from deltarule.job import Job, write_settings
from deltarule.kernels.native import described
from deltarule.losses import SoftmaxCrossEntropy, SquaredError
from deltarule.model import Model, load
from deltarule.optimizers import SGD, AdaGrad, Adam, AdamW, RMSProp

OPTIMIZERS = {"adagrad": AdaGrad, "adam": Adam, "adamw": AdamW, "rmsprop": RMSProp, "sgd": SGD}
METRICS = {"classification": "accuracy", "regression": "r2"}


@dataclass(frozen=True)
class Result:
    """What a job gave: `summary` is the JSON of the command, `notes` are sentences for a person."""

    model: Model
    folder: Path
    summary: dict[str, Any]
    notes: tuple[str, ...]


def train(job: Job, progress: bool | None = None, tell: Callable[[Sequence[str]], None] | None = None) -> Result:
    """Reads, prepares, trains, evaluates, and writes the run folder; `tell` gets the notes before training.

    A folder, or a .npz file with x of shape (n, h, w) or (n, h, w, i), holds images; any other file is a table.

    Raises:
        FileError, DataError, SettingError: what is wrong with the files, the data or the settings.
        DivergedError: the loss was lost; the last good model is in the run folder.
    """
    from deltarule.inspect import figures

    start = time.perf_counter()
    prepared = images.prepare(job, progress) if images.are_images(job.data) else table.prepare(job)
    if tell is not None:
        tell(prepared.notes)
    (x, y, weight), goal = prepared.training, prepared.preprocessing.goal
    model = Model(
        prepared.network,
        loss=SoftmaxCrossEntropy() if goal.task == "classification" else SquaredError(),
        optimizer=OPTIMIZERS[job.optimizer](job.learning_rate),
        l2=job.l2,
        clip_norm=job.clip_norm,
        seed=job.seed,
    )
    model.notes["preprocessing"] = prepared.preprocessing.to_json()
    folder = new_folder(job.runs, Path(os.path.abspath(job.data)).stem)
    try:
        model.fit(
            x,
            y,
            epochs=job.epochs,
            batch_size=min(32, len(x)) if job.batch_size is None else job.batch_size,
            validation=prepared.held_out,
            sample_weight=weight,
            patience=job.patience or None,
            callbacks=[metrics_writer(folder / "metrics.jsonl")],
            progress=progress,
        )
    finally:
        if model.state is not None:
            model.save(folder / "model.safetensors")
            write_settings(folder / "run.toml", dataclasses.asdict(job))
        elif not any(folder.iterdir()):
            folder.rmdir()
    x, y, weight = prepared.held_out
    measured = model.evaluate(x, y, weight)
    metric = METRICS[goal.task]
    summary = {
        "task": goal.task,
        "metric": metric,
        "validation": measured[metric],
        "loss": measured["loss"],
        "epochs": len(model.history.rows),
        "best_epoch": model.history.best_epoch,
        "ended": model.history.ended,
        "seconds": round(time.perf_counter() - start, 3),
        "parameters": model.parameters,
        "kernels": described(),
        "run": str(folder),
    }
    write_whole(folder / "curves.svg", figures.curves(model.history.rows))
    predicted, true = goal.decode(model.predict(x)), actual(goal, y)
    if goal.task == "classification":
        write_whole(folder / "confusion.svg", figures.confusion(predicted, true, goal.classes))
    else:
        write_whole(folder / "predicted.svg", figures.predicted(predicted, true, goal.name))
    return Result(model, folder, summary, prepared.notes)


def predict(
    model_path: str, *data: str, corrupt: Corrupt = "refuse", progress: bool | None = None
) -> tuple[dict[str, np.ndarray], list[str]]:
    """The prediction for each row or image, and for classes each one's probability, by column name; and notes.

    Args:
        data: a file with a table; or image files, folders of them, or a .npz file, whatever was trained on.
            Predictions for image files have their paths in the column `file`.
    """
    model, preprocessing = load_prepared(model_path)
    notes: list[str] = []
    if isinstance(preprocessing, ImagePreprocessing):
        columns, x = images.features(preprocessing, data, corrupt, notes, progress)
    else:
        columns, x = {}, table.features(preprocessing, data, corrupt, notes)
    outputs = model.predict(x)
    columns[preprocessing.goal.name] = preprocessing.goal.decode(outputs)
    for label, probability in zip(preprocessing.goal.classes, outputs.T, strict=False):
        columns[f"probability of {label}"] = probability
    return columns, notes


def evaluate(
    model_path: str, data: str, corrupt: Corrupt = "refuse", progress: bool | None = None
) -> tuple[dict[str, Any], list[str]]:
    """How well a model predicts a file that has its target column, or class folders of images; and notes."""
    model, preprocessing = load_prepared(model_path)
    notes: list[str] = []
    if isinstance(preprocessing, ImagePreprocessing):
        x, y, weight = images.examples(preprocessing, data, corrupt, notes, progress)
    else:
        x, y, weight = table.examples(preprocessing, data, corrupt, notes)
    measured, goal = model.evaluate(x, y, weight), preprocessing.goal
    metric = METRICS[goal.task]
    result = {"task": goal.task, "metric": metric, metric: measured[metric], "loss": measured["loss"]}
    if goal.task == "regression":
        error = goal.decode(model.predict(x)) - actual(goal, y)
        result["root_mean_squared_error"] = float(np.sqrt(np.average(error**2, weights=weight)))
    return {**result, "rows": len(y)}, notes


def actual(goal: Target, y: np.ndarray) -> np.ndarray:
    """Encoded targets as they were in the data."""
    return np.array(goal.classes)[y] if goal.task == "classification" else goal.decode(y)


def load_prepared(path: str) -> tuple[Model, Preprocessing | ImagePreprocessing]:
    """The model in a file or run folder, with the preprocessing of its data."""
    file = Path(path) / "model.safetensors" if Path(path).is_dir() else Path(path)
    model = load(file)
    if "preprocessing" not in model.notes:
        raise FileError(
            f"{file}: the model was trained on arrays, not on a table or a folder; use deltarule.load and predict"
        )
    saved = model.notes["preprocessing"]
    kind = ImagePreprocessing if saved.get("kind") == "images" else Preprocessing
    return model, kind.from_json(saved)
