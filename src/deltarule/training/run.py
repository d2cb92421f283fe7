"""A run: epochs one after the other, validation, early stopping, callbacks, and what to do when a loss is lost."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from numbers import Integral
from typing import Any

import jax
import numpy as np

from deltarule.errors import DivergedError, SettingError
from deltarule.layers.layer import Params
from deltarule.training.diagnose import explain_divergence
from deltarule.training.epoch import epoch_program
from deltarule.training.evaluate import evaluation_program
from deltarule.training.precision import spent
from deltarule.training.progress import Progress
from deltarule.training.shuffle import ORDERS
from deltarule.training.step import Batch, State, Step
from deltarule.training.watch import Watch, chosen, names_of
from deltarule.training.windows import Source, Window, shape_of, source_program, windows_program

Row = dict[str, Any]
Callback = Callable[[Row], bool | None]


@dataclass(frozen=True)
class Settings:
    """How long to train, in what order, and when to stop.

    Args:
        epochs: passes over the data.
        batch_size: examples a step; the last batch of an epoch may be smaller.
        order: "permutation" each epoch, "replacement" as in the theory, or "none".
        patience: epochs without a better validation loss (without validation: training loss) before the run
            stops; None runs to the end.
        restore_best: whether the parameters of the best epoch are kept rather than the last epoch's. By
            default they are where there is a patience.
        callbacks: functions of an epoch's row of figures; one that returns True stops the run.
        progress: True or False; None shows a live line where standard error is a terminal.
        window: for recurrent networks a step after every τ time steps, with the state carried on between them:
            τ, or (k1, k2) for a step every k1 whose δ goes back through k2; as `training.windows` states. None
            goes back through all of time.
        watch: names of what each epoch's row tells in `row["watch"]`, from `training.watch`, such as ["delta",
            "update"]; or "all" that apply to the network.
    """

    epochs: int = 20
    batch_size: int = 64
    order: str = "permutation"
    patience: int | None = None
    restore_best: bool | None = None
    callbacks: Sequence[Callback] = ()
    progress: bool | None = None
    window: Any = None
    watch: str | Sequence[str] = ()

    def __post_init__(self):
        object.__setattr__(self, "watch", names_of(self.watch))
        if self.window is not None:
            object.__setattr__(self, "window", Window.of(self.window))
        for name in ("epochs", "batch_size", "patience"):
            value = getattr(self, name)
            if value is not None and not (isinstance(value, Integral) and int(value) >= 1):
                raise SettingError(f"fit: {name} must be a whole number of at least 1, got {value!r}")
        if self.order not in ORDERS:
            raise SettingError(f"fit: order must be one of {', '.join(ORDERS)}, got {self.order!r}")


def run_settings(**settings: Any) -> Settings:
    """The settings of a run; an unknown name is an error that lists the names that are known."""
    unknown = set(settings) - set(Settings.__dataclass_fields__)
    if unknown:
        raise SettingError(
            f"fit: unknown setting {', '.join(sorted(unknown))}; expected some of "
            f"{', '.join(Settings.__dataclass_fields__)}"
        )
    return Settings(**settings)


@dataclass
class History:
    """What happened: one row of figures an epoch, and why the run ended.

    In float16 a row has the scale after the epoch, and the number of steps skipped so far in the run; where
    something is watched it has the figures of each layer in row["watch"].
    """

    rows: list[Row] = field(default_factory=list)
    best_epoch: int = 0
    ended: str = "all epochs"
    state: State | None = field(default=None, repr=False, compare=False)  # after the last good epoch

    def __getitem__(self, name: str) -> list[Any]:
        """One figure over the epochs, such as history["loss"]."""
        return [row[name] for row in self.rows]

    def watch(self, name: str) -> Any:
        """What was watched over the epochs: an array for each layer, or, of the network's noise, one array.

        NaN stands for a noise scale that could not be told.

        Raises:
            SettingError: nothing of this name was watched.
        """
        told = [row.get("watch", {}) for row in self.rows]
        known = list(told[0]) if told else []
        if name not in known:
            raise SettingError(
                f"history: {name!r} was not watched in this run, but {', '.join(known) or 'nothing'}; "
                f"fit(..., watch=[{name!r}]) does"
            )
        first = told[0][name]
        if not isinstance(first, dict):
            return np.array([epoch[name] for epoch in told], float)
        return {layer: np.array([epoch[name][layer] for epoch in told]) for layer in first}


def run(
    step: Step,
    state: State,
    data: Batch | Source,
    validation: Batch | None,
    settings: Settings,
    history: History | None = None,
) -> tuple[State, History]:
    """Trains from `state` on arrays, or on a source of sequences; returns the state to keep, with the history.

    A `history` that is given is written as the run goes on, so that the finished epochs outlive an interrupt.

    Raises:
        DivergedError: the loss or a parameter became NaN or infinite, or float16's scale fell below 1. The
            history ends with the last good epoch and its state; the message says which epoch, step and layer,
            and what to try.
    """
    names = chosen(settings.watch, step.net, state.params)
    watch = Watch.of(step, names, state, shape_of(data)) if names else None
    zeros = None if watch is None else watch.zeros
    epoch, examples = epoch_of((step if watch is None else watch.step).structure(), data, settings)
    evaluate = evaluation_program(step.net, step.loss, step.precision)
    history = History() if history is None else history
    before, best, best_loss = state, state, float("inf")
    restore = settings.restore_best if settings.restore_best is not None else settings.patience is not None
    unattended = settings.patience is None and not settings.callbacks  # nothing but a loss can end the run early
    ahead = None
    start = time.perf_counter()
    with Progress(settings.epochs, examples, settings.progress) as progress:
        for number in range(1, settings.epochs + 1):
            moved, loss = ahead or epoch(state._replace(watched=zeros), data)
            measured = evaluate(moved.params, moved.memory, validation) if validation is not None else ()
            more = unattended and number < settings.epochs
            ahead = epoch(moved._replace(watched=zeros), data) if more else None  # while the host reads
            sums = None if watch is None else watch.sums(moved)
            loss, scale, sums, *measured = jax.device_get((loss, moved.scale, sums, *measured))
            if not np.isfinite(loss) or spent(scale):
                if not finite(state.params):  # lost in the last step of the epoch before
                    state, number = before, number - 1
                raise lost(step, state, data, settings, history, number)
            before, state = state, moved._replace(watched=None)
            row: Row = {"epoch": number, "loss": float(loss)}
            if measured:
                row["validation_loss"] = float(measured[0])
                row[f"validation_{step.loss.metric_name}"] = float(measured[1])
            if scale is not None:
                row |= {"scale": int(scale.factor), "skipped": int(scale.skipped)}
            if watch is not None:
                row["watch"] = watch.row(*sums)
            row["seconds"] = time.perf_counter() - start
            history.rows.append(row)
            history.state = state

            watched = row.get("validation_loss", row["loss"])
            if watched < best_loss or not history.best_epoch:
                best, best_loss, history.best_epoch = state, watched, number
            progress.show(row)
            answers = [callback(dict(row)) for callback in settings.callbacks]
            if any(answers):
                history.ended = "a callback stopped the run"
                break
            if settings.patience is not None and number - history.best_epoch >= settings.patience:
                history.ended = f"no better loss for {settings.patience} epochs"
                break
    if not finite(state.params):
        raise lost(step, before, data, settings, history, len(history.rows))
    return (best if restore else state), history


def epoch_of(step: Step, data: Batch | Source, settings: Settings) -> tuple[Callable, int]:
    """(the program of an epoch on this data, how many examples it has)."""
    if not isinstance(data, Batch):
        return source_program(step, settings.window), data.examples
    if settings.window is not None:
        return windows_program(step, settings.batch_size, settings.order, settings.window), len(data.x)
    return epoch_program(step, settings.batch_size, settings.order), len(data.x)


def lost(
    step: Step, state: State, data: Batch | Source, settings: Settings, history: History, number: int
) -> DivergedError:
    """The error for a run that was lost in epoch `number`, which starts from the good `state`."""
    del history.rows[number - 1 :]
    history.best_epoch = min(history.best_epoch, number - 1)
    history.state = state
    if settings.window is not None or not isinstance(data, Batch):
        return DivergedError(
            f"the loss was lost in epoch {number}. The model keeps its parameters from before this epoch. Try "
            "clip_norm=1.0, because δ can grow with every step back through time, a smaller learning rate (divide "
            "it by 10), a shorter window, or inputs scaled to mean 0 and deviation 1"
        )
    return DivergedError(explain_divergence(step, state, data, settings.batch_size, settings.order, number))


def finite(params: Params) -> bool:
    """Whether every parameter is a number."""
    return all(np.isfinite(leaf).all() for leaf in jax.device_get(jax.tree.leaves(params)))
