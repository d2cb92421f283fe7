"""Recurrent cells that are wrong between steps, and layers that break another law than that of the derivative."""

import jax
import jax.numpy as jnp
import numpy as np

import deltarule as dr
from deltarule.inspect import laws
from faulty.plant import DERIVED, SHAPES, Fault, planted, wrong_cost, wrong_step, wrong_tanh, wrong_weights

SEQUENCE, X, DENSE = (3, 5, 2), (6, 3), dr.Dense(4)
BEYOND = "only beyond one time step"


def other_gates(da, dbefore, params):
    i, f, g, o = jnp.split(da, 4, axis=1)
    return jnp.concatenate([f, i, g, o], axis=1), dbefore


def on_the_side(self, params, x, context):
    self.y = jnp.tanh(x)
    return self.y, ()


def centred(self, params, x, context):
    y = jnp.tanh(x - x.mean(0))
    return y, y


def centred_backward(self, params, saved, dy):
    d = dy * (1 - saved * saved)
    return d - d.mean(0), {}


def noisy(self, params, x, context):
    y = jnp.tanh(x)
    return y + np.random.default_rng().normal(), y


def stopped(self, params, x, context):
    return jnp.tanh(jax.lax.stop_gradient(x)), x


def positive(self, params, x, context):
    return (x, x) if x.sum() > 0 else (-x, x)


def by_numpy(self, params, x, context):
    y = np.tanh(np.asarray(x))
    return y, y


def unwritten(self, x):
    raise NotImplementedError


CELLS = {
    "no δ from step to step": Fault(
        wrong_step(dr.SimpleRNN(4), lambda da, dbefore, p: (da, (0 * dbefore[0],))),
        SEQUENCE,
        DERIVED,
        "dx",
        BEYOND,
    ),
    "a gate left out of δ": Fault(
        wrong_step(dr.GRU(4), lambda da, dbefore, p: (da, (dbefore[0] - da[:, :4],))),
        SEQUENCE,
        DERIVED,
        "dU",
        BEYOND,
    ),
    "gates in another order": Fault(
        wrong_step(dr.LSTM(4), other_gates), (3, 1, 2), DERIVED, "dW", "in the order (1, 0, 2, 3)"
    ),
    "a leaked weight of a cell": Fault(
        dr.Chain(dr.Tanh(), wrong_weights(dr.SimpleRNN(4), "U", lambda right, p, y, dy: right + 0.01 * p["U"])),
        SEQUENCE,
        DERIVED,
        "dU",
        "U itself leaks",
        "1",
    ),
    "a bias of one step": Fault(
        wrong_weights(dr.SimpleRNN(4), "b", lambda right, p, y, dy: (dy * (1 - y * y))[:, -1].sum(0)),
        SEQUENCE,
        DERIVED,
        "db",
        BEYOND,
    ),
    "the state after": Fault(
        wrong_weights(dr.SimpleRNN(4), "U", lambda right, p, y, dy: jnp.einsum("nti,nto->io", y, dy)),
        SEQUENCE,
        DERIVED,
        "dU",
        "the state after for the state before",
    ),
    "a memory that stays": Fault(
        planted(
            dr.Recurrent(dr.SimpleRNN(4), carry=True),
            advance=lambda self, p, x, c: (self.forward(p, x, c)[0], c.memory),
        ),
        SEQUENCE,
        laws.advances,
        "memory 0",
        "otherwise than remember",
    ),
}
PASSES = {
    "a stopped gradient": wrong_tanh(
        laws.derivative_by_differences,
        "dx",
        "stop_gradient",
        forward=stopped,
        backward=lambda self, p, x, dy: (0 * dy, {}),
    ),
    "examples that see each other": wrong_tanh(
        laws.halves, "y", "by a mean over axis 0", forward=centred, backward=centred_backward
    ),
    "another prediction": wrong_tanh(
        laws.predicts, "y", "predict leaves out", predict=lambda self, p, x, memory: x
    ),
    "NumPy's random numbers": wrong_tanh(laws.compiled, "y", "come from context.key", forward=noisy),
    "another shape": wrong_tanh(
        SHAPES,
        "y",
        "another output than forward",
        forward=lambda self, p, x, c: (jnp.concatenate([x, x], 1), ()),
        backward=lambda self, p, saved, dy: (dy, {}),
    ),
    "NumPy in forward": wrong_tanh(SHAPES, "forward", "compute with jax.numpy", forward=by_numpy),
    "a Python if": wrong_tanh(SHAPES, "forward", "take jnp.where", forward=positive)._replace(
        net=dr.Chain(dr.Dense(4), planted(dr.Tanh(), forward=positive), dr.Dense(2)), path="1"
    ),
    "arrays on the side": wrong_tanh(SHAPES, "forward", "a layer is frozen", forward=on_the_side),
}
STATEMENTS = {
    "FLOPs without the bias": wrong_cost(
        DENSE, "forward", lambda right, x: right - 4 * x[0], X, laws.costs, "n·o = 24 too few"
    ),
    "FLOPs of backward": wrong_cost(
        DENSE, "backward", lambda right, x: right + 4, X, laws.costs, "o = 4 too many"
    ),
    "a parameter not counted": wrong_cost(
        DENSE, "parameters", lambda right, x: right - 4, X, laws.costs, "as many as b"
    ),
    "x is kept": wrong_cost(DENSE, "keeps_x", lambda right, x: False, X, laws.saved_numbers, "keeps_x is not set"),
    "marks": wrong_cost(dr.MaxPool(2), "marks", lambda right, x: 0, (2, 4, 6, 3), laws.saved_numbers, "too few"),
    "no formula": wrong_tanh(
        laws.costs_in_symbols,
        "cost",
        "write plain arithmetic",
        cost=lambda self, x: dr.Tanh().cost(tuple(map(int, x))),
    ),
    "no cost": wrong_tanh(laws.costs, "cost", "not written", cost=unwritten),
    "no equations": wrong_tanh(laws.equations, "equations.forward", "state them", equations=None),
}
