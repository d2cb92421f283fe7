"""`deltarule grade`: a student's derivation of a backward pass, marked equation by equation."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from deltarule.cli.output import FLAGS, say
from deltarule.errors import FileError, SettingError
from deltarule.grade import EXERCISES, Exercise, Report, exercise, generate, grade
from deltarule.grade.language import MOST_BYTES


@dataclass(frozen=True)
class Grade:
    """Mark an answer to "derive the backward pass of this network", or print the sheet to fill in.

    The answer is a file of equations such as `d3 = W3.T @ d4 * dsigma(Z2)`. It is read and held against the
    library's own layers on random values, and never executed. The exit status is 0 whatever the marks are, and 2
    where the file cannot be marked.

    Attributes:
        answer: The student's file.
        exercise: A ready exercise: R1, R9, R17, R20, R22, R22-channels or R23.
        generate: Take a random network instead, which the seed and the depth make.
        seed: Of the random network, and of the values that equations are held against.
        depth: How many dense layers the random network has.
        sheet: Print the task, as a file to fill in.
        key: Print right answers, for the teacher.
        json: Print one JSON object as the last line.
    """

    answer: Annotated[str | None, tyro.conf.Positional, tyro.conf.arg(metavar="ANSWER")] = None
    exercise: str | None = None
    generate: bool = False
    seed: int = 0
    depth: int = 3
    sheet: bool = False
    key: bool = False
    json: bool = False


def main(arguments: list[str]) -> None:
    settings = tyro.cli(Grade, prog="deltarule grade", args=arguments, config=FLAGS)
    task = chosen(settings)
    if settings.sheet or settings.key:
        text = task.sheet() if settings.sheet else task.key()
        return say({"exercise": task.name, "text": text}, settings.json, text.rstrip())
    if settings.answer is None:
        raise SettingError("grade: expected the file of an answer; or --sheet, which prints one to fill in")
    report = grade(read(settings.answer), task, seed=settings.seed, where=settings.answer)
    return say(report.to_json(), True, "") if settings.json else show(report)


def chosen(settings: Grade) -> Exercise:
    """The exercise that the settings name."""
    if settings.generate == (settings.exercise is not None):
        raise SettingError(
            f"grade: expected --exercise with one of {', '.join(EXERCISES)}, or --generate with --seed and --depth"
        )
    return generate(settings.seed, settings.depth) if settings.generate else exercise(str(settings.exercise))


def read(path: str) -> str:
    """The text of a file, of which no more is read than an answer may have."""
    try:
        with Path(path).open("rb") as file:
            return file.read(MOST_BYTES + 1).decode("utf-8-sig")
    except OSError as error:
        raise FileError(f"{path} cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise FileError(f"{path}: expected a text in UTF-8, got other bytes; save it as UTF-8") from None


def show(report: Report) -> None:
    """The marks as a table."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=f"{report.exercise.name}: {report.exercise.title}", title_justify="left")
    for heading in ("equation", "", "points", "what is wrong"):
        table.add_column(heading)
    for mark in report.marks:
        sign = Text("✓", "green") if mark.holds else Text("✗", "red")
        table.add_row(Text(mark.name), sign, f"{mark.points:g}/{mark.max_points:g}", Text(mark.said))
    Console().print(table)
    print(f"{report.points:g} of {report.max_points:g} points, {report.score:.0%}")
