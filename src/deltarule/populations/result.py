"""What a sweep found: every member's row, the configurations in their order, and what each setting did."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from deltarule.displayed import Displayed
from deltarule.model import Model
from deltarule.populations.space import Configuration
from deltarule.populations.training import Candidate, train
from deltarule.populations.variation import varied
from deltarule.training.step import Batch

Row = dict[str, Any]
PARTS = 5  # into which the values of a distribution are divided


class Result(Displayed):
    """The members of a sweep, trained.

    Attributes:
        rows: a member each: its configuration, `fold` where there are folds, the validation loss and metric of
            its best epoch, `best_epoch`, `epochs` trained, and why it `ended`.
        ranking: a configuration each, the best first: the means of its members (over seeds and folds), their
            standard deviation, and how many `members` it has.
        programs: how many were compiled, one for each structure.
    """

    shown_by = "populations.display.of_sweep"

    def __init__(
        self, varied: Sequence[Configuration], candidates: Sequence[Candidate], data: Batch, programs: int
    ):
        self.candidates, self.data, self.programs = candidates, data, programs
        self.folds = len(candidates) // len(varied)
        self.metric = f"validation_{candidates[0].model.loss.metric_name}"
        self.names = list(varied[0])
        self.rows = [
            {**varied[index // self.folds], **self.measured(candidate, index)}
            for index, candidate in enumerate(candidates)
        ]
        self.ranking = sorted(map(self.of_configuration, self.members()), key=lambda row: row["validation_loss"])

    def measured(self, candidate: Candidate, index: int) -> Row:
        """The figures of a member."""
        history = candidate.model.history
        best = history.rows[history.best_epoch - 1] if history.best_epoch else {}
        return {
            **({"fold": index % self.folds} if self.folds > 1 else {}),
            "validation_loss": best.get("validation_loss", math.inf),
            self.metric: best.get(self.metric, math.nan),
            "best_epoch": history.best_epoch,
            "epochs": len(history.rows),
            "ended": history.ended,
        }

    def members(self) -> list[list[int]]:
        """The places of each configuration's members."""
        found: dict[int, list[int]] = {}
        for index, candidate in enumerate(self.candidates):
            found.setdefault(candidate.configuration, []).append(index)
        return list(found.values())

    def of_configuration(self, members: list[int]) -> Row:
        """The row of a configuration."""
        rows = [self.rows[index] for index in members]
        settings = {name: rows[0][name] for name in self.names if name != "seed"}
        loss, metric = ([row[name] for row in rows] for name in ("validation_loss", self.metric))
        spread = float(np.std(loss)) if np.isfinite(loss).all() else math.nan
        means = {"validation_loss": float(np.mean(loss)), self.metric: float(np.mean(metric)), "deviation": spread}
        epochs = round(float(np.mean([row["best_epoch"] for row in rows])))
        return {**settings, **means, "best_epoch": epochs, "members": len(rows)}

    @property
    def place(self) -> int:
        """Where the best member is: that of the best configuration with the lowest validation loss."""
        members = min(self.members(), key=lambda each: self.of_configuration(each)["validation_loss"])
        return min(members, key=lambda index: self.rows[index]["validation_loss"])

    @property
    def best_row(self) -> Row:
        """The row of the best member."""
        return self.rows[self.place]

    def best(self) -> Model:
        """The best model.

        Of folds none has seen all examples, so the best configuration is trained anew on all of them, for as many
        epochs as were best on average.
        """
        chosen = self.candidates[self.place]
        if self.folds == 1:
            return chosen.model
        return again(chosen, self.data, max(1, self.ranking[0]["best_epoch"]))

    def effects(self) -> dict[str, dict[str, Any]]:
        """What each setting did to the validation loss, over the members whose loss is finite.

        For each setting `share` is the share of the variance of log loss that its values explain (η², the
        correlation ratio), and `values` holds the mean loss at each, or in each fifth of a distribution.
        """
        rows = [row for row in self.rows if math.isfinite(row["validation_loss"])]
        losses = [row["validation_loss"] for row in rows]
        return {name: effect([row[name] for row in rows], losses) for name in self.names}

    def to_json(self) -> dict[str, Any]:
        """All of it as plain JSON."""
        return {"rows": self.rows, "ranking": self.ranking, "effects": self.effects()}

    def figure(self) -> bytes:
        """The validation loss against each setting, as SVG."""
        from deltarule.populations.figure import against_settings

        return against_settings(self)

    def __repr__(self) -> str:
        return table(self.ranking[:10], f"{len(self.ranking)} configurations, {len(self.rows)} models")


def again(candidate: Candidate, data: Batch, epochs: int) -> Model:
    """The candidate's model, trained on all examples."""
    model, alone = varied(candidate.model, {}), {"patience": None, "checkpoint": None, "resume": False}
    train([Candidate(model, replace(candidate.settings, epochs=epochs, **alone))], data, None)
    return model


def effect(values: list[Any], losses: list[float]) -> dict[str, Any]:
    """The share of the variance of log loss that values explain, and the mean loss at each."""
    logs = np.log(np.maximum(losses, np.finfo(np.float32).eps))  # below it a float32 loss says nothing
    labels = levels(values)
    order = dict.fromkeys(label for _, label in sorted(zip(values, labels, strict=True), key=rank))
    means = {each: float(logs[[label == each for label in labels]].mean()) for each in order}
    explained = float(np.mean([(means[label] - logs.mean()) ** 2 for label in labels])) if len(logs) else 0.0
    share = explained / float(logs.var()) if len(logs) and logs.var() > 0 else 0.0
    return {"share": share, "values": {label: math.exp(mean) for label, mean in means.items()}}


def rank(pair: tuple[Any, str]) -> tuple[bool, Any]:
    """By what values are put in order: numbers before text."""
    value, label = pair
    return (False, value) if isinstance(value, (int, float)) else (True, label)


def levels(values: list[Any]) -> list[str]:
    """Each value as text; or, of numbers that are nearly all different, the fifth that it is in."""
    different = sorted(set(map(repr, values)))
    numbers = all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in values)
    if not numbers or len(different) <= 2 * PARTS:
        return [shown(value) for value in values]
    edges = np.quantile(values, np.linspace(0, 1, PARTS + 1))
    part = np.clip(np.searchsorted(edges, values, side="right") - 1, 0, PARTS - 1)
    return [f"{edges[p]:.3g} to {edges[p + 1]:.3g}" for p in part]


def table(rows: Sequence[Row], title: str) -> str:
    """Rows as text, a line each, with the names above."""
    names = list(rows[0]) if rows else []
    cells = [names, *([shown(row[name]) for name in names] for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(names))]
    lines = ["  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)) for line in cells]
    return "\n".join([title, *lines])


def shown(value: Any) -> str:
    """A figure in four digits, anything else as it is."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)
