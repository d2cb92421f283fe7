"""Candidates trained together: those of equal structure are one population, and halving ends the worse ones early.

    rung j = 1, ..., J at epoch E η^(j−J):   of the configurations that are left, the best 1/η go on

Source of halving: Jamieson and Talwalkar 2016, Non-stochastic best arm identification.
"""

import math
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, Self

import jax
import numpy as np

from deltarule.cache import use_compilation_cache
from deltarule.errors import SettingError
from deltarule.examples import training_examples
from deltarule.model import Model, Validation
from deltarule.populations.standing import Standing, identity
from deltarule.settings import is_number
from deltarule.training.checkpoint import Checkpoints, Keeper
from deltarule.training.devices import set_up_cpus
from deltarule.training.population import TRAINS, Cohort, Population, Rows, begun
from deltarule.training.progress import Progress
from deltarule.training.run import Settings, run_settings
from deltarule.training.step import Batch
from deltarule.training.windows import check_window

ROUND = 0.3  # seconds, below which the next round is of twice as many epochs
Groups = list[tuple[list[int], Cohort]]
After = Callable[[Cohort, int], None]


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
    for name in ("callbacks", "watch", "devices"):
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
) -> tuple[Batch, Batch | None, list[str]]:
    """(training examples, held-out examples, the columns of a data frame), as `Model.fit` takes them."""
    columns: list[str] = []
    given = x, y, sample_weight, lengths, validation
    data, held_out = training_examples(model.batch, *given, model.seed, columns)
    if not isinstance(data, Batch) or not isinstance(held_out, Batch | None):
        raise SettingError(
            "fit: streams and batches are for a single model, and this is a population; give arrays"
        )
    return data, held_out, columns


class Here:
    """The devices of this process, which train one population after the other."""

    population: type[Cohort] = Population

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: Any) -> None:
        pass

    def advance(self, populations: Sequence[Any], share: float, after: After) -> None:
        """Trains populations for a share of their epochs, in rounds; `after` is told of each, and of how many."""
        for population in populations:
            until, epochs = math.ceil(share * population.settings.epochs), 1
            while (before := population.epoch) < until:
                began = time.perf_counter()
                population.advance(min(before + epochs, until))
                after(population, population.epoch - before)
                if time.perf_counter() - began < ROUND:
                    epochs *= 2


def train(
    candidates: Sequence[Candidate],
    data: Batch,
    held_out: Batch | None,
    halving: float | None = None,
    where: Any = None,
    columns: Sequence[str] = (),
) -> int:
    """Trains every candidate's model from where it is; each then has its state and history, as after `Model.fit`.

    The first candidate's settings say for all of them whether there are checkpoints, and a live line.

    Args:
        columns: those of the data frame that the examples came in, which the models keep.
        where: what trains them, such as `populations.cluster.Cluster`; None takes this process's devices.

    Returns:
        How many programs it took.

    Raises:
        SettingError: halving that is not above 1, or without examples that are held out.
        FileError, Interrupted: as of a run with checkpoints.
    """
    if halving is not None and not (is_number(halving) and halving > 1):
        raise SettingError(
            f"fit: halving must be a number above 1, since 1/halving go on at each rung, got {halving!r}"
        )
    if halving is not None and held_out is None and candidates[0].rows is None:
        raise SettingError("fit: halving needs a validation, by which it chooses; say validation=0.2")
    set_up_cpus(None)
    use_compilation_cache()
    with where or Here() as at_work:
        groups = grouped(candidates, data, held_out, at_work.population)
        notes = through(candidates, groups, data, held_out, halving, at_work.advance)
    for group, population in groups:
        for index, (state, history) in zip(group, population.results(), strict=True):
            model = candidates[index].model
            history.notes = list(notes)
            model.state, model.history, model.input_shape = jax.device_get(state), history, data.x.shape[1:]
            model.notes |= {"columns": list(columns)} if columns else {}
    return len(groups)


def through(
    candidates: Sequence[Candidate],
    groups: Groups,
    data: Batch,
    held_out: Batch | None,
    halving: float | None,
    advance: Callable[[Sequence[Any], float, After], None],
) -> list[str]:
    """Takes populations through all rungs, from where their newest checkpoint is; notes on checkpoints."""
    longest = max(candidate.settings.epochs for candidate in candidates)
    chosen, at = candidates[0].settings, Standing([population for _, population in groups])
    keeper = None
    if isinstance(chosen.checkpoint, Checkpoints):
        keeper = Keeper(chosen.checkpoint, at, lambda: identity(at.populations, data, held_out, halving))
    with Progress(longest, None, chosen.progress) as progress, keeper or nullcontext():

        def after(population: Cohort, epochs: int) -> None:
            lowest = np.nanmin(population.figures[..., 1], initial=np.inf)
            row = {"lowest_loss": float(lowest), "training": int((population.ended == TRAINS).sum())}
            seconds = time.perf_counter() - progress.started
            progress.show({"epoch": population.epoch, **row, "seconds": seconds})
            if keeper is not None:
                keeper.between(epochs * population.minibatches)

        if keeper is not None:
            keeper.find() if chosen.resume else keeper.require_empty()
        for share in rungs_of(candidates, halving)[at.rung :]:
            advance(at.populations, share, after)
            if halving is not None and share < 1:
                drop(candidates, groups, halving)
            at.rung += 1
        if keeper is not None:
            keeper.end()
    return at.notes


def grouped(
    candidates: Sequence[Candidate], data: Batch, held_out: Batch | None, population: type[Cohort]
) -> Groups:
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
        groups.append((indices, population(step, begun(states, settings), data, held_out, settings, rows)))
    return groups


def rungs_of(candidates: Sequence[Candidate], halving: float | None) -> list[float]:
    """The shares of a run after which candidates are compared; the last is 1."""
    if halving is None:
        return [1.0]
    configurations = len({candidate.configuration for candidate in candidates})
    epochs = min(candidate.settings.epochs for candidate in candidates)
    rungs = math.floor(math.log(max(min(configurations, epochs), 1), halving) + 1e-9)
    return [halving ** (rung - rungs) for rung in range(rungs + 1)]


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
