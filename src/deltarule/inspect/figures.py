"""A run's figures as SVG: curves, a confusion matrix, predictions against the truth, pictures with labels."""

import functools
import io
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.dates import ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatter, MaxNLocator

from deltarule.inspect.html import legible

TRAINING, HELD_OUT, WRONG = "#1f5fa8", "#d9731a", "#c0272d"
STYLE: dict[Any, Any] = {
    "svg.hashsalt": "deltarule",
    "svg.fonttype": "none",
    "font.size": 10,
    "text.parse_math": False,
}
LONGEST = 30  # characters of a label

Line = tuple[str, str, list[tuple[int, float]]]  # label, colour, (epoch, value) of each epoch


def drawn(draw: Callable[..., Figure]) -> Callable[..., bytes]:
    """Makes a function that draws a figure one that gives its SVG: the same bytes for the same figure.

    Names are drawn as they are, and not as mathematics.
    """

    @functools.wraps(draw)
    def svg(*arguments: Any, **settings: Any) -> bytes:
        with matplotlib.rc_context(STYLE), warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Glyph")  # the reader's font may have what this one lacks
            file = io.BytesIO()
            draw(*arguments, **settings).savefig(file, format="svg", bbox_inches="tight", metadata={"Date": None})
        return file.getvalue()

    return svg


def label(name: Any) -> str:
    """A name short enough for an axis, of characters that XML can hold."""
    text = legible(name)
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


@drawn
def curves(rows: Sequence[dict[str, Any]]) -> Figure:
    """Loss by epoch, and the validation metric beside it where there is one."""
    metric = metric_of(rows)
    figure = Figure(figsize=(8 if metric else 4, 3), layout="constrained")
    panels = figure.subplots(1, 2 if metric else 1, squeeze=False)[0]
    plot(panels[0], "loss", loss_lines(rows))
    if metric:
        plot(panels[1], metric, [("validation", HELD_OUT, [(row["epoch"], row[metric]) for row in rows])])
    return figure


@drawn
def curve(name: str, lines: Sequence[Line]) -> Figure:
    """One figure of each epoch, `name`, as one or more lines over each other."""
    figure = Figure(figsize=(4.2, 2.9), layout="constrained")
    plot(figure.subplots(), name, lines)
    return figure


def loss_lines(rows: Sequence[dict[str, Any]]) -> list[Line]:
    """The loss of training, and of validation where there is one."""
    names = {"loss": ("training", TRAINING), "validation_loss": ("validation", HELD_OUT)}
    return [(*names[name], [(row["epoch"], row[name]) for row in rows]) for name in names if name in rows[0]]


def metric_of(rows: Sequence[dict[str, Any]]) -> str | None:
    """The name of the validation metric, if there is one."""
    return next((name for name in rows[0] if name.startswith("validation_") and name != "validation_loss"), None)


class Plain(LogFormatter):
    """Writes 0.01, and not 1e-02, wherever matplotlib finds room for a number."""

    def __call__(self, x: float, pos: int | None = None) -> str:
        return f"{x:g}" if super().__call__(x, pos) else ""


def plot(panel: Any, name: str, lines: Sequence[Line]) -> None:
    """Lines over the epochs; a loss that is positive stands on a logarithmic scale."""
    for text, colour, points in lines:
        panel.plot(*zip(*points, strict=True), color=colour, label=label(text))
    if len(lines) > 1:
        panel.legend(frameon=False)
    if name.endswith("loss") and min(value for *_, points in lines for _, value in points) > 0:
        panel.set_yscale("log")
        panel.yaxis.set_major_formatter(Plain())
        panel.yaxis.set_minor_formatter(Plain(minor_thresholds=(2, 0.5)))
    panel.set_title(name.replace("_", " ").replace("r2", "R²"), loc="left")
    panel.set_xlabel("epoch")
    panel.xaxis.set_major_locator(MaxNLocator(integer=True))
    panel.spines[["top", "right"]].set_visible(False)
    panel.grid(alpha=0.25)


@drawn
def confusion(predicted: np.ndarray, true: np.ndarray, classes: Sequence[Any]) -> Figure:
    """How often each class was taken for each; the diagonal is right."""
    counts = confused(predicted, true, classes)
    names = [label(each) for each in classes]
    side = min(12.0, 1.8 + 0.4 * len(classes) + 0.08 * max(map(len, names)))
    figure = Figure(figsize=(side, side), layout="constrained")
    panel = figure.subplots()
    share = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    panel.imshow(share, cmap="Blues", vmin=0, vmax=1)
    panel.set_xticks(range(len(classes)), names, rotation=90 if max(map(len, names)) > 3 else 0)
    panel.set_yticks(range(len(classes)), names)
    if len(classes) <= 20:
        for (i, j), count in np.ndenumerate(counts):
            if count:
                color = "white" if share[i, j] > 0.5 else WRONG if i != j else "black"
                panel.text(j, i, str(count), ha="center", va="center", color=color, fontsize=8)
    panel.set_xlabel("predicted")
    panel.set_ylabel("true")
    panel.set_title(f"{np.trace(counts)} of {counts.sum()} right", loc="left")
    return figure


def confused(predicted: np.ndarray, true: np.ndarray, classes: Sequence[Any]) -> np.ndarray:
    """How often each class was taken for each: (true, predicted)."""
    index = {each: i for i, each in enumerate(classes)}
    counts = np.zeros((len(classes), len(classes)), int)  # (true, predicted)
    for p, t in zip(predicted.tolist(), true.tolist(), strict=True):
        counts[index[t], index[p]] += 1
    return counts


@drawn
def predicted(predicted: np.ndarray, true: np.ndarray, name: str) -> Figure:
    """Each held-out value against its prediction; a perfect one lies on the diagonal."""
    return scatter(true, predicted, f"true {label(name)}", f"predicted {label(name)}", float(true.mean()), 1)


@drawn
def residuals(predicted: np.ndarray, true: np.ndarray, name: str) -> Figure:
    """The error of each prediction over it; a perfect one has none."""
    across, up = f"predicted {label(name)}", "error (predicted − true)"
    return scatter(predicted, predicted - true, across, up, 0, 0)


def scatter(x: np.ndarray, y: np.ndarray, across: str, up: str, level: float, slope: float) -> Figure:
    """A point for each example, and the line that goes through `level` at the mean of x."""
    figure = Figure(figsize=(4, 4), layout="constrained")
    panel = figure.subplots()
    panel.axline((float(x.mean()), level), slope=slope, color="0.6", linewidth=1)
    panel.scatter(x, y, s=12, alpha=0.6, color=TRAINING, edgecolors="none", rasterized=len(x) > 500)
    panel.set_xlabel(across)
    panel.set_ylabel(up)
    panel.spines[["top", "right"]].set_visible(False)
    panel.grid(alpha=0.25)
    return figure


@drawn
def forecast(predicted: np.ndarray, true: np.ndarray, times: np.ndarray, name: str, steps: int = 240) -> Figure:
    """The last true values (n, k), and forecasts of them that follow each other, each of k values at its times."""
    n, horizon = true.shape
    shown = np.arange(n - 1, -1, -horizon)[: max(1, steps // horizon)]
    figure = Figure(figsize=(8, 3), layout="constrained")
    panel = figure.subplots()
    when, places = np.unique(times[shown[-1] :], return_index=True)
    panel.plot(when, true[shown[-1] :].ravel()[places], color="0.35", linewidth=1, label="true")
    lines = times[shown], predicted[shown]  # (forecasts, k)
    drawn = panel.plot(*(lines if horizon == 1 else (each.T for each in lines)), color=HELD_OUT)
    drawn[0].set_label("forecast" if horizon > 1 else "forecast of the next value")
    if times.dtype.kind == "M":
        panel.xaxis.set_major_formatter(ConciseDateFormatter(panel.xaxis.get_major_locator()))
    panel.set_title(label(name), loc="left")
    panel.legend(frameon=False, ncols=2, loc="lower right", bbox_to_anchor=(1, 1))
    panel.spines[["top", "right"]].set_visible(False)
    panel.grid(alpha=0.25)
    return figure


@drawn
def pictures(images: np.ndarray, predicted: np.ndarray, true: np.ndarray, columns: int = 12) -> Figure:
    """Images (n, h, w) with their predictions beneath; a wrong one in red, with the truth."""
    rows = -(-len(images) // columns)
    figure = Figure(figsize=(0.62 * columns, 0.82 * rows), layout="constrained")
    for panel, image, p, t in zip(figure.subplots(rows, columns).flat, images, predicted, true, strict=False):
        panel.imshow(image, cmap="gray_r", interpolation="nearest")
        right = p == t
        panel.set_title(
            f"{p}" if right else f"{p}, is {t}", y=-0.42, fontsize=9, color="black" if right else WRONG
        )
    for panel in figure.axes:
        panel.set_axis_off()
    return figure
