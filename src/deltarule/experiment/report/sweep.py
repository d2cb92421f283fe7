"""The page of a sweep: the configurations in their order, and what each setting did."""

from deltarule.inspect.drawing import drawing
from deltarule.inspect.html import Html, joined, number, table
from deltarule.inspect.page import Section, report
from deltarule.populations.result import Result

MOST = 50  # rows of the ranking


def page(result: Result, data: str) -> bytes:
    """One HTML file that needs neither scripts nor a network."""
    configurations, models = len(result.ranking), len(result.rows)
    best = ", ".join(f"{name} {number(result.best_row[name])}" for name in result.names)
    lead = (
        f"{models} models of {configurations} configurations were trained in {result.programs} "
        f"program{'s' if result.programs > 1 else ''}. The lowest validation loss is "
        f"{number(result.ranking[0]['validation_loss'])}, with {best}."
    )
    picture = drawing(
        result.figure(),
        "The validation loss of every model against each setting",
        "Each point is a model, at the lowest loss that it reached; the best configuration is marked.",
        wide=True,
    )
    sections = [
        Section.of("settings", "What each setting did", picture, effects(result)),
        Section.of("ranking", "Ranking", ranking(result)),
    ]
    return report(f"A sweep on {data}", lead, sections, "Written by Deltarule.")


def ranking(result: Result) -> Html:
    """The best configurations, a row each."""
    names = list(result.ranking[0])
    rows = [[place, *(row[name] for name in names)] for place, row in enumerate(result.ranking[:MOST], 1)]
    caption = "Configurations, the best first; figures are means over their models, deviation is of the loss"
    return table(caption, ["place", *(name.replace("_", " ") for name in names)], rows)


def effects(result: Result) -> Html:
    """A table for each setting: the mean loss at its values, and how much of the differences it explains."""
    found = sorted(result.effects().items(), key=lambda each: -each[1]["share"])
    tables = [
        table(
            f"{name.replace('_', ' ')} explains {number(100 * effect['share'], 2)} % of the variance of log loss",
            [name.replace("_", " "), "mean loss (geometric)"],
            list(effect["values"].items()),
        )
        for name, effect in found
    ]
    return joined(tables)
