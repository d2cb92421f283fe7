"""How a run was trained: loss, optimizer, settings, and the curves of its epochs."""

from typing import Any

from deltarule.experiment.run_folder import Run
from deltarule.inspect.drawing import drawing
from deltarule.inspect.html import facts, joined, number, tag
from deltarule.inspect.page import Section


def training_section(run: Run) -> Section:
    """Loss, optimizer and settings, and the curves."""
    from deltarule.inspect import figures

    model, rows = run.model, run.model.history.rows
    penalty = f", with the penalty λ |W|\u2060² of λ = {number(model.l2.strength)}" if model.l2 else ""
    clipped = f", after the gradient is clipped to a norm of {number(model.clip_norm)}" if model.clip_norm else ""
    told = joined(
        [
            *("The loss is ", tag("code", model.loss), penalty, ". The parameters are moved by "),
            *(tag("code", model.optimizer), clipped, f". Numbers are {model.precision}."),
        ]
    )
    settings = [(words(name), setting(value)) for name, value in run.settings.items() if value is not None]
    told, listed = tag("p", told), facts(settings, "small") if settings else ""
    if not rows:
        return Section.of("training", "Training", told, listed)
    drawings = [drawing(figures.curve("loss", figures.loss_lines(rows)), spoken(rows, "loss"), "Loss by epoch.")]
    if metric := figures.metric_of(rows):
        line = ("validation", figures.HELD_OUT, [(row["epoch"], row[metric]) for row in rows])
        said = f"{sentence(words(metric))} by epoch."
        drawings.append(drawing(figures.curve(metric, [line]), spoken(rows, metric), said))
    return Section.of("training", "Training", told, listed, tag("div", *drawings, class_="pair"))


def spoken(rows: list[dict[str, Any]], name: str) -> str:
    """A curve for who does not see it."""
    first, last = rows[0], rows[-1]
    ends = f"from {number(first[name])} to {number(last[name])}"
    curve = f"Curve of the {words(name)} over {len(rows)} epochs, {ends}"
    if name != "loss" or "validation_loss" not in first:
        return curve
    held_out = [number(row["validation_loss"]) for row in (first, last)]
    return f"{curve}; on held-out examples from {held_out[0]} to {held_out[1]}"


def setting(value: Any) -> str:
    """A setting's value as in a configuration file."""
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value)) or "none"
    return str(value)


def words(name: str) -> str:
    """A figure's name as words."""
    return name.replace("_", " ").replace("r2", "R²")


def sentence(text: str) -> str:
    """Text with a capital at its beginning."""
    return text[:1].upper() + text[1:]
