"""The held-out examples that a model predicts worst: rows of a table, pictures, forecasts, or places in a text."""

import base64
import io
from pathlib import Path
from typing import Any

import numpy as np

from deltarule.data.image_preprocessing import ImagePreprocessing
from deltarule.data.series import SeriesPreprocessing
from deltarule.data.target import Target
from deltarule.data.text import Vocabulary
from deltarule.experiment.prepared import Prepared
from deltarule.experiment.use import actual
from deltarule.model import Model

MOST, INPUTS, PICTURES = 12, 8, 24  # rows, columns beside the prediction, pictures
LARGEST = 96  # pixels of a picture's side
PIECES, BEFORE = 16, 40  # of a text: pieces that are looked at, characters shown before the one in question

Worst = dict[str, Any]  # {caption, columns, rows} or {caption, pictures}; plain data that JSON can hold


def worst(model: Model, prepared: Prepared) -> Worst:
    """The worst of the held-out examples, the worst first."""
    preprocessing, (x, y, _) = prepared.preprocessing, prepared.held_out
    if isinstance(preprocessing, Vocabulary):
        return worst_places(model, preprocessing, x[:PIECES], y[:PIECES])
    outputs = model.predict(x)
    if isinstance(preprocessing, SeriesPreprocessing):
        return worst_forecasts(outputs, prepared)
    misses = missed(preprocessing.goal, outputs, y)
    if isinstance(preprocessing, ImagePreprocessing):
        at = misses["at"][:PICTURES]
        files = None if prepared.rows is None else prepared.rows["file"].to_list()
        return pictures(misses, pixels(preprocessing, x[at]), files)
    columns = [] if prepared.rows is None else [name for name in prepared.rows.columns if name != misses["name"]]
    rows = [
        [*told, *(plain(prepared.rows[name][int(at)]) for name in columns[:INPUTS])]  # type: ignore[index]
        for at, told in zip(misses["at"][:MOST], misses["told"][:MOST], strict=True)
    ]
    more = f"; the first {INPUTS} of {len(columns)} columns are shown" if len(columns) > INPUTS else ""
    return {"caption": misses["caption"] + more, "columns": [*misses["columns"], *columns[:INPUTS]], "rows": rows}


def missed(goal: Target, outputs: np.ndarray, y: np.ndarray) -> dict[str, Any]:
    """All examples, the worst first: where they are, and the truth and the prediction of each in cells."""
    true, predicted = actual(goal, y), goal.decode(outputs)
    if goal.task == "classification":
        share = outputs[np.arange(len(y)), y]
        at = np.argsort(share, kind="stable")
        columns = ["true", "predicted", "p (true)", "p (predicted)"]
        caption = (
            f"The held-out examples whose true class had the smallest probability p ({wrong(true, predicted)})"
        )
        cells = (true, predicted, share, outputs.max(1))
    else:
        error = predicted - true
        at = np.argsort(-np.abs(error), kind="stable")
        columns, cells = ["true", "predicted", "error"], (true, predicted, error)
        caption = "The held-out examples with the largest errors"
    told = [[plain(each[i]) for each in cells] for i in at[: max(MOST, PICTURES)]]
    return {"name": goal.name, "at": at, "told": told, "columns": columns, "caption": caption}


def wrong(true: np.ndarray, predicted: np.ndarray) -> str:
    """How many are wrong, in words."""
    return f"{int((true != predicted).sum()):,} of {len(true):,} are wrong"


def pictures(misses: dict[str, Any], images: np.ndarray, files: list[str] | None = None) -> Worst:
    """Images (n, h, w, i) of 0 to 1, of the worst examples, with what they are and what they were taken for."""
    found = []
    for image, at, told in zip(images, misses["at"], misses["told"], strict=False):
        said = told_of(misses["columns"], told)
        name = "" if files is None else f" {Path(files[at]).name}"
        found.append({"picture": data_uri(image), "alt": f"Held-out image{name}: {said}", "caption": said})
    return {"caption": misses["caption"], "pictures": found}


def told_of(columns: list[str], told: list[Any]) -> str:
    """What an example is and was taken for, in words.

    >>> told_of(["true", "predicted", "p (true)", "p (predicted)"], [3, 8, 0.02, 0.97])
    '3, taken for 8 (97\u202f%)'
    """
    true, predicted, *rest = told
    if columns[-1] == "error":
        return f"{true:.4g}, predicted {predicted:.4g}"
    share = f"{100 * rest[1]:.0f}\u202f%"
    return f"{true}, right ({share})" if true == predicted else f"{true}, taken for {predicted} ({share})"


def pixels(preprocessing: ImagePreprocessing, z: np.ndarray) -> np.ndarray:
    """Standardised images as pixels of 0 to 1; numbers that were no pixels are each stretched to that range."""
    x = z * np.array(preprocessing.deviation) + preprocessing.mean  # (n, h, w, i)
    if preprocessing.values == "float32":
        low, high = x.min((1, 2, 3), keepdims=True), x.max((1, 2, 3), keepdims=True)
        x = (x - low) / np.where(high > low, high - low, 1)
    return x.clip(0, 1)


def data_uri(image: np.ndarray) -> str:
    """An image (h, w, i) of 0 to 1 as a PNG within an address; of more than 3 channels, the first is drawn."""
    from PIL import Image

    channels = 3 if image.shape[-1] == 3 else 1
    picture = Image.fromarray(
        (255 * image[..., :channels].squeeze(-1 if channels == 1 else ())).round().astype("uint8")
    )
    picture.thumbnail((LARGEST, LARGEST))
    file = io.BytesIO()
    picture.save(file, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


def worst_forecasts(changes: np.ndarray, prepared: Prepared) -> Worst:
    """Forecasts with the largest errors, none of which overlap."""
    preparation = prepared.preprocessing
    assert isinstance(preparation, SeriesPreprocessing)
    assert prepared.windows is not None
    series, rows = prepared.windows
    forecast, true = (preparation.decode(series, rows, each) for each in (changes, prepared.held_out[1]))
    error = np.sqrt(np.mean((forecast - true) ** 2, axis=1))  # (n,)
    kept: list[int] = []
    for at in np.argsort(-error, kind="stable"):
        if all(abs(rows[at] - rows[other]) >= preparation.horizon for other in kept):
            kept.append(int(at))
        if len(kept) == MOST:
            break
    stamps = series.stamps
    cells = [
        [
            str(rows[at] + 1 if stamps is None else stamps[rows[at]]).removesuffix(".000000").replace("T", " "),
            *(float(each[at].mean()) for each in (true, forecast)),
            float(error[at]),
        ]
        for at in kept
    ]
    return {
        "caption": f"Forecasts of {preparation.horizon} values with the largest root mean squared errors (RMSE)",
        "columns": ["made at" if stamps is not None else "made at row", "mean true", "mean forecast", "RMSE"],
        "rows": cells,
    }


def worst_places(model: Model, vocabulary: Vocabulary, x: np.ndarray, y: np.ndarray) -> Worst:
    """Characters that the model expected least, with what came before each."""
    outputs = model.predict(x)  # (n, t, V)
    bits = -np.log2(np.maximum(np.take_along_axis(outputs, y[..., None], -1)[..., 0], 1e-30))  # (n, t)
    bits[:, : min(BEFORE, bits.shape[1] - 1)] = 0  # too little was read before these
    rows = []
    for at in np.argsort(-bits, axis=None, kind="stable")[:MOST]:
        n, t = divmod(int(at), bits.shape[1])
        before = vocabulary.decode(x[n, max(0, t + 1 - BEFORE) : t + 1].astype(int))
        likely = int(outputs[n, t].argmax())
        rows.append(
            [
                visible(before),
                visible(vocabulary.decode([y[n, t]])),
                float(bits[n, t]),
                visible(vocabulary.decode([likely])),
                float(outputs[n, t, likely]),
            ]
        )
    return {
        "caption": f"The {vocabulary.unit} that were least expected, in {x.size:,} held-out ones",
        "columns": ["after", "came", "bits", "expected", "p (expected)"],
        "rows": rows,
    }


def visible(text: str) -> str:
    """Text in which ends of lines, tabs and spaces at the ends can be seen."""
    text = text.replace("\n", "↵").replace("\t", "⇥").replace("\r", "␍")
    inner = text.strip(" ")
    return text.replace(" ", "␣") if not inner else text


def plain(value: Any) -> Any:
    """A value that JSON can hold."""
    value = value.item() if isinstance(value, np.generic) else value
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)
