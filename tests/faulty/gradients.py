"""Layers and losses whose gradients are wrong, each in one way."""

import jax
import jax.numpy as jnp

import deltarule as dr
from deltarule.losses.loss import mean_of, per_example
from faulty.plant import DERIVED, SHAPES, Fault, planted, wrong_dparam, wrong_dx, wrong_loss

DENSE, X, IMAGE = dr.Dense(4), (6, 3), (2, 5, 6, 3)
MEAN, TRANSPOSED = "the number of examples: a mean where the derivative is a sum", "a transposed product"


def deep_inside(fault: Fault) -> Fault:
    """The layer inside two others."""
    return fault._replace(net=dr.Chain(dr.Dense(3), dr.Chain(dr.ReLU(), fault.net)), path="1.1")


def layer_norm_without(*lost: str):
    """dx without the term through the mean, or that through the variance."""

    def change(right, params, saved, dy):
        xhat, variance = saved
        dxhat = params["gamma"] * dy  # (n, i)
        mean = 0 if "mean" in lost else dxhat.mean(-1, keepdims=True)  # (n, 1)
        along = 0 if "variance" in lost else xhat * (dxhat * xhat).mean(-1, keepdims=True)  # (n, i)
        return jax.lax.rsqrt(variance + 1e-5) * (dxhat - mean - along)  # (n, i)

    return change


def batch_norm_without(lost: str):
    """dx without the term through the mean, or that through the variance."""

    def change(right, params, saved, dy):
        x, mu, variance, _ = saved
        r = jax.lax.rsqrt(variance + 1e-5)  # (i,)
        xhat = (x - mu) * r  # (n, i)
        term = dy.mean(0) if lost == "mean" else xhat * (dy * xhat).mean(0)
        return right + params["gamma"] * r * term  # (n, i)

    return change


def unreversed(self, params, saved, dy):
    _, dparams = dr.Convolution.backward(self, params, saved, dy)
    return dr.Convolution.backward(self, params | {"K": params["K"][::-1, ::-1]}, saved, dy)[0], dparams


def without_skip(self, params, saved, dy):
    dx, dparams = dr.Residual.backward(self, params, saved, dy)
    return dx - dy, dparams


def every_tap(self, params, saved, dy):
    return jnp.repeat(jnp.repeat(dy, 2, 1), 2, 2), {}


PRODUCTS = {
    "a mean for a sum": deep_inside(wrong_dparam(DENSE, "W", lambda right, p, x, dy: right / len(x), X, MEAN)),
    "twice": wrong_dparam(DENSE, "W", lambda right, p, x, dy: 2 * right, X, "a factor 2"),
    "the sign": wrong_dx(DENSE, lambda right, p, x, dy: -right, X, "the sign"),
    "nothing": wrong_dparam(DENSE, "b", lambda right, p, x, dy: 0 * right, X, "it is zero"),
    "a product the wrong way round": wrong_dparam(
        DENSE, "W", lambda right, p, x, dy: dy.T @ x, X, TRANSPOSED, SHAPES
    ),
    "square weights the wrong way round": wrong_dx(
        dr.Dense(3), lambda right, p, x, dy: dy @ p["W"], X, TRANSPOSED
    )._replace(law=SHAPES, parameter="backward"),
    "a sum over the wrong axis": wrong_dparam(
        DENSE, "b", lambda right, p, x, dy: dy.sum(1), X, "summed over the wrong axis", SHAPES
    ),
    "no sum over the examples": wrong_dparam(
        DENSE, "b", lambda right, p, x, dy: dy, X, "the sum over the examples is missing", SHAPES
    ),
    "another name": Fault(
        planted(DENSE, backward=lambda self, p, x, dy: (dy @ p["W"].T, {"W": x.T @ dy, "bias": dy.sum(0)})),
        X,
        SHAPES,
        "db",
        "backward leaves it out",
    ),
    "a leaked weight": wrong_dparam(
        DENSE, "W", lambda right, p, x, dy: right + 0.01 * p["W"], X, "W itself leaks"
    ),
    "float32 inside": wrong_dx(DENSE, lambda right, *_: (right.astype("f4")).astype("f8"), X, "cast to float32"),
    "a kernel not reversed": Fault(
        planted(dr.Convolution(4, (3, 2)), backward=unreversed), IMAGE, DERIVED, "dx", "the kernel K is reversed"
    ),
    "a kernel's gradient reversed": wrong_dparam(
        dr.Convolution(4, (3, 2)), "K", lambda right, *_: right[::-1, ::-1], IMAGE, "is reversed"
    ),
    "codes that overwrite each other": wrong_dparam(
        dr.Embedding(5, 3),
        "W",
        lambda right, p, x, dy: (0 * right).at[x.astype(int)].set(dy),
        (6, 4),
        "codes that come twice",
    ),
}
SLOPES = {
    "a leaked dy": wrong_dx(dr.Tanh(), lambda right, p, y, dy: right + dy, X, "dy itself leaks"),
    "dy lost": wrong_dx(dr.Tanh(), lambda right, p, y, dy: 1 - y * y, X, "the factor dy is left out"),
    "x for y": wrong_dx(dr.Tanh(), lambda right, p, y, dy: dy * (1 - jnp.arctanh(y) ** 2), X, "x in place of y"),
    "no number": wrong_dx(dr.Tanh(), lambda right, p, y, dy: jnp.log(-y * y), X, "not finite"),
    "no mask": wrong_dx(dr.ReLU(), lambda right, p, y, dy: dy, X, "a mask is missing"),
    "no slope": wrong_dx(
        dr.LeakyReLU(0.3), lambda right, p, y, dy: jnp.where(y > 0, dy, 0), X, "a part is left out"
    ),
    "no scale": wrong_dx(dr.Dropout(0.4), lambda right, *_: 0.6 * right, X, "1 − drop = 0.6"),
    "a loss for granted": wrong_dx(dr.Softmax(), lambda right, p, y, dy: y - dy, X, "a particular loss above"),
    "no sum": wrong_dx(dr.Softmax(), lambda right, p, y, dy: y * dy, X, "through the sum over axis 1"),
    "every tap": Fault(
        planted(dr.MaxPool(2), backward=every_tap), (2, 4, 6, 3), DERIVED, "dx", "a mask is missing"
    ),
    "no mean": wrong_dx(dr.AveragePool((2, 3)), lambda right, *_: 6 * right, IMAGE, "the numbers in pool_size"),
    "no skip": Fault(
        planted(dr.Residual(dr.Tanh()), backward=without_skip), X, DERIVED, "dx", "the summand dy is left out"
    ),
}
STATISTICS = {
    "layer norm: no mean": wrong_dx(dr.LayerNorm(), layer_norm_without("mean"), (6, 5), "through the mean"),
    "layer norm: no variance": wrong_dx(dr.LayerNorm(), layer_norm_without("variance"), (6, 5), "the variance"),
    "layer norm: neither": wrong_dx(
        dr.LayerNorm(), layer_norm_without("mean", "variance"), (6, 5), "through mean and variance"
    ),
    "batch norm: no mean": wrong_dx(dr.BatchNorm(), batch_norm_without("mean"), X, "through the mean"),
    "batch norm: no variance": wrong_dx(dr.BatchNorm(), batch_norm_without("variance"), X, "the variance"),
    "batch norm: no γ": wrong_dx(
        dr.BatchNorm(), lambda right, p, *_: right / p["gamma"], X, "the factor gamma is left out"
    ),
    "no mean square": wrong_dx(
        dr.RMSNorm(), lambda right, p, saved, dy: p["gamma"] * dy * saved[1], (6, 5), "the mean square"
    ),
}
LOSSES = {
    "a loss: half": wrong_loss(lambda value, dy, *_: (value, dy / 2), "a factor 1/2"),
    "a loss: the sign": wrong_loss(lambda value, dy, *_: (value, -dy), "the sign"),
    "a loss: no weights": wrong_loss(
        lambda value, dy, y, t, w: (value, dy / per_example(w, y) / y.shape[1]), "the factor weight is left out"
    ),
    "a loss: summed outputs": wrong_loss(
        lambda value, dy, y, t, w: (y.shape[1] * mean_of((y - t) ** 2, w), dy), "the length of axis 1 of x"
    ),
}
