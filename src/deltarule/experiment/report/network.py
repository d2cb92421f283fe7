"""What was trained: the network, the price of a step beside what was measured, its equations and gradients."""

from typing import Any

import jax
import numpy as np

from deltarule.data.text import Vocabulary
from deltarule.errors import SettingError
from deltarule.experiment.run_folder import Run
from deltarule.experiment.use import preprocessing_of
from deltarule.inspect import plan_page
from deltarule.inspect.case import Case
from deltarule.inspect.explain import explain
from deltarule.inspect.html import Html, number, scrolling, table, tag
from deltarule.inspect.laws import BY_AUTODIFF, derivative
from deltarule.inspect.page import Section
from deltarule.inspect.plan import Plan
from deltarule.inspect.rates import kept_rates
from deltarule.inspect.visit import visits
from deltarule.layers.layer import Shape, inner_layers

BOUNDS = {"arithmetic": "arithmetic", "bytes": "reading and writing", "operations": "starting operations"}
EXAMPLES = 4  # in the check of the gradients
LAYERS, PARAMETERS = 12, 500_000  # up to so many are checked at the end of a run


def step_shape(run: Run) -> Shape:
    """The shape of a step's input, as the run took it."""
    shape = run.model.input_shape or ()
    if "preprocessing" in run.model.notes and isinstance(preprocessing_of(run.model), Vocabulary):
        shape = (run.settings.get("window", *shape),)
    return (run.settings.get("batch_size") or 32, *shape)


def network_section(run: Run) -> Section:
    """The plan of a step, layer by layer, and what steps took."""
    shape = step_shape(run)
    plan = run.model.plan(shape[0], shape[1:])
    told = tag("p", measured(run, plan))
    return Section.of("network", "Network", scrolling(plan_page.html(plan), "The plan of a training step"), told)


def measured(run: Run, plan: Plan) -> str:
    """What the plan says of a step, beside what the run's steps took."""
    said = f"A step takes {number(plan.total.flops)} FLOPs by the layers’ own closed forms."
    times = [row["seconds"] for row in run.model.history.rows if "seconds" in row]  # not of a sweep's
    seconds, steps = np.diff(times), steps_of(run)
    if not seconds.size or steps is None:
        return said
    step = float(np.median(seconds)) / steps
    if told := run.record.get("predicted"):
        said += f" Predicted: {number(1e6 * told['seconds'])} µs, most of it {BOUNDS[told['bound']]}."
    return (
        f"{said} Measured: {number(1e6 * step)} µs a step, {number(plan.total.flops / step / 1e9)} GFLOP/s, the "
        f"median of {len(seconds)} epochs of {number(steps)} steps, what is evaluated after each included."
    )


def predicted(run: Run) -> dict[str, Any] | None:
    """The seconds that the plan predicts for a step, and their bound; None where no rates were measured."""
    rates = kept_rates()
    if rates is None:
        return None
    n, *shape = step_shape(run)
    seconds = run.model.plan(n, tuple(shape), rates=rates).seconds
    return None if seconds is None else {"seconds": seconds.total, "bound": seconds.bound}


def steps_of(run: Run) -> int | None:
    """The steps of an epoch, where the record tells."""
    data, (n, *shape) = run.record.get("data"), step_shape(run)
    if data is None:
        return None
    if data["unit"] in ("characters", "bytes"):
        return max(1, (data["training"] - 1) // n // shape[0])
    return -(-data["training"] // n)


def equations_section(run: Run) -> Section:
    """Forward and backward, line by line."""
    try:
        formulas = explain(run.model.net, step_shape(run), loss=run.model.loss).mathml()
    except SettingError as error:
        return Section.of("equations", "Equations", tag("p", error))
    return Section.of("equations", "Equations", scrolling(Html(formulas), "The equations"))


def check_section(run: Run) -> Section:
    """Backward against autodiff in float64, where the network is small; elsewhere, how to check it."""
    n, *shape = step_shape(run)
    layers = [visit for visit in visits(run.model.net, (n, *shape)) if not inner_layers(visit.layer)]
    if len(layers) > LAYERS or run.model.parameters > PARAMETERS:
        command = tag("code", f"deltarule check {run.folder}")
        said = ("The network is too large to be checked at the end of a run; ", command, " does it.")
        return Section.of("check", "Gradient check", tag("p", *said))
    found = apart(run, (EXAMPLES, *shape))
    ok = all(relative <= BY_AUTODIFF for *_, relative in found)
    verdict = "agree" if ok else "do not agree"
    caption = (
        f"Backward as written down and autodiff {verdict}: in float64, on {EXAMPLES} random examples, "
        f"differences are {'' if ok else 'not '}within {number(BY_AUTODIFF)} of the largest derivative"
    )
    head = ["derivative", "largest", "largest difference", "relative"]
    return Section.of("check", "Gradient check", table(caption, head, found))


def apart(run: Run, x: Shape) -> list[tuple[str, float, float, float]]:
    """Of each derivative by name: its largest number, the largest difference, and that relative to it."""
    with jax.enable_x64(True):
        case = Case(run.model.net, x)
        expected, got = jax.device_get((derivative(case, case.params), case.gradients))
    rows = []
    for name, value in expected.items():
        largest, difference = float(np.abs(value).max()), float(np.abs(value - got[name]).max())
        rows.append((name, largest, difference, difference / max(largest, 1e-12)))
    return rows
