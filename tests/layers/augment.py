"""What a layer that changes each example at random made of many copies of one image."""

import jax
import numpy as np

from deltarule.layers.layer import Context

COPIES = 4000


def image(*space):
    """An image of two channels in which no number occurs twice, and none is zero."""
    return np.arange(1.0, 2 * np.prod(space) + 1, dtype=np.float32).reshape(*space, 2)


def draw(layer, x, key=0):
    """The layer's output for each of the images x (n, ...)."""
    return np.asarray(jax.jit(lambda x: layer.forward({}, x, Context(jax.random.key(key)))[0])(x))


def agree_with_chances(layer, x, allowed, chances=None):
    """Each copy of x is one of the images allowed, and each of these occurs as often as its chance, within 5 σ."""
    y = draw(layer, np.repeat(x[None], COPIES, axis=0))
    counts = np.array([(y == each).all(axis=tuple(range(1, y.ndim))).sum() for each in allowed])
    chances = np.full(len(allowed), 1 / len(allowed)) if chances is None else np.array(chances)
    assert counts.sum() == COPIES
    assert (np.abs(counts - COPIES * chances) <= 5 * np.sqrt(COPIES * chances * (1 - chances))).all()
    assert counts.all()
