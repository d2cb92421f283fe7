"""A fit that is ready to run: by itself, or with others that wait for the same program."""

import hashlib
from collections.abc import Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

import jax
import numpy as np
from sklearn.utils import check_random_state

from deltarule.errors import DivergedError
from deltarule.model import Model
from deltarule.populations.training import Candidate, train
from deltarule.training.devices import set_up_cpus
from deltarule.training.history import History
from deltarule.training.population import ENDED, LOST
from deltarule.training.run import Settings
from deltarule.training.step import Batch


@dataclass(frozen=True)
class Job:
    """A model, what it is to learn, what it is held against, and how long it learns."""

    model: Model
    data: Batch
    held_out: Batch | None
    settings: Settings


class Waiting(BaseException):
    """A fit has been put among those that are trained together; it passes by whatever catches an Exception."""


@dataclass
class Turn:
    """A task's part in a population: its first fit leaves its job here, and takes it when the task runs again."""

    job: Job | None = None
    trained: bool = False

    def take(self, job: Job) -> Model:
        """The trained model of a job; before the population is trained, raises Waiting."""
        if not self.trained:
            if job.settings.patience is None or job.held_out is not None:  # else it watches its training loss
                self.job = job
            raise Waiting
        mine, self.job = self.job, None
        if mine is None or not same(mine, job):
            return alone(job)
        if mine.model.history.ended == ENDED[LOST]:
            raise DivergedError(
                f"fit: the loss was lost after epoch {len(mine.model.history.rows)}; try a smaller learning_rate "
                "(divide it by 10), clip_norm=1.0, or standardise=True"
            )
        return mine.model


TURN: ContextVar[Turn | None] = ContextVar("deltarule_turn", default=None)


def seed_of(random_state: Any) -> int:
    """The seed of a fit that begins, drawn once where its task runs twice, so that both runs prepare one job."""
    turn = TURN.get()
    if turn is not None and turn.trained and turn.job is not None:
        return turn.job.model.seed
    return int(check_random_state(random_state).randint(np.iinfo(np.int32).max))


def same(first: Job, then: Job) -> bool:
    """Whether two jobs are the same fit; a task that draws at random may prepare another when it runs again."""
    arrays = [jax.tree.leaves((job.data, job.held_out)) for job in (first, then)]
    return (
        first.settings == then.settings
        and first.model.step() == then.model.step()
        and len(arrays[0]) == len(arrays[1])
        and all(map(np.array_equal, *arrays))
    )


def trained(job: Job) -> Model:
    """The job's model, trained. Raises as `Model.fit` does."""
    turn = TURN.get()
    return alone(job) if turn is None else turn.take(job)


def alone(job: Job) -> Model:
    """The job's model, trained by itself."""
    set_up_cpus(None)  # a population that may follow has a device a core
    model, chosen = job.model, job.settings
    model.fit(
        job.data.x,
        job.data.target,
        sample_weight=job.data.weight,
        validation=None if job.held_out is None else tuple(job.held_out[:3]),
        epochs=chosen.epochs,
        batch_size=chosen.batch_size,
        patience=chosen.patience,
        progress=chosen.progress,
    )
    model.state, model.history.state = jax.device_get(model.state), None
    return model


def together(jobs: Sequence[Job]) -> None:
    """Trains the jobs' models, those of one structure in one program.

    A population's members each take rows of one data set; here it is made of the different data sets of the
    jobs, one behind the other, such as the training parts of folds, each standardised by itself.
    """
    alike: dict[Any, list[Job]] = {}
    for job in jobs:
        x, target = job.data.x, job.data.target
        alike.setdefault((x.shape[1:], target.shape[1:], target.dtype.name), []).append(job)
    for group in alike.values():
        parts = Parts()
        candidates = [Candidate(job.model, job.settings, at, parts.rows_of(job)) for at, job in enumerate(group)]
        train(candidates, parts.joined(), None)
        for job in group:
            if job.held_out is None:
                job.model.history = without_validation(job.model.history)
            job.model.history.state = None


@dataclass
class Parts:
    """Data sets one behind the other, each different one once."""

    batches: list[Batch] = field(default_factory=list)
    starts: dict[bytes, int] = field(default_factory=dict)
    length: int = 0

    def rows_of(self, job: Job) -> tuple[np.ndarray, np.ndarray]:
        """(training rows, held-out rows) of a job; one that holds nothing out is measured on its first row."""
        training = self.add(job.data)
        return training, training[:1] if job.held_out is None else self.add(job.held_out)

    def add(self, batch: Batch) -> np.ndarray:
        """The rows where the batch lies."""
        digest = hashlib.sha256(repr(batch.x.shape).encode())
        for array in batch[:3]:
            digest.update(np.asarray(array).tobytes())
        key = digest.digest()
        if key not in self.starts:
            self.batches.append(batch)
            self.starts[key] = self.length
            self.length += len(batch.x)
        return np.arange(self.starts[key], self.starts[key] + len(batch.x))

    def joined(self) -> Batch:
        """All of them."""
        columns = zip(*(batch[:3] for batch in self.batches), strict=True)
        return Batch(*(np.concatenate(arrays) for arrays in columns))  # type: ignore[arg-type]


def without_validation(history: History) -> History:
    """The history of a member that was held against nothing."""
    rows = [{"epoch": row["epoch"], "loss": row["loss"]} for row in history.rows]
    best = 1 + int(np.argmin([row["loss"] for row in rows])) if rows else 0
    return History(rows, best, history.ended)
