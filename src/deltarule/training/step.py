"""One training step: forward, loss and its δ, backward, L2, clip, update, remember. A pure function.

    θ ← θ − α_k G_k,   G_k = ∂/∂θ Σ_n w_n ℓ(f(x_n; θ), t_n) + 2 λ θ

Parameters move only in the optimizer's update. Every gradient is made anew in each step; one kept from the step
before would be added to it, and the step would be wrong.
"""

from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Self

import jax
import jax.numpy as jnp
import numpy as np

from deltarule.kernels.shares import spread, whole
from deltarule.kernels.wide import wide
from deltarule.layers.layer import Context, Layer, Memory, Params, Shape
from deltarule.losses.l2 import L2
from deltarule.losses.loss import Loss
from deltarule.optimizers.clip import clip_norm
from deltarule.optimizers.optimizer import Optimizer
from deltarule.schedules import structure
from deltarule.training.numbers import numbers_of, structure_of, with_numbers
from deltarule.training.parts import scan_parts
from deltarule.training.precision import Scale, all_finite, lowered, move_scale, start_scale


class State(NamedTuple):
    """Everything that a step reads and moves on; all of it arrays, so all of it maps over models."""

    params: Params
    memory: Memory
    slots: Any  # the optimizer's
    numbers: dict[str, Any]  # learning rate, L2, ...: they change without recompiling
    key: jax.Array  # (2,) uint32, the run's randomness
    step: jax.Array
    epoch: jax.Array
    scale: Scale | None = None  # of float16 alone
    watched: Any = None  # sums over the steps of an epoch, of what is watched


class Batch(NamedTuple):
    """Examples side by side: inputs x (n, ...), targets (n, ...), weights (n,), or (n, t) for each time step.

    For sequences, `mask` (n, t) is false where there is padding, `starts` true where a new one begins.
    """

    x: jax.Array
    target: jax.Array
    weight: jax.Array
    mask: jax.Array | None = None
    starts: jax.Array | None = None


class Report(NamedTuple):
    """What a step tells: the loss before it moved, and the weight of the examples that it is the mean of."""

    loss: jax.Array
    weight: jax.Array
    skipped: jax.Array | None = None  # whether float16 overflowed, so that no parameter moved


@dataclass(frozen=True)
class Step:
    """`step(state, batch) -> (state, report)` for one network, loss and optimizer.

    Args:
        l2: added to the objective before clipping, so that the whole gradient is clipped.
        clip_norm: the largest global norm of a gradient; None leaves gradients as they are.
        micro_batches: in how many parts a batch passes through the network, to save memory. The gradient is
            the whole batch's, to rounding, but for what mixes examples: batch normalisation takes each part's own
            statistics, and moves its running ones once a part. Each part draws random numbers of its own.
        precision: "float32", "bfloat16" or "float16", as `training.precision` states. A step whose gradients
            overflow float16 is skipped: parameters, slots and step number stay, so that neither the
            schedule nor Adam counts it, as in PyTorch, Keras and Optax; its random numbers are drawn again. Memory
            moves on where forward was finite, as running statistics do in PyTorch.
    """

    net: Layer
    loss: Loss
    optimizer: Optimizer
    l2: L2 | None = None
    clip_norm: float | None = None
    micro_batches: int = 1
    precision: str = "float32"

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
            scale=start_scale(self.precision),
        )

    def structure(self) -> "Step":
        """This step without its numbers: steps that differ in nothing else share one compiled program."""
        l2 = None if self.l2 is None else structure(self.l2)
        clip_norm = None if self.clip_norm is None else 1.0
        net = structure_of(self.net)
        return replace(self, net=net, optimizer=structure(self.optimizer), l2=l2, clip_norm=clip_norm)

    def hyperparameters(self) -> dict[str, Any]:
        """Every number that may differ from model to model, as float32."""
        numbers = self.optimizer.numbers()
        if self.l2 is not None:
            numbers["l2"] = self.l2.strength
        if self.clip_norm is not None:
            numbers["clip_norm"] = self.clip_norm
        if of_layers := numbers_of(self.net):
            numbers["layers"] = of_layers
        return jax.tree.map(np.float32, numbers)

    def __call__(self, state: State, batch: Batch) -> tuple[State, Report]:
        share, total = self.loss.shares(batch.target, batch.weight)
        state, value, skipped = self.move(state, batch._replace(weight=share))
        return state, Report(loss=value, weight=total, skipped=skipped)

    def move(self, state: State, batch: Batch) -> tuple[State, jax.Array, jax.Array | None]:
        """(state, loss, whether it was skipped) after a step on a batch whose weights carry the mean."""
        value, dparams, memory = self.gradients(state, batch)
        moved = self.update(state._replace(memory=memory), dparams)
        moved, skipped = self.unless_overflow(state, moved, dparams)
        return moved, value, skipped

    def unless_overflow(self, state: State, moved: State, dparams: Params) -> tuple[State, jax.Array | None]:
        """(the state to go on from, whether the step was skipped), from those before and after it."""
        if state.scale is None:
            return moved, None
        finite = all_finite(dparams)
        kept = jax.tree.map(lambda new, old: jnp.where(finite, new, old), moved, state)
        memory = jax.tree.map(
            lambda new, old: jnp.where(jnp.isfinite(new).all(), new, old), moved.memory, state.memory
        )
        return kept._replace(memory=memory, scale=move_scale(state.scale, finite)), ~finite

    def update(self, state: State, dparams: Params) -> State:
        """The state after a step along the gradients of the loss: L2, clipping, and the optimizer's update."""
        rates = self.optimizer.rates(state.numbers, state.step)
        if self.l2 is not None:
            dparams = self.l2.gradient(state.params, dparams, rates["l2"])
        if self.clip_norm is not None:
            dparams = clip_norm(dparams, rates["clip_norm"])
        params, slots = self.optimizer.update(dparams, state.slots, state.params, rates)
        return state._replace(params=params, slots=slots, step=state.step + 1)

    def gradients(self, state: State, batch: Batch) -> tuple[jax.Array, Params, Memory]:
        """(loss, dparams, memory) of a batch whose weights carry the mean, in as many parts as asked for."""
        params, context, scale = lowered(state.params, self.precision), self.context(state), state.scale
        gradient = self.of(state).gradient

        def part(sums, batch):
            value, dparams, memory, index = sums
            here = Context(context.step_key, memory, (*context.path, index))
            v, d, memory = gradient(params, batch, here, scale)
            return (value + v, jax.tree.map(jnp.add, dparams, d), memory, index + 1), ()

        if self.micro_batches == 1:
            value, dparams, memory = gradient(params, batch, context, scale)
            dparams = jax.tree.map(wide, dparams)
        else:
            size = -(-len(batch.x) // self.micro_batches)
            zeros = self.zeros(state, jax.tree.map(lambda a: a[:size], batch))
            start = (jnp.zeros((), batch.weight.dtype), zeros, context.memory, 0)
            (value, dparams, memory, _), *_ = scan_parts(part, start, batch, size)
        if scale is not None:
            dparams = jax.tree.map(lambda d: d / scale.factor, dparams)
        return value, whole(dparams), memory

    def of(self, state: State) -> Self:
        """This step, the numbers of its layers being those of the state."""
        return replace(self, net=with_numbers(self.net, state.numbers.get("layers", ())))

    def zeros(self, state: State, batch: Batch) -> Any:
        """What the gradients of the parts of a batch are added to, of which `batch` is one."""
        return jax.tree.map(jnp.zeros_like, state.params)

    def context(self, state: State) -> Context:
        """The randomness and the memory of the step that `state` is before."""
        return Context(jax.random.wrap_key_data(state.key), state.memory, (state.step,))

    def gradient(
        self, params: Params, batch: Batch, context: Context, scale: Scale | None
    ) -> tuple[jax.Array, Params, Memory]:
        """(loss, dparams times the scale, memory) of a batch in one pass, with the parameters as they are cast."""
        batch = spread(batch)
        context = replace(context, mask=batch.mask, starts=batch.starts)
        y, saved = self.net.forward(params, batch.x, context)
        value, dy = self.loss(wide(y), batch.target, batch.weight)
        if scale is not None:
            dy = dy * scale.factor
        _, dparams = self.net.backward(params, saved, dy.astype(y.dtype))
        return value, dparams, self.net.remember(context.memory, saved)
