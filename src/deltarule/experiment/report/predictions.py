"""How a run predicts what was held out: confusions, residuals, a forecast or a sample, and the worst examples."""

from pathlib import Path
from typing import Any

from deltarule.errors import FileError
from deltarule.experiment.run_folder import Run
from deltarule.inspect.drawing import drawing
from deltarule.inspect.html import Html, heat, table, tag
from deltarule.inspect.page import Section

MOST = 20  # classes whose confusions are a table; of more they are a figure
FIGURES = {  # file: (description, caption, whether it is wide)
    "predicted.svg": (
        "Scatter of the predicted over the true values of the held-out examples, with the diagonal of right ones.",
        "Held-out values and their predictions; right ones lie on the diagonal.",
        False,
    ),
    "residuals.svg": (
        "Scatter of the errors of the held-out examples over their predicted values, with the line of no error.",
        "Errors over what is predicted; a bend or a slope among them is left to learn.",
        False,
    ),
    "forecast.svg": (
        "Curve of the last held-out values, and over it the curve of their forecasts.",
        "The last held-out values, and forecasts that follow each other.",
        True,
    ),
}


def predictions_section(run: Run) -> Section:
    """What is there of all this."""
    record, folder = run.record, run.folder
    parts: list[Html] = []
    confusion = record.get("confusion")
    if confusion and len(confusion["classes"]) <= MOST:
        parts.append(confusions(**confusion))
    elif (folder / "confusion.svg").exists():
        said = "How often each true class (row) was taken for each class (column)."
        parts.append(figure(folder / "confusion.svg", said, said))
    drawn = [figure(folder / name, *given) for name, given in FIGURES.items() if (folder / name).exists()]
    if drawn:
        parts.append(tag("div", *drawn, class_="pair"))
    if (folder / "sample.txt").exists():
        text = read(folder / "sample.txt").decode(errors="replace")
        parts += [
            tag("h3", "A sample"),
            tag("p", "Text that the model draws, character by character."),
            tag("pre", text),
        ]
    if "worst" in record:
        parts += [tag("h3", "The worst examples"), worst(**record["worst"])]
    return Section.of("predictions", "Predictions", *parts)


def figure(path: Path, description: str, caption: str, wide: bool = False) -> Html:
    """A figure of the folder; raises FileError where it is not whole."""
    try:
        return drawing(read(path), description, caption, wide)
    except FileError as error:
        raise FileError(f"{path}: {error}; delete it, or train again") from None


def read(path: Path) -> bytes:
    """A file of the folder; raises FileError."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise FileError(f"{path} cannot be read: {error.strerror or error}") from None


def confusions(classes: list[str], counts: list[list[int]]) -> Html:
    """How often each class was taken for each, the share of its row as colour."""
    right, all_of = sum(row[i] for i, row in enumerate(counts)), sum(map(sum, counts))
    shares = [[count / max(1, sum(row)) for count in row] for row in counts]
    shown = [[count or "" for count in row] for row in counts]
    caption = (
        f"Held-out examples by true class (rows) and predicted class (columns): {right:,} of {all_of:,} are right"
    )
    return heat(caption, "true", classes, classes, shown, shares)


def worst(caption: str, columns: Any = (), rows: Any = (), pictures: Any = ()) -> Html:
    """The worst examples as a table, or as pictures."""
    if not pictures:
        return table(caption, columns, rows)
    figures = [
        tag("figure", tag("img", src=each["picture"], alt=each["alt"]), tag("figcaption", each["caption"]))
        for each in pictures
    ]
    return Html(tag("p", f"{caption}.") + tag("div", *figures, class_="pictures"))
