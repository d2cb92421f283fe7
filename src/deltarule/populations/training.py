"""Candidates trained together: those of equal structure are one population, and halving ends the worse ones early.

    rung j = 1, ..., J at epoch E η^(j−J):   of the configurations that are left, the best 1/η go on

Source of halving: Jamieson and Talwalkar 2016, Non-stochastic best arm identification.
"""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from deltarule.cache import use_compilation_cache
from deltarule.errors import SettingError
from deltarule.examples import training_examples
from deltarule.model import Model, Validation
from deltarule.training.devices import set_up_cpus
from deltarule.training.population import TRAINS, Population, Rows
from deltarule.training.progress import Progress
from deltarule.training.run import Settings, run_settings
from deltarule.training.step import Batch
from deltarule.training.windows import check_window

ROUND = 0.3  # seconds, below which the next round is of twice as many epochs


@dataclass(frozen=True)
class Candidate:
    """A model to be trained.

    Attributes:
        configuration: which one it is of; those that differ in seed or fold alone are of the same.
        rows: the examples that it learns from, and those that it is held against; None takes what all have.
    """

    model: Model
    settings: Settings
    configuration: int = 0
    rows: tuple[np.ndarray, np.ndarray] | None = None


def settings_of(examples: int, epochs: int, batch_size: int | None, **settings: Any) -> Settings:
    """The settings of a candidate's run; raises SettingError for one that cannot be, or that is for one model."""
    for name in ("callbacks", "watch", "checkpoint", "devices"):
        if settings.get(name):
            raise SettingError(f"fit: {name} is for a single model, and this is a population; leave it out")
    chosen = run_settings(epochs=epochs, batch_size=batch_size or min(64, examples), **settings)
    if chosen.batch_size > examples:
        raise SettingError(
            f"fit: batch_size {chosen.batch_size} is larger than the {examples} training examples; choose "
            f"batch_size={min(64, examples)}"
        )
    return chosen


def examples_for(
    model: Model, x: Any, y: Any, sample_weight: Any, lengths: Any, validation: Validation
) -> tuple[Batch, Batch | None]:
    """(training examples, held-out examples), as `Model.fit` takes them."""
    data, held_out = training_examples(model.batch, x, y, sample_weight, lengths, validation, model.seed)
    if not isinstance(data, Batch) or not isinstance(held_out, Batch | None):
        raise SettingError(
            "fit: streams and batches are for a single model, and this is a population; give arrays"
        )
    return data, held_out


def train(
    candidates: Sequence[Candidate], data: Batch, held_out: Batch | None, halving: float | None = None
) -> int:
    """Trains every candidate's model from where it is; each then has its state and history, as after `Model.fit`.

    Returns:
        How many programs it took.

    Raises:
        SettingError: halving that is not above 1, or without examples that are held out.
    """
    if halving is not None and not halving > 1:
        raise SettingError(f"fit: halving must be above 1, since 1/halving go on at each rung, got {halving}")
    if halving is not None and held_out is None and candidates[0].rows is None:
        raise SettingError("fit: halving needs a validation, by which it chooses; say validation=0.2")
    set_up_cpus(None)
    use_compilation_cache()
    groups = grouped(candidates, data, held_out)
    rungs = rungs_of(candidates, halving)
    longest = max(candidate.settings.epochs for candidate in candidates)
    with Progress(longest, None, candidates[0].settings.progress) as progress:
        for rung, share in enumerate(rungs):
            for _, population in groups:
                advance(population, math.ceil(share * population.settings.epochs), progress)
            if halving is not None and rung < len(rungs) - 1:
                drop(candidates, groups, halving)
    for group, population in groups:
        for index, (state, history) in zip(group, population.results(), strict=True):
            model = candidates[index].model
            model.state, model.history, model.input_shape = jax.device_get(state), history, data.x.shape[1:]
    return len(groups)


Groups = list[tuple[list[int], Population]]


def grouped(candidates: Sequence[Candidate], data: Batch, held_out: Batch | None) -> Groups:
    """The candidates of each structure, by their places, and the population that they are."""
    found: dict[Any, list[int]] = {}
    for index, candidate in enumerate(candidates):
        sizes = None if candidate.rows is None else tuple(map(len, candidate.rows))
        found.setdefault((candidate.model.step().structure(), candidate.settings, sizes), []).append(index)
    groups = []
    for (_, settings, _), indices in found.items():
        members = [candidates[index] for index in indices]
        step, rows = members[0].model.step(), None
        check_window(settings.window, step.net, data, settings.batch_size, 1)
        if members[0].rows is not None:
            pairs = [member.rows for member in members if member.rows is not None]
            rows = Rows(*(np.stack(side).astype(np.int32) for side in zip(*pairs, strict=True)))
        states = [jax.device_get(m.model.ready(m.model.step(), data.x.shape)) for m in members]
        groups.append((indices, Population(step, states, data, held_out, settings, rows)))
    return groups


def rungs_of(candidates: Sequence[Candidate], halving: float | None) -> list[float]:
    """The shares of a run after which candidates are compared; the last is 1."""
    if halving is None:
        return [1.0]
    configurations = len({candidate.configuration for candidate in candidates})
    epochs = min(candidate.settings.epochs for candidate in candidates)
    rungs = math.floor(math.log(max(min(configurations, epochs), 1), halving) + 1e-9)
    return [halving ** (rung - rungs) for rung in range(rungs + 1)]


def advance(population: Population, until: int, progress: Progress) -> None:
    """Trains a population to the end of epoch `until`, in rounds after which progress is told."""
    epochs = 1
    while population.epoch < until and (population.ended == TRAINS).any():
        began = time.perf_counter()
        population.advance(min(population.epoch + epochs, until))
        lowest = np.nanmin(population.figures[..., 1], initial=np.inf)
        now = time.perf_counter()
        row = {"lowest_loss": float(lowest), "training": int((population.ended == TRAINS).sum())}
        progress.show({"epoch": population.epoch, **row, "seconds": now - progress.started})
        if now - began < ROUND:
            epochs *= 2


def drop(candidates: Sequence[Candidate], groups: Groups, halving: float) -> None:
    """Ends the members of all configurations but the best 1/halving of those that are left.

    A configuration is as good as the mean of its members' lowest validation losses so far.
    """
    lowest, left = np.full(len(candidates), np.inf), np.zeros(len(candidates), bool)
    for group, population in groups:
        figures = population.figures[..., 1]
        lowest[group] = np.where(np.isnan(figures), np.inf, figures).min(1)
        left[group] = population.ended == TRAINS
    configuration = np.array([candidate.configuration for candidate in candidates])
    scores = {each: lowest[configuration == each].mean() for each in np.unique(configuration[left])}
    kept = sorted(scores, key=lambda each: scores[each])[: max(1, math.ceil(len(scores) / halving))]
    for group, population in groups:
        population.drop(~np.isin(configuration[group], kept))
