"""One training step: forward, loss and its δ, backward, L2, clip, update, remember. A pure function.

    θ ← θ − α_k G_k,   G_k = ∂/∂θ Σ_n w_n ℓ(f(x_n; θ), t_n) + 2 λ θ

Parameters move only in the optimizer's update. Every gradient is made anew in each step; one kept from the step
before would be added to it, and the step would be wrong.
"""

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from deltarule.layers.layer import Context, Layer, Memory, Params, Shape
from deltarule.losses.l2 import L2
from deltarule.losses.loss import Loss
from deltarule.optimizers.clip import clip_norm
from deltarule.optimizers.optimizer import Optimizer
from deltarule.schedules import structure
from deltarule.training.parts import scan_parts


class State(NamedTuple):
    """Everything that a step reads and moves on; all of it arrays, so all of it maps over models."""

    params: Params
    memory: Memory
    slots: Any  # the optimizer's
    numbers: dict[str, Any]  # learning rate, L2, ...: they change without recompiling
    key: jax.Array  # (2,) uint32, the run's randomness
    step: jax.Array
    epoch: jax.Array


class Batch(NamedTuple):
    """Examples side by side: inputs x (n, ...), targets (n, ...), weights (n,)."""

    x: jax.Array
    target: jax.Array
    weight: jax.Array


class Report(NamedTuple):
    """What a step tells: the loss before it moved, and the weight of the examples that it is the mean of."""

    loss: jax.Array
    weight: jax.Array


@dataclass(frozen=True)
class Step:
    """`step(state, batch) -> (state, report)` for one network, loss and optimizer.

    Args:
        l2: added to the objective before clipping, so that the whole gradient is clipped.
        clip_norm: the largest global norm of a gradient; None leaves gradients as they are.
        micro_batches: in how many parts a batch passes through the network, to save memory. The gradient is
            the whole batch's, to rounding.
    """

    net: Layer
    loss: Loss
    optimizer: Optimizer
    l2: L2 | None = None
    clip_norm: float | None = None
    micro_batches: int = 1

    def init(self, x: Shape, seed: int) -> State:
        """A fresh state for inputs of shape x, on the host; the same seed gives the same numbers."""
        rng = np.random.default_rng(seed)
        params = self.net.init(rng, x)
        return State(
            params=params,
            memory=self.net.memory(x),
            slots=self.optimizer.init(params),
            numbers=self.hyperparameters(),
            key=np.array([seed >> 32, seed & 0xFFFFFFFF], np.uint32),  # type: ignore[arg-type]
            step=np.int32(0),  # type: ignore[arg-type]
            epoch=np.int32(0),  # type: ignore[arg-type]
        )

    def structure(self) -> "Step":
        """This step without its numbers: steps that differ in nothing else share one compiled program."""
        l2 = None if self.l2 is None else structure(self.l2)
        clip_norm = None if self.clip_norm is None else 1.0
        return replace(self, optimizer=structure(self.optimizer), l2=l2, clip_norm=clip_norm)

    def hyperparameters(self) -> dict[str, Any]:
        """Every number that may differ from model to model, as float32."""
        numbers = self.optimizer.numbers()
        if self.l2 is not None:
            numbers["l2"] = self.l2.strength
        if self.clip_norm is not None:
            numbers["clip_norm"] = self.clip_norm
        return jax.tree.map(np.float32, numbers)

    def __call__(self, state: State, batch: Batch) -> tuple[State, Report]:
        share, total = self.loss.shares(batch.target, batch.weight)
        state, value = self.move(state, batch._replace(weight=share))
        return state, Report(loss=value, weight=total)

    def move(self, state: State, batch: Batch) -> tuple[State, jax.Array]:
        """(state, loss) after a step on a batch whose weights carry the mean."""
        context = Context(jax.random.wrap_key_data(state.key), state.memory, (state.step,))
        value, dparams, memory = self.gradients(state.params, batch, context)

        rates = self.optimizer.rates(state.numbers, state.step)
        if self.l2 is not None:
            dparams = self.l2.gradient(state.params, dparams, rates["l2"])
        if self.clip_norm is not None:
            dparams = clip_norm(dparams, rates["clip_norm"])
        params, slots = self.optimizer.update(dparams, state.slots, state.params, rates)
        return state._replace(params=params, memory=memory, slots=slots, step=state.step + 1), value

    def gradients(self, params: Params, batch: Batch, context: Context) -> tuple[jax.Array, Params, Memory]:
        """(loss, dparams, memory) of a batch whose weights carry the mean, in as many parts as asked for."""
        if self.micro_batches == 1:
            return self.gradient(params, batch, context)

        def part(sums, batch):
            value, dparams, memory, index = sums
            v, d, memory = self.gradient(params, batch, Context(context.step_key, memory, (*context.path, index)))
            return (value + v, jax.tree.map(jnp.add, dparams, d), memory, index + 1), ()

        start = (jnp.zeros((), batch.weight.dtype), jax.tree.map(jnp.zeros_like, params), context.memory, 0)
        size = -(-len(batch.x) // self.micro_batches)
        (value, dparams, memory, _), *_ = scan_parts(part, start, batch, size)
        return value, dparams, memory

    def gradient(self, params: Params, batch: Batch, context: Context) -> tuple[jax.Array, Params, Memory]:
        """(loss, dparams, memory) of a batch in one pass."""
        y, saved = self.net.forward(params, batch.x, context)
        value, dy = self.loss(y, batch.target, batch.weight)
        _, dparams = self.net.backward(params, saved, dy)
        return value, dparams, self.net.remember(context.memory, saved)
