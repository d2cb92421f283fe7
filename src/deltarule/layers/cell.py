"""The contract of a recurrent cell: one step (H_t, C_t) = F(A_t, H_{t−1}, C_{t−1}), and one step back.

A_t = X_t W + b needs no state: it is one product for all steps before the scan over time. The gradients of all
weights likewise are products over all steps after it. The scan holds what depends on the step before, and no more.
"""

from dataclasses import KW_ONLY, dataclass
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from deltarule.kernels.product import product
from deltarule.layers.dense import rows
from deltarule.layers.initializers import Glorot, Initializer, Orthogonal, require_rules
from deltarule.layers.layer import Cost, Equations, Params, Saved, Shape
from deltarule.settings import settle_whole

State = tuple[jax.Array, ...]  # the first is h, the output; each (n, o), or (t, n, o) for all steps
Flags = jax.Array | None


@dataclass(frozen=True)
class Cell:
    """What every recurrent cell can do; a cell of your own needs `step`, `step_backward` and `step_cost`.

    As given here a cell has W (i, g·o), U (o, g·o) and b (g·o), its g gates side by side, and adds H_{t−1} U to
    A_t; one that does otherwise says so in `init` and `state_gradients`, and `gradient_flops`.

    Args:
        features: o, the number of outputs.
        W_init, U_init: rules for W and U, drawn gate by gate; orthogonal matrices neither stretch nor shrink a
            state from step to step (Saxe et al. 2013). PyTorch draws everything from ±1/√o instead.

    Raises:
        SettingError: features that are no whole number of at least 1, or no rule for W or U.
    """

    features: int
    _: KW_ONLY
    W_init: Initializer = Glorot()
    U_init: Initializer = Orthogonal()

    gates: ClassVar[int] = 1
    equations: ClassVar[Equations]

    def __post_init__(self):
        settle_whole(self, "features")
        require_rules(self, "W_init", "U_init")

    @property
    def kernel(self) -> tuple[str, tuple[str, ...], dict[str, Any]] | None:
        """The native form of all steps: its name, the parameters that it takes, and its settings; or None."""
        return None

    def init(self, rng: np.random.Generator, i: int) -> Params:
        """Fresh float32 parameters for i inputs."""
        o, gates = self.features, range(self.gates)
        return {
            "W": np.concatenate([self.W_init(rng, (i, o), i, o) for _ in gates], axis=1),
            "U": np.concatenate([self.U_init(rng, (o, o), o, o) for _ in gates], axis=1),
            "b": np.zeros(self.gates * o, np.float32),
        }

    def state(self, n: Any) -> tuple[Shape, ...]:
        """The shapes of the state of n examples; the first is that of h."""
        return ((n, self.features),)

    def step(self, params: Params, a: jax.Array, state: State) -> tuple[State, Saved]:
        """(state, saved) after one step, from a (n, g·o) and the state before it."""
        raise NotImplementedError

    def step_backward(
        self, params: Params, saved: Saved, before: State, after: State, dstate: State
    ) -> tuple[jax.Array, State]:
        """(da, dstate) with respect to a and to the state before; `dstate` is that of the state after.

        Both states are there without being saved by the step: the scan gives them out.
        """
        raise NotImplementedError

    def step_cost(self, n: Any) -> Cost:
        """FLOPs of `step` and `step_backward` on n examples, and the numbers that one step saves."""
        raise NotImplementedError

    def state_gradients(self, params: Params, saved: Saved, before: State, after: State, da: jax.Array) -> Params:
        """The gradients of what acts on the state, over all steps at once."""
        return {"U": product(rows(before[0]), rows(da), a_transposed=True)}  # (o, g·o)

    def gradient_flops(self, steps: Any) -> Any:
        """FLOPs of `state_gradients`, for so many steps of one example."""
        return 2 * steps * self.features * self.gates * self.features

    def project(self, params: Params, x: jax.Array) -> jax.Array:
        """A (t, n, g·o), what needs no state, from x (t, n, i)."""
        a = product(rows(x), params["W"]) + params["b"]  # (t·n, g·o)
        return a.reshape(*x.shape[:-1], -1)

    def project_backward(self, params: Params, x: jax.Array, da: jax.Array) -> tuple[jax.Array, Params]:
        """(dx, dparams) of `project`."""
        da = rows(da)  # (t·n, g·o)
        dx = product(da, params["W"], b_transposed=True)  # (t·n, i)
        dW = product(rows(x), da, a_transposed=True)  # (i, g·o)
        return dx.reshape(x.shape), {"W": dW, "b": da.sum(0)}

    def scan(
        self, params: Params, a: jax.Array, first: State, mask: Flags, follows: Flags, reverse: bool
    ) -> tuple[State, Saved]:
        """(states, saved) of all steps, from a (t, n, g·o) and the state before the first.

        Args:
            mask: (t, n), false where a step leaves the state as it is.
            follows: (t, n), false where the state before a step is zero again.
            reverse: whether the last step comes first.
        """

        def step(state, at):
            a, mask, follows = at
            state = where(follows, state, zeros(state))
            moved, saved = self.step(params, a, state)
            moved = where(mask, moved, state)
            return moved, (moved, saved)

        _, (states, saved) = jax.lax.scan(step, first, (a, mask, follows), reverse=reverse)
        return states, saved

    def scan_backward(
        self,
        params: Params,
        saved: Saved,
        before: State,
        after: State,
        dh: jax.Array | None,
        dstate: State,
        mask: Flags,
        follows: Flags,
        reverse: bool,
    ) -> tuple[jax.Array, State]:
        """(da, dstate) with respect to a (t, n, g·o) and to the state before the first step.

        Args:
            before, after: the states before and after each step.
            dh: the derivative with respect to each step's output, (t, n, o); None where only the last counts.
            dstate: that with respect to the last state.
        """

        def step(dstate, at):
            saved, before, after, dh, mask, follows = at
            if dh is not None:
                dstate = (dstate[0] + dh, *dstate[1:])
            da, dbefore = self.step_backward(params, saved, before, after, dstate)
            dbefore = where(mask, dbefore, dstate)
            return where(follows, dbefore, zeros(dbefore)), where(mask, da, zeros(da))

        steps = (saved, before, after, dh, mask, follows)
        dstate, da = jax.lax.scan(step, dstate, steps, reverse=not reverse)
        return da, dstate

    def forward(
        self, params: Params, x: jax.Array, first: State, mask: Flags, follows: Flags, reverse: bool
    ) -> tuple[jax.Array, State, Saved]:
        """(y, others, saved): h of all steps (n, t, o), the rest of their states (t, n, o), and what they save."""
        a = self.project(params, swapped(x))  # (t, n, g·o)
        (h, *others), saved = self.scan(params, a, first, mask, follows, reverse)
        return swapped(h), tuple(others), saved

    def backward(
        self,
        params: Params,
        x: jax.Array,
        first: State,
        y: jax.Array,
        others: State,
        saved: Saved,
        dy: jax.Array,
        mask: Flags,
        follows: Flags,
        reverse: bool,
    ) -> tuple[jax.Array, Params]:
        """(dx, dparams) of all steps; dy is (n, t, o), or (n, o) where only the last output counts."""
        zero = zeros(first)
        after = (swapped(y), *others)  # (t, n, o) each
        before = states_before(first, after, follows, reverse)
        if dy.ndim == 2:
            dh, dlast = None, (dy, *zero[1:])
        else:
            dh, dlast = where(mask, swapped(dy), zeros(after[0])), zero  # (t, n, o)
        da, _ = self.scan_backward(params, saved, before, after, dh, dlast, mask, follows, reverse)
        dx, dparams = self.project_backward(params, swapped(x), da)  # (t, n, i)
        return swapped(dx), dparams | self.state_gradients(params, saved, before, after, da)

    def cost(self, n: Any, t: int, i: int) -> Cost:
        """What the cell costs over t steps, without the sums of δ from each step's output."""
        steps, o, width = n * t, self.features, self.gates * self.features
        step = self.step_cost(n)
        return Cost(
            forward=2 * steps * i * width + steps * width + t * step.forward,
            backward=(
                4 * steps * i * width + (steps - 1) * width + t * step.backward + self.gradient_flops(steps)
            ),
            input_gradient=2 * steps * i * width,
            parameters=(i + o + 1) * width + step.parameters,
            saved=t * step.saved,
        )


def states_before(first: State, states: State, follows: Flags, reverse: bool) -> State:
    """The state before each step (t, n, o), from the one before the first and those after each."""

    def shifted(first, after):
        if reverse:
            return jnp.concatenate([after[1:], first[None]])  # (t, n, o)
        return jnp.concatenate([first[None], after[:-1]])  # (t, n, o)

    before = jax.tree.map(shifted, first, states)
    return where(follows, before, zeros(before))


def where(flags: Flags, chosen: Any, other: Any) -> Any:
    """`chosen` where the flags (..., n) hold and `other` elsewhere, in trees of arrays (..., n, o)."""
    if flags is None:
        return chosen
    return jax.tree.map(lambda one, two: jnp.where(flags[..., None], one, two), chosen, other)


def zeros(tree: Any) -> Any:
    return jax.tree.map(jnp.zeros_like, tree)


def swapped(a: jax.Array) -> jax.Array:
    """From (n, t, ...) to (t, n, ...), and back."""
    return jnp.swapaxes(a, 0, 1)
