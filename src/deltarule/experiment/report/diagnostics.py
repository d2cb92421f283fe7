"""What was watched in training, by layer over the epochs, as maps."""

from typing import Any

import numpy as np

from deltarule.experiment.run_folder import Run
from deltarule.inspect.html import Html, heat, number, tag
from deltarule.inspect.page import Section

COLUMNS = 12  # of a map; more epochs than that are shown at that many places
WORDS = {
    "delta": "‖δ‖ at each layer's output: where it fades on its way down, the layers below learn slowly",
    "gradient": "‖dW‖ of each layer's parameters",
    "saturated": "Share of units that saturate, so that δ hardly passes them",
    "dead": "Share of units that are 0 for every example of a batch",
    "update": "‖Δθ‖ / ‖θ‖: how far a step moves the parameters, relative to them; about 10⁻³ is usual",
    "noise": "Gradient noise scale: the batch size above which larger ones help little",
    "example_norms": "Mean norm of an example's own gradient",
}
SHARES = ("saturated", "dead")  # from 0 to 1 by nature


def diagnostics_section(run: Run) -> Section:
    """A map for each figure that was watched."""
    rows = [row for row in run.model.history.rows if "watch" in row]
    if not rows:
        return Section.of("diagnostics", "Diagnostics")
    said = tag("p", "Means over the watched steps of each epoch. The colour is stronger where a number is larger.")
    return Section.of("diagnostics", "Diagnostics", said, *(map_of(name, rows) for name in rows[0]["watch"]))


def map_of(name: str, rows: list[dict[str, Any]]) -> Html:
    """The layers down, the epochs across."""
    at = np.unique(np.linspace(0, len(rows) - 1, COLUMNS).round().astype(int))
    told = [rows[i]["watch"][name] for i in at]
    if not isinstance(told[0], dict):
        told = [{"network": value} for value in told]
    layers, epochs = list(told[0]), [rows[i]["epoch"] for i in at]
    values = np.array(
        [[np.nan if each[layer] is None else each[layer] for each in told] for layer in layers], float
    )
    readings = [["–" if np.isnan(value) else number(value, 2) for value in row] for row in values]
    return heat(WORDS.get(name, name), "layer", epochs, layers, readings, shares(values, name in SHARES))


def shares(values: np.ndarray, are_shares: bool) -> np.ndarray:
    """Numbers as colours from 0 to 1: shares as they are, others by their logarithm over what there is."""
    if are_shares:
        return np.nan_to_num(values)
    logs = np.log(np.where(values > 0, values, np.nan))
    if np.isnan(logs).all():
        return np.zeros(values.shape)
    low, high = np.nanmin(logs), np.nanmax(logs)
    return np.nan_to_num((logs - low) / (high - low if high > low else 1))
