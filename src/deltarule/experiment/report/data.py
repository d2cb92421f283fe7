"""What a run was trained on: how much, of what, and how it became numbers."""

from deltarule.data.columns import Category, Number
from deltarule.data.image_files import words as image_words
from deltarule.data.image_preprocessing import ImagePreprocessing
from deltarule.data.series import SeriesPreprocessing
from deltarule.data.text import Vocabulary
from deltarule.experiment.prepared import AnyPreprocessing
from deltarule.experiment.run_folder import Run
from deltarule.experiment.use import preprocessing_of
from deltarule.inspect.html import Html, facts, joined, listed, number, table, tag
from deltarule.inspect.page import Section

MOST = 60  # columns that are listed


def data_section(run: Run) -> Section:
    """The data, their columns, and what was noted when they were read."""
    parts = []
    if data := run.record.get("data"):
        counts = [(f"{data['unit']} to learn from", data["training"]), ("held out", data["held_out"])]
        file = joined(data["file"].split("/"), "/<wbr>")
        parts.append(facts([("file", file), *counts]))
    if "preprocessing" in run.model.notes:
        parts.append(prepared(preprocessing_of(run.model)))
    if notes := run.record.get("notes"):
        parts.append(listed(notes))
    return Section.of("data", "Data", *parts)


def prepared(preprocessing: AnyPreprocessing) -> Html:
    """How the data became numbers."""
    if isinstance(preprocessing, ImagePreprocessing):
        mean, deviation = (
            ", ".join(number(each) for each in v) for v in (preprocessing.mean, preprocessing.deviation)
        )
        return tag(
            "p",
            f"Images are {image_words(preprocessing.shape)}; each channel is standardised: mean {mean}, "
            f"deviation {deviation}.",
        )
    if isinstance(preprocessing, Vocabulary):
        return tag("p", f"The text is read as {len(preprocessing.symbols)} different {preprocessing.unit}.")
    columns = table_of(preprocessing.columns) if preprocessing.columns else Html("")
    if isinstance(preprocessing, SeriesPreprocessing):
        return joined([tag("p", series_words(preprocessing)), columns])
    return columns


def series_words(preprocessing: SeriesPreprocessing) -> str:
    """What a forecast is made from."""
    seasons = (
        f" The time of the {', the '.join(preprocessing.periods)} is an input too."
        if preprocessing.periods
        else ""
    )
    return (
        f"{preprocessing.horizon} values of {preprocessing.goal.name} are forecast from {preprocessing.history} "
        f"rows, {preprocessing.axis.words} apart, as changes from the last known one.{seasons}"
    )


def table_of(columns: tuple[Number | Category, ...]) -> Html:
    """Each column with what becomes of it."""
    more = f"; {MOST} of {len(columns)} are shown" if len(columns) > MOST else ""
    rows = [(column.name, column.family, *becomes(column)) for column in columns[:MOST]]
    return table(f"The columns that are learned from{more}", ("column", "kind", "becomes", "inputs"), rows)


def becomes(column: Number | Category) -> tuple[str, int]:
    """What a column is turned into, and how many inputs that are."""
    if isinstance(column, Number):
        return f"(value − {number(column.mean)}) / {number(column.deviation)}".replace("− −", "+ "), 1
    levels = len(column.levels)
    return (f"one of {levels} codes, embedded" if column.embedded else f"one-hot, {levels} levels"), len(
        column.feature_names
    )
