"""Truncated back-propagation through time: a step after each window, in which the state before it is a constant.

    ρ_k = Σ_{t = τk+1}^{τ(k+1)} ρ(Y_t, Ŷ_t),   (H, C)_{τk} carried on from window k − 1

The state of a recurrent layer is its memory, memory is a constant of the step, and so δ stops where the window
begins. A step costs O(τ) in time and in memory, however long the sequences are. As everywhere the weights carry a
mean: ρ_k is divided by the number of its predictions, so that the learning rate does not depend on τ.
"""

import functools
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from numbers import Integral
from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np

from deltarule.data.arrays import as_features
from deltarule.data.chunks import Chunked
from deltarule.errors import SettingError, ShapeError
from deltarule.kernels.shares import whole
from deltarule.layers.layer import Layer, Shape, inner_layers
from deltarule.layers.recurrent import Recurrent
from deltarule.training.carried import carrying, closed, opened
from deltarule.training.epoch import compiler_options, mean_loss
from deltarule.training.padded import require_apart, require_two
from deltarule.training.place import After, Epoch, Place
from deltarule.training.shuffle import ORDERS
from deltarule.training.step import Batch, Report, State, Step


@dataclass(frozen=True)
class Window:
    """A step after every `stride` time steps (k1), whose δ goes back through `length` of them (k2).

    Each prediction counts once, in the step for which it is among the last `stride`. With both numbers equal to τ
    the windows lie end to end; a longer one also reaches into what the window before has seen.

    Source: Williams and Peng 1990; the names k1, k2 are Sutskever's (2013).

    >>> Window.of(32), Window.of((8, 32))
    (Window(length=32, stride=32), Window(length=32, stride=8))
    """

    length: int
    stride: int

    @classmethod
    def of(cls, setting: Any) -> "Window":
        """The window of a setting τ or (k1, k2); raises SettingError."""
        numbers = tuple(setting) if isinstance(setting, (tuple, list)) else (setting, setting)
        whole = all(isinstance(k, Integral) and not isinstance(k, bool) for k in numbers)
        if not whole or len(numbers) != 2 or not 1 <= numbers[0] <= numbers[1]:
            raise SettingError(
                "fit: window must be a whole number τ of at least 1, or (k1, k2) with 1 ≤ k1 ≤ k2, got "
                f"{setting!r}"
            )
        stride, length = map(int, numbers)
        return cls(length, stride)


class Source(Protocol):
    """Sequences side by side that come from outside in chunks, read as far as they are needed.

    Attributes:
        chunk_shape: (n, C, ...), that of x in a chunk; the last one may have fewer time steps.
        examples: how many predictions an epoch has.

    One with `fingerprint() -> str`, a checksum, keeps a run from going on with other sequences.
    """

    chunk_shape: tuple[int, ...]
    examples: int

    def epoch(self, number: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """(x, y) of shape (n, C, ...), in order; each chunk goes on where the one before ended."""
        ...


def as_source(x: Any, weight: Any, lengths: Any) -> Source | Chunked:
    """x as a source, a stream or batches; raises SettingError where it is none, or for settings of arrays."""
    if not isinstance(x, Chunked) and not all(hasattr(x, name) for name in ("chunk_shape", "examples", "epoch")):
        raise SettingError(
            "expected targets y; or as x batches (x, y) such as a DataLoader's, a stream (deltarule.stream), "
            "or a source of sequences with chunk_shape, examples and epoch(number)"
        )
    if weight is not None or lengths is not None:
        raise SettingError(
            "fit: sample_weight and lengths go with arrays x and y, not with a source, a stream or batches"
        )
    return x


def shape_of(data: Batch | Source | Chunked) -> Shape:
    """That of x."""
    if isinstance(data, Chunked):
        return data.shape
    return data.x.shape if isinstance(data, Batch) else tuple(data.chunk_shape)


def check_window(
    window: Window | None, net: Layer, data: Batch | Source | Chunked, batch_size: int, parts: int
) -> None:
    """Raises SettingError or ShapeError where data and network cannot be read in windows."""
    if isinstance(data, Chunked):
        if window is not None:
            raise SettingError("fit: window goes with sequences in memory or from a source; leave it out")
        return
    source, shape = not isinstance(data, Batch), shape_of(data)
    if isinstance(data, Batch) and data.mask is not None:
        require_apart(net, shape, data.weight.shape)
    if isinstance(data, Batch) and net.mixes_examples:
        require_two(window, data, batch_size)
    if window is None:
        if source:
            raise SettingError("fit: a source is read in windows; choose window, how many steps δ goes back")
        return
    if not is_recurrent(net):
        raise SettingError(
            "fit: window is for networks with a Recurrent layer, and this one has none; leave it out"
        )
    outputs = net.shape(shape)
    if len(outputs) < 3 or outputs[:2] != shape[:2]:
        raise ShapeError(
            "fit: with a window every time step needs its prediction, (n, t, ...), but the network gives "
            f"{outputs} for {shape}; choose last=False, or leave the window out"
        )
    if window.length > shape[1]:
        raise SettingError(
            f"fit: a window of {window.length} steps is longer than the {shape[1]} of the sequences; choose "
            f"window={shape[1]} or less, or leave it out to go back through all of time"
        )
    if parts > 1:
        raise SettingError("fit: micro_batches do not go with a window, which saves more; choose a shorter window")
    if source and window.stride != window.length:
        raise SettingError("fit: windows of a source lie end to end; choose one number, not (k1, k2)")
    if source and batch_size != shape[0]:
        raise SettingError(
            f"fit: the source has {shape[0]} sequences side by side, so batch_size cannot be {batch_size}"
        )


def is_recurrent(net: Layer) -> bool:
    """Whether there is a recurrent layer in a network, so that the length of a sequence is free.

    >>> import deltarule as dr
    >>> is_recurrent(dr.Chain(dr.Recurrent(dr.GRU(8)), dr.Dense(1))), is_recurrent(dr.Dense(1))
    (True, False)
    """
    return isinstance(net, Recurrent) or any(is_recurrent(layer) for layer in inner_layers(net))


@functools.lru_cache(maxsize=64)
def windows_program(step: Step, batch_size: int, order: str, window: Window) -> Callable:
    """The compiled `(state, data) -> (state, loss)` of an epoch over sequences, `batch_size` side by side."""
    carried = carried_step(step, window)

    @functools.partial(jax.jit, compiler_options=compiler_options())
    def epoch(state: State, data: Batch) -> tuple[State, jax.Array]:
        groups = window_groups(ORDERS[order](state.key, state.epoch, len(data.x)), batch_size)
        one = functools.partial(windows_step, carried, window, data)
        state, reports = jax.lax.scan(one, state, groups)
        return state._replace(epoch=state.epoch + 1), mean_loss(jax.tree.map(jnp.ravel, reports))

    return epoch


def window_groups(rows: jax.Array, size: int) -> tuple[jax.Array, jax.Array]:
    """(rows (k, n), whether each counts) of k groups of `size` sequences; the last one may be filled up."""
    groups = -(-len(rows) // size)
    padded = jnp.pad(rows, (0, groups * size - len(rows))).reshape(groups, size)  # (k, n)
    return padded, (jnp.arange(padded.size) < len(rows)).reshape(padded.shape)


def windows_step(carried: Step, window: Window, data: Batch, state: State, group: Any) -> tuple[State, Report]:
    """(state, reports) after the steps on a group of sequences, at whose beginning the states are zero."""
    rows, counts = group
    start = begin(carried, state, (len(rows), *data.x.shape[1:]))
    moved, reports = through_windows(carried, start, data, rows, counts, window)
    return moved._replace(memory=closed(state.memory, moved.memory)), reports


@functools.lru_cache(maxsize=64)
def source_program(step: Step, window: Window) -> Epoch:
    """An epoch over a source's chunks; one compiled program takes each.

    While the device computes a chunk the next one is read. Between two chunks the memory of the state is (that at
    the beginning of the epoch, that in which the states are carried on).
    """
    carried = carried_step(step, window)

    @functools.partial(jax.jit, compiler_options=compiler_options())
    def chunk(state: State, batch: Batch) -> tuple[State, Report]:
        rows = jnp.arange(len(batch.x))
        return through_windows(carried, state, batch, rows, jnp.ones(len(rows), bool), window)

    def epoch(state: State, source: Source, place: Place | None, after: After | None) -> tuple[State, jax.Array]:
        if place is None:
            before, moved = state.memory, begin(carried, state, source.chunk_shape)
            done, parts = 0, []
        else:
            before, inside = state.memory
            moved, done, parts = state._replace(memory=inside), place.segments, [place.reports]
        chunks = itertools.islice(source.epoch(int(state.epoch)), done, None)
        batch = next_chunk(step, source, chunks)
        while batch is not None:
            moved, reports = chunk(moved, batch)
            batch, done = next_chunk(step, source, chunks), done + 1
            parts.append(reports)
            if after is not None:
                parts = [jax.tree.map(lambda *each: np.concatenate(each), *jax.device_get(parts))]
                after(moved._replace(memory=(before, moved.memory)), Place(done, parts[0]))
        reports = jax.tree.map(lambda *of_chunks: jnp.concatenate(of_chunks), *parts)
        memory = closed(before, moved.memory)
        return moved._replace(memory=memory, epoch=state.epoch + 1), mean_loss(reports)

    return epoch


def next_chunk(step: Step, source: Source, chunks: Iterator[tuple[np.ndarray, np.ndarray]]) -> Batch | None:
    """The next chunk as a batch, None after the last one."""
    for x, y in chunks:
        features = as_features(x)
        if len(features) != source.chunk_shape[0]:
            raise ShapeError(
                f"fit: expected chunks of {source.chunk_shape[0]} sequences, because their states are carried "
                f"on, got {len(features)}"
            )
        target = step.loss.prepare(y, step.net.shape(features.shape))
        return Batch(features, target, np.ones(features.shape[:2], np.float32))  # type: ignore[arg-type]
    return None


def carried_step(step: Step, window: Window) -> Step:
    """The step on one window of a network whose states are carried on."""
    return replace(step, net=carrying(step.net, None if window.stride == window.length else window.stride))


def begin(step: Step, state: State, x: tuple[int, ...]) -> State:
    """The state with that of each recurrent layer at zero, for x of this shape."""
    return state._replace(memory=opened(state.memory, step.net.memory(x)))


def through_windows(
    step: Step, state: State, data: Batch, rows: jax.Array, counts: jax.Array, window: Window
) -> tuple[State, Report]:
    """(state, reports) after a step for each window of the sequences `rows` of the data (N, T, ...).

    What the first windows lack in front and the last one behind is padding, which leaves states as they are; so
    are the rows that fill a batch up, if a layer mixes examples. A window in which nothing counts, since all its
    sequences have ended, is no step.

    Args:
        rows, counts: (n,), which sequences, and whether each is one or fills the batch up.
    """
    steps = data.x.shape[1]
    windows, front = -(-steps // window.stride), window.length - window.stride
    new = jnp.arange(window.length) >= front  # (τ,)
    filled = step.net.mixes_examples and len(data.x) % len(rows) > 0
    masked = data.mask is not None or front > 0 or windows * window.stride > steps or filled
    if masked:
        step.net.padded((len(rows), window.length, *data.x.shape[2:]))

    def one(state, number):
        times = number * window.stride - front + jnp.arange(window.length)  # (τ,)
        inside = (times >= 0) & (times < steps)
        part = jax.tree.map(lambda a: take_steps(a, rows, times), data)
        counted = new & inside & counts[:, None]  # (n, τ)
        part = part._replace(weight=jnp.where(counted, part.weight, 0))
        if not masked:
            return step(state, part)
        real = inside & counts[:, None]  # (n, τ)
        if data.mask is None:
            return step(state, part._replace(mask=real))
        return jax.lax.cond(part.weight.any(), step, idle, state, part._replace(mask=part.mask & real))

    def idle(state, part):
        _, report = jax.eval_shape(step, state, part)
        return state, jax.tree.map(lambda a: jnp.zeros(a.shape, a.dtype), report)

    return jax.lax.scan(one, state, jnp.arange(windows))


def take_steps(array: jax.Array, rows: jax.Array, times: jax.Array) -> jax.Array:
    """Rows of an array (N, T, ...) at some time steps, (n, τ, ...), zeros outside; of weights (N,), (n, 1)."""
    if array.ndim == 1:
        return array[rows][:, None]
    where = array.at[whole(rows)[:, None], times]
    return where.get(mode="fill", fill_value=0, wrap_negative_indices=False)
