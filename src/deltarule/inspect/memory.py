"""The bytes that a training step holds at once, and the largest batch that a memory takes."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from deltarule.data.memory import machine_memory
from deltarule.errors import DeltaruleError
from deltarule.inspect.peak import Peak, peak_of
from deltarule.layers.layer import Shape
from deltarule.losses.loss import Loss
from deltarule.training.step import Batch, Step


def step_memory(step: Step, x: Shape) -> Peak:
    """Bytes of one step on inputs of shape x: the state before it, the state after it, and what is between.

    >>> import deltarule as dr
    >>> step_memory(Step(dr.Dense(3), dr.SquaredError(), dr.SGD(0.1)), (8, 5)).inputs
    384
    """
    state = step.init(x, seed=0)
    return peak_of(step, state, abstract_batch(step.loss, x, step.net.shape(x)))


def abstract_batch(loss: Loss, x: Shape, y: Shape) -> Batch:
    """The shapes and types of a batch for inputs x and outputs y."""
    target = target_like(loss, y)
    given = (x, np.float32), (target.shape, target.dtype), (x[:1], np.float32)
    return Batch(*(jax.ShapeDtypeStruct((x[0], *shape[1:]), kind) for shape, kind in given))  # type: ignore[arg-type]


def target_like(loss: Loss, y: Shape) -> np.ndarray:
    """A target of one example as the loss prepares it: classes where it takes them, numbers elsewhere."""
    one = (1, *y[1:])
    try:
        return loss.prepare(np.zeros(one[:-1]), one)
    except DeltaruleError:
        return loss.prepare(np.zeros(one), one)


def largest_batch(bytes_at: Callable[[int], Any], memory: float) -> int:
    """The most examples for which `bytes_at` stays within `memory`, 0 where not one fits.

    Bytes are all but a straight line in the number of examples: each guess lies on the line through the last two.

    >>> largest_batch(lambda n: 1000 + 24 * n, 5000)
    166
    """
    fits, most = 0, bytes_at(1)
    if most > memory:
        return 0
    fits, below, high, above = 1, most, None, None
    guess = 64
    for _ in range(8):
        at = bytes_at(guess)
        if at <= memory:
            fits, below, old, before = guess, at, fits, below
        else:
            high, above, old, before = guess, at, fits, below
        slope = max((at - before) / (guess - old), 1e-9) if high is None else (above - below) / (high - fits)
        wanted = int(fits + (memory - below) / slope)
        if high is not None:
            wanted = min(wanted, high - 1)
        if wanted <= fits:
            return fits
        guess = wanted
    return fits


def memory_here() -> int:
    """Bytes that arrays may take on this device; for a CPU the machine's memory, 0 where nothing tells it."""
    device = jax.devices()[0]
    told = device.memory_stats() or {}
    if "bytes_limit" in told:
        return told["bytes_limit"]
    return machine_memory() or 0
