"""Recurrent layers forward and back through time: the task that everybody gets, and our forms of it."""

import contextlib
import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

import deltarule as dr
from deltarule.kernels import native
from deltarule.layers.cell import Cell
from deltarule.layers.layer import Context, Cost
from deltarule.training.epoch import compiler_options, epoch_program
from deltarule.training.step import Batch, Step
from deltarule.training.windows import Window, windows_program

STEPS, BATCH, INPUTS = 64, 32, 32
LENGTHS = 128, 4096


@dataclass(frozen=True)
class MinimalGatedUnit(Cell):
    """H_t = (1 − F) ⊙ H_{t−1} + F ⊙ N, the cell of a user's own; F = σ(·), N = tanh(u_n + (F ⊙ H_{t−1}) U_n).

    Source: Zhou, Wu, Zhang and Zhou 2016, Minimal gated unit for recurrent neural networks.
    """

    gates = 2

    def init(self, rng, i):
        params = super().init(rng, i)
        U_f, U_n = np.split(params.pop("U"), 2, axis=1)
        return params | {"U_f": U_f, "U_n": U_n}

    def step(self, params, a, state):
        (h,), (a_f, a_n) = state, jnp.split(a, 2, axis=-1)
        f = jax.nn.sigmoid(a_f + h @ params["U_f"])  # (n, o)
        n = jnp.tanh(a_n + (f * h) @ params["U_n"])  # (n, o)
        return ((1 - f) * h + f * n,), (f, n)

    def step_backward(self, params, saved, before, after, dstate):
        (f, n), (h,), (dh,) = saved, before, dstate
        da_n = dh * f * (1 - n * n)  # (n, o)
        dfh = da_n @ params["U_n"].T  # (n, o), through F ⊙ H
        da_f = (dh * (n - h) + dfh * h) * f * (1 - f)  # (n, o)
        return jnp.concatenate([da_f, da_n], axis=-1), (dh * (1 - f) + dfh * f + da_f @ params["U_f"].T,)

    def state_gradients(self, params, saved, before, after, da):
        (f, _), (h,) = saved, before
        da_f, da_n = jnp.split(da, 2, axis=-1)
        return {
            "U_f": jnp.einsum("tni,tno->io", h, da_f),  # (o, o)
            "U_n": jnp.einsum("tni,tno->io", f * h, da_n),  # (o, o)
        }

    def step_cost(self, n):
        numbers = n * self.features
        return Cost(forward=numbers * (4 * self.features + 8), backward=numbers * (4 * self.features + 16))


CELLS: dict[str, Callable[[int], Cell]] = {
    "LSTM": dr.LSTM,
    "GRU": dr.GRU,
    "simple RNN": dr.SimpleRNN,
    "minimal gated unit": MinimalGatedUnit,
}


@dataclass(frozen=True)
class Task:
    """One pass forward and one back through all of time, with the gradients of weights and inputs."""

    key: str
    cell: str
    hidden: int

    @property
    def name(self) -> str:
        """The task in words."""
        return f"({self.key}) {self.cell} {INPUTS}/{self.hidden}"

    @functools.cached_property
    def layer(self) -> dr.Layer:
        """Ours."""
        return dr.Recurrent(CELLS[self.cell](self.hidden))

    @functools.cached_property
    def arrays(self) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
        """Parameters, x (n, t, i) and dy (n, t, o), the same for everybody."""
        rng = np.random.default_rng(0)
        params = self.layer.init(rng, (BATCH, STEPS, INPUTS))
        biases = {name: rng.normal(size=a.shape).astype(np.float32) for name, a in params.items() if a.ndim == 1}
        params |= biases
        x = rng.normal(size=(BATCH, STEPS, INPUTS)).astype(np.float32)
        return params, x, rng.normal(size=(BATCH, STEPS, self.hidden)).astype(np.float32)


class Ours:
    """A form of ours, compiled by itself; the result is (y, dx, gradients by name)."""

    note = ""

    def __init__(self, name: str, task: Task, program: Callable):
        self.name, self.given = name, jax.device_put(task.arrays)
        self.program = jax.jit(program).lower(*self.given).compile(compiler_options=compiler_options())

    def fresh(self): ...

    def run(self):
        jax.block_until_ready(self.program(*self.given))

    def result(self) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
        return jax.device_get(self.program(*self.given))


def explicit(task: Task) -> Callable:
    """The layer's own backward pass."""

    def both(params, x, dy):
        y, saved = task.layer.forward(params, x, Context())
        return y, *task.layer.backward(params, saved, dy)

    return both


def autodiff(task: Task) -> Callable:
    """The same forward pass, differentiated by JAX."""

    def both(params, x, dy):
        y, back = jax.vjp(lambda params, x: task.layer.forward(params, x, Context())[0], params, x)
        dparams, dx = back(dy)
        return y, dx, dparams

    return both


def autodiff_of_steps(task: Task) -> Callable:
    """JAX's derivative of a scan that multiplies x_t by W at each step, as it is mostly written."""
    cell = task.layer.cell

    def scan(params, x):
        def step(state, x_t):
            state, _ = cell.step(params, x_t @ params["W"] + params["b"], state)
            return state, state[0]

        first = tuple(jnp.zeros(shape) for shape in cell.state(len(x)))
        return jnp.swapaxes(jax.lax.scan(step, first, jnp.swapaxes(x, 0, 1))[1], 0, 1)

    def both(params, x, dy):
        y, back = jax.vjp(scan, params, x)
        dparams, dx = back(dy)
        return y, dx, dparams

    return both


@contextlib.contextmanager
def on_xla() -> Iterator[None]:
    """What is traced inside takes XLA's form of every kernel."""
    installed, native.companion = native.companion, lambda: (None, "XLA, for comparison")
    try:
        yield
    finally:
        native.companion = installed


def forms(task: Task) -> list[Ours]:
    """Ours as shipped; XLA's form; JAX's derivative of that; and of the scan as it is mostly written."""
    shipped = Ours("ours", task, explicit(task))
    with on_xla():
        return [
            shipped,
            Ours("XLA's form", task, explicit(task)),
            Ours("JAX autodiff", task, autodiff(task)),
            Ours("JAX autodiff, x W in the scan", task, autodiff_of_steps(task)),
        ]


class Sequences:
    """An epoch of one batch of sequences of a length: one step through all of time, or a step a window."""

    note = ""

    def __init__(self, steps: int, window: int | None):
        self.name = f"T = {steps}"
        rng = np.random.default_rng(0)
        x = rng.normal(size=(BATCH, steps, INPUTS)).astype(np.float32)
        data = Batch(x, x[..., :1], np.ones(BATCH, np.float32))  # type: ignore[arg-type]
        step = Step(dr.Chain(dr.Recurrent(dr.LSTM(64)), dr.Dense(1)), dr.SquaredError(), dr.SGD(0.01))
        self.given = jax.device_put((step.init(x.shape, 0), data))
        self.updates = 1 if window is None else steps // window
        if window is None:
            program = epoch_program(step.structure(), BATCH, "none")
        else:
            program = windows_program(step.structure(), BATCH, "none", Window.of(window))
        self.program = program.lower(*self.given).compile()
        self.bytes = self.program.memory_analysis().temp_size_in_bytes

    def fresh(self): ...

    def run(self):
        jax.block_until_ready(self.program(*self.given))
