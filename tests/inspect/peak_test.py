"""The bytes of small programs, each of which turns on one rule, are those of the compiled program."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import deltarule as dr
from deltarule.inspect.memory import abstract_batch, step_memory
from deltarule.inspect.peak import (
    Array,
    largest_first,
    longest_first,
    outside_outputs,
    packed,
    peak_of,
    written_over,
)
from deltarule.training.step import Step


def normalised(x, W):
    """A sum of many numbers takes in what lies around it; what it gives is read twice."""
    h = x @ W
    apart = h - h.mean(1, keepdims=True)
    return (apart / jnp.sqrt((apart * apart).mean(1, keepdims=True) + 1)) @ W.T @ W


def softmax(x, W):
    """A quotient by what is spread out is a product, which is made again for each that reads it."""
    e = jnp.exp(x @ W)
    p = e / e.sum(1, keepdims=True)
    return p @ W.T, p * (x @ W)


def shifted(x, W):
    """A kernel of sums takes in the product that only it reads."""
    h = x @ W
    return jnp.exp(h - h.max(1, keepdims=True)) @ W.T @ W


def grouped(x, W):
    """What is made anew for its other shape, and summed as it was before it had that."""
    h = (x @ W) * 2
    return h @ W.T, h.reshape(-1, 4, W.shape[1] // 4).transpose(1, 0, 2).sum(0), (h * h).reshape(-1).sum()


def summed(x, W):
    """A sum along an axis longer than 32 reads an array; along a shorter one it is computed where it is read."""
    h = jnp.tanh(x[:40] @ W)
    return (h * h).sum(0), (h[:20] * 3).sum(0) + 1


def column(x, W):
    """A product of a column and a row is one number by number."""
    return (x[:, :1] @ W[:1]) @ W.T


def looped(x, W):
    """What a loop makes lies there from the beginning; what a round makes, only for that round."""

    def step(h, x):
        h = jnp.tanh((x @ W) @ W.T + h)
        return h, h * 2

    h = x @ W @ W.T
    return jax.lax.scan(step, jnp.zeros_like(x), jnp.stack([h, 2 * h, 3 * h]))[1].sum(0)


def parted(x, W):
    """A split makes no arrays of its own."""
    a, b, c, d = jnp.split(x @ W, 4, axis=1)
    return (a * b + c) @ W[:16] * 2, (a - d) @ W[:16]


def outputs(x, W):
    """An output's memory serves before it is written, and arrays are written over."""
    h = x @ W
    return W + (h.T @ x).T, jnp.tanh(h @ W.T @ W) + h


def with_vector(x, W):
    """A product with a vector computes its matrix inside itself."""
    h = jnp.tanh(x @ W)
    p = h * 3
    return p.T @ x[:, :1], p @ W.T


def halfway(x, W):
    """What is read beside what comes of it through a product is an array, and not made twice."""
    h = x @ W + (2 * x) @ W[:, ::-1]
    return jnp.tanh((h * 2) @ W.T @ W + h)


def rectified(x, W):
    """Whether max(h, 0) is above 0 is read off h, so that the sum takes the maximum in."""
    h = jnp.maximum(x @ W, 0)
    return jnp.where(h > 0, jnp.broadcast_to(h.sum(1)[:, None], h.shape), 0) @ W.T


RULES = [
    *(normalised, softmax, shifted, grouped, summed, column, looped, parted, outputs),
    *(with_vector, halfway, rectified),
]


@pytest.mark.parametrize("function", RULES, ids=lambda function: function.__name__)
def test_the_bytes_are_the_compilers(function):
    x, W = np.ones((96, 48), "float32"), np.ones((48, 64), "float32")
    told = jax.jit(function).lower(x, W).compile().memory_analysis()
    assert told is not None
    peak = peak_of(function, x, W)
    assert (peak.inputs, peak.outputs) == (told.argument_size_in_bytes, told.output_size_in_bytes)
    assert peak.temporaries == pytest.approx(told.temp_size_in_bytes, rel=0.002)


NETWORKS = {
    "recomputed": (dr.Chain(dr.Recompute(dr.Dense(64), dr.ReLU()), dr.Dense(10)), (64, 100), {}),
    "residual": (
        dr.Chain(*(dr.Residual(dr.Chain(dr.Dense(80), dr.Tanh(), dr.Dense(40))) for _ in "ab")),
        (96, 40),
        {},
    ),
    "grouped": (
        dr.Chain(dr.Convolution(4, 3), dr.GroupNorm(2), dr.ReLU(), dr.Flatten(), dr.Dense(9)),
        (8, 8, 8, 3),
        {},
    ),
    "averaged": (
        dr.Chain(dr.Convolution(8, 3), dr.ReLU(), dr.GlobalAveragePool(), dr.Dense(3)),
        (2, 24, 24, 1),
        {},
    ),
    "peepholes": (dr.Chain(dr.Recurrent(dr.LSTM(16, peephole=True)), dr.Dense(8)), (32, 10, 5), {}),
    "micro-batches": (dr.Chain(dr.Dense(64), dr.SiLU(), dr.Dense(10)), (256, 100), {"micro_batches": 4}),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_the_peak_of_a_network_is_the_compilers(name):
    net, x, settings = NETWORKS[name]
    step = Step(net, dr.SquaredError(), dr.SGD(0.1), **settings)
    batch = abstract_batch(step.loss, x, net.shape(x))
    told = jax.jit(step).lower(step.init(x, 0), batch).compile().memory_analysis()
    assert told is not None
    compiled = told.argument_size_in_bytes + told.output_size_in_bytes + told.temp_size_in_bytes
    assert step_memory(step, x).total == pytest.approx(compiled, rel=0.02)


def test_the_better_of_two_orders_packs_the_memory():
    wide, long, late = Array(300, 0, 1), Array(200, 1, 9), Array(300, 2, 3)
    blocks = written_over([wide, long, late])
    assert (packed(blocks, largest_first), packed(blocks, longest_first)) == (520, 556)


def test_an_array_lies_in_an_output_that_is_not_written_yet():
    first, second = Array(100, 0, 3), Array(100, 3, 5)
    output = Array(100, 5, 6, over=[second])
    assert outside_outputs([first, second], [output]) == [second]
    second.over.append(first)
    assert outside_outputs([first, second], [output]) == []
