"""A run: epochs one after the other, validation, early stopping, callbacks, and what to do when a loss is lost."""

import difflib
import functools
import inspect
import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from numbers import Integral
from types import NoneType
from typing import Any

import jax
import numpy as np

from deltarule.data.chunks import Chunked
from deltarule.errors import DivergedError, SettingError
from deltarule.training.checkpoint import Checkpoints, Keeper
from deltarule.training.devices import mesh_of, over, own
from deltarule.training.diagnose import explain_divergence
from deltarule.training.epoch import epoch_program
from deltarule.training.evaluate import evaluation_program
from deltarule.training.history import History, Row
from deltarule.training.identity import identity
from deltarule.training.place import Epoch, whole
from deltarule.training.precision import spent
from deltarule.training.processes import agreed, is_first
from deltarule.training.progress import Progress
from deltarule.training.segments import in_segments
from deltarule.training.shuffle import ORDERS
from deltarule.training.standing import Standing, finite
from deltarule.training.step import Batch, State, Step
from deltarule.training.stream_evaluation import stream_evaluation
from deltarule.training.streaming import stream_program
from deltarule.training.watch import Watch, chosen, names_of
from deltarule.training.windows import Source, Window, shape_of, source_program, windows_program

Callback = Callable[[Row], bool | None]
OF_FIT = ("validation", "sample_weight", "lengths", "micro_batches")  # which are no settings of a run
HABITS = {"shuffle": ["order"], "verbose": ["progress"]}  # what other libraries call them


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
        callbacks: functions of an epoch's row of figures, or one; one that returns True stops the run.
        progress: True or False; None shows a live line in a terminal or a notebook.
        window: for recurrent networks a step after every τ time steps, with the state carried on between them:
            τ, or (k1, k2) for a step every k1 whose δ goes back through k2; as `training.windows` states. None
            goes back through all of time.
        checkpoint: a folder, or `Checkpoints`, in which the run is written down as it goes on. SIGINT and SIGTERM
            then end it between two steps, with a checkpoint.
        resume: whether the run goes on from the newest whole checkpoint, and ends bit for bit as if it had never
            stopped; where there is none it begins at its start. A run that is finished is given back as it ended.
        devices: what computes: a number of devices, "all", "cpu", "gpu", "cpu:2", or a list of JAX's; each has its
            share of every minibatch, as `training.devices` states. None leaves the choice to JAX, and takes all
            devices of a run of several processes.
        watch: names of what each epoch's row tells in `row["watch"]`, from `training.watch`, such as ["delta",
            "update"]; or "all" that apply to the network.
        watch_every: one step in so many is watched, and the first of each epoch; 1 watches each, at its price.
    """

    epochs: int = 20
    batch_size: int = 64
    order: str = "permutation"
    patience: int | None = None
    restore_best: bool | None = None
    callbacks: Sequence[Callback] | Callback | None = ()
    progress: bool | None = None
    window: Any = None
    devices: Any = None
    watch: str | Sequence[str] = ()
    watch_every: int = 8
    checkpoint: Checkpoints | str | os.PathLike[str] | None = None
    resume: bool = False

    def __post_init__(self):
        if not isinstance(self.checkpoint, (str, os.PathLike, Checkpoints, NoneType)):
            raise SettingError(f"fit: checkpoint must be a folder, or Checkpoints, got {self.checkpoint!r}")
        if isinstance(self.checkpoint, (str, os.PathLike)):
            object.__setattr__(self, "checkpoint", Checkpoints(self.checkpoint))
        if self.resume and self.checkpoint is None:
            raise SettingError("fit: resume goes on from a checkpoint; say checkpoint, the folder that has it")
        object.__setattr__(self, "callbacks", callbacks_of(self.callbacks))
        if not isinstance(self.watch, (str, list, tuple, set, NoneType)):
            raise SettingError(f"fit: watch must be 'all', or names such as ['delta', 'dead'], got {self.watch!r}")
        object.__setattr__(self, "watch", names_of(self.watch or ()))
        if self.window is not None:
            object.__setattr__(self, "window", Window.of(self.window))
        for name in ("epochs", "batch_size", "patience", "watch_every"):
            value = getattr(self, name)
            said = value is not None or name != "patience"
            if said and (isinstance(value, bool) or not (isinstance(value, Integral) and int(value) >= 1)):
                raise SettingError(f"fit: {name} must be a whole number of at least 1, got {value!r}")
        for name in ("restore_best", "progress", "resume"):
            if not isinstance(getattr(self, name), (bool, np.bool_, Integral, NoneType)):
                raise SettingError(f"fit: {name} must be True, False or None, got {getattr(self, name)!r}")
        if not isinstance(self.order, str) or self.order not in ORDERS:
            raise SettingError(f"fit: order must be one of {', '.join(ORDERS)}, got {self.order!r}")


def callbacks_of(setting: Any) -> tuple[Callback, ...]:
    """The callbacks of a setting: functions of one argument, or one such; raises SettingError.

    >>> callbacks_of(None), callbacks_of(print)
    ((), (<built-in function print>,))
    """
    found: Any = () if setting is None else setting
    if isinstance(found, (str, Mapping)) or not isinstance(found, Iterable):
        found = (setting,)  # one function; what is none is refused
    found = tuple(found)
    for each in found:
        try:
            takes_a_row = callable(each) and inspect.signature(each).bind({}) is not None
        except ValueError:  # one of C, which has no signature
            takes_a_row = True
        except TypeError:
            takes_a_row = False
        if not takes_a_row:
            raise SettingError(
                "fit: callbacks must be functions of one argument, the row of figures of an epoch, or one such "
                f"function, got {each!r}; write callbacks=[lambda row: print(row['loss'])]"
            )
    return found


def run_settings(**settings: Any) -> Settings:
    """The settings of a run; an unknown name is an error that lists the names that are known."""
    unknown = set(settings) - set(Settings.__dataclass_fields__)
    if unknown:
        known = [*Settings.__dataclass_fields__, *OF_FIT]
        near = [HABITS.get(name) or difflib.get_close_matches(name, known, 1) for name in sorted(unknown)]
        meant = {each: None for found in near for each in found if each not in unknown}
        raise SettingError(
            f"fit: unknown setting {', '.join(sorted(unknown))}; expected some of "
            f"{', '.join(Settings.__dataclass_fields__)}" + f"; did you mean {', '.join(meant)}?" * bool(meant)
        )
    return Settings(**settings)


def run(
    step: Step,
    state: State,
    data: Batch | Source | Chunked,
    validation: Batch | Chunked | None,
    settings: Settings,
    history: History | None = None,
) -> tuple[State, History]:
    """Trains from `state` on arrays, a source or a stream; returns the state to keep, with the history.

    A `history` that is given is written as the run goes on, so that the finished epochs outlive an interrupt.

    Raises:
        DataError: all examples that are trained on, or all that are held out, have the weight 0.
        FileError: a folder for checkpoints that cannot be used, or checkpoints of another run.
        Interrupted: a signal ended a run with checkpoints.
        DivergedError: the loss or a parameter became NaN or infinite, or float16's scale fell below 1. The
            history ends with the last good epoch and its state; the message says which epoch, step and layer,
            and what to try.
    """
    for part, name in ((data, "training"), (validation, "held-out")):
        if isinstance(part, Batch):
            step.loss.require_weight(part.target, part.weight, f"fit: {name} examples")
    names = chosen(settings.watch, step.net, state.params)
    watch = Watch.of(step, names, state, shape_of(data), settings.watch_every) if names else None
    zeros = None if watch is None else watch.zeros
    epoch, examples = epoch_of((step if watch is None else watch.step).structure(), data, settings)
    mesh = mesh_of(settings.devices)
    epoch, evaluate = over(mesh, epoch), over(mesh, evaluation_of(step, validation))
    restore = settings.restore_best if settings.restore_best is not None else settings.patience is not None
    at = Standing(restore, History() if history is None else history, state, state)
    history = at.history
    keeper = None
    if isinstance(settings.checkpoint, Checkpoints):
        make = functools.partial(identity, step, state, data, validation, settings)
        keeper = Keeper(settings.checkpoint, at, make)
    callbacks: Any = settings.callbacks
    unattended = settings.patience is None and not callbacks and keeper is None  # but for a loss
    unattended &= not isinstance(data, Chunked)  # whose program waits for each chunk
    wanted = settings.progress if is_first() else False
    with Progress(settings.epochs, examples, wanted) as progress, keeper or nullcontext():
        if keeper is not None:
            keeper.find() if settings.resume else keeper.require_empty()
            at.place(mesh)
        before, ahead, start = at.state, None, time.perf_counter() - at.seconds
        for number in at.epochs(settings.epochs):
            state, after = at.state, None if keeper is None else keeper.after
            begun, place = at.inside or (state._replace(watched=zeros), None)
            moved, loss = ahead or epoch(begun, data, place, after)
            measured = evaluate(moved.params, moved.memory, validation) if validation is not None else ()
            more = unattended and number < settings.epochs
            following = moved._replace(watched=zeros)
            ahead = epoch(following, data, None, None) if more else None  # while the host reads
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
            at.close_epoch(state, row)
            progress.show(row)
            answers = [callback(dict(row)) for callback in callbacks]
            if callbacks and agreed(any(answers)):
                history.ended = "a callback stopped the run"
                break
            if settings.patience is not None and number - history.best_epoch >= settings.patience:
                history.ended = f"no better loss for {settings.patience} epochs"
                break
            if keeper is not None:
                keeper.between(-(-len(data.x) // settings.batch_size) if isinstance(data, Batch) else 0)
        if not finite(at.state.params):
            raise lost(step, before, data, settings, history, len(history.rows))
        if keeper is not None:
            keeper.end()
    return (at.best if restore else at.state), history


def evaluation_of(step: Step, data: Batch | Chunked | None) -> Callable:
    """`(params, memory, data) -> (loss, metric)` for this kind of data."""
    if isinstance(data, Chunked):
        return stream_evaluation(step.net, step.loss, step.precision)
    return evaluation_program(step.net, step.loss, step.precision)


def epoch_of(step: Step, data: Batch | Source | Chunked, settings: Settings) -> tuple[Epoch, int | None]:
    """(an epoch on this data, its examples if known): on arrays one program, or segments for checkpoints."""
    if isinstance(data, Chunked):
        return stream_program(step, settings.batch_size, settings.order), data.examples
    if not isinstance(data, Batch):
        return source_program(step, settings.window), data.examples
    if isinstance(settings.checkpoint, Checkpoints):
        every = settings.checkpoint.every_steps
        return in_segments(step, settings.batch_size, settings.order, settings.window, every), len(data.x)
    if settings.window is not None:
        program = windows_program(step, settings.batch_size, settings.order, settings.window)
    else:
        program = epoch_program(step, settings.batch_size, settings.order)
    return whole(program), len(data.x)


def lost(
    step: Step, state: State, data: Batch | Source | Chunked, settings: Settings, history: History, number: int
) -> DivergedError:
    """The error for a run that was lost in epoch `number`, which starts from the good `state`."""
    del history.rows[number - 1 :]
    history.best_epoch = min(history.best_epoch, number - 1)
    history.state = state
    if isinstance(data, Chunked):
        return DivergedError(
            f"the loss was lost in epoch {number}. The model keeps its parameters from before this epoch. Try a "
            "smaller learning rate (divide it by 10), clip_norm=1.0, or inputs scaled to mean 0 and deviation 1"
        )
    if settings.window is not None or not isinstance(data, Batch):
        return DivergedError(
            f"the loss was lost in epoch {number}. The model keeps its parameters from before this epoch. Try "
            "clip_norm=1.0, because δ can grow with every step back through time, a smaller learning rate (divide "
            "it by 10), a shorter window, or inputs scaled to mean 0 and deviation 1"
        )
    return DivergedError(
        explain_divergence(step, own(state), own(data), settings.batch_size, settings.order, number)
    )
