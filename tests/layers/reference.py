"""Outside references: a layer can be wrong and differentiate its wrong self rightly."""

import jax
import jax.numpy as jnp
import numpy as np

from deltarule.layers.layer import Context


def forward(layer, x, params=None):
    """The layer's output for an array x, of the shape that it promises; fresh parameters unless some are given."""
    params = layer.init(np.random.default_rng(0), x.shape) if params is None else params
    x, params = jax.tree.map(jnp.asarray, (x, params))
    y = jax.jit(lambda params, x: layer.forward(params, x, Context(memory=layer.memory(x.shape)))[0])(params, x)
    assert y.shape == layer.shape(x.shape)
    return y


def agree_with_torch(layer, function, x):
    """Output, dx and dparams are those of PyTorch's `function(x)`, or `function(x, params)` where it learns.

    `x` is an array, or the shape of one to be drawn; parameters and the cotangent are always drawn.
    """
    import torch

    rng = np.random.default_rng(0)
    x = 3 * rng.normal(size=x) if isinstance(x, tuple) else np.asarray(x, np.float64)
    params = jax.tree.map(lambda a: rng.normal(size=a.shape), layer.init(rng, x.shape))
    dy = rng.normal(size=layer.shape(x.shape))
    theirs = jax.tree.map(lambda a: torch.tensor(a, requires_grad=True), (x, params))
    expected = function(*theirs) if jax.tree.leaves(params) else function(theirs[0])
    expected.backward(torch.tensor(dy))
    expected_gradients = jax.tree.map(lambda a: torch.zeros_like(a) if a.grad is None else a.grad, theirs)

    with jax.enable_x64(True):
        params, x, dy = jax.tree.map(jnp.asarray, (params, x, dy))
        y, saved = layer.forward(params, x, Context(memory=layer.memory(x.shape)))
        gradients = layer.backward(params, saved, dy)
    assert jax.tree.structure(gradients) == jax.tree.structure(expected_gradients)
    agree(y, expected.detach())
    jax.tree.map(agree, gradients, expected_gradients)


def agree(ours, theirs):
    np.testing.assert_allclose(ours, theirs.numpy(), rtol=1e-12, atol=1e-13)
