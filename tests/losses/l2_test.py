"""L2: the gradient of λ|θ|², which is half of PyTorch's convention, and on weights only."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from deltarule.losses import L2

RNG = np.random.default_rng(0)
PARAMS = ({"W": RNG.normal(size=(3, 2)), "b": RNG.normal(size=2)}, {"gamma": RNG.normal(size=2)})
DPARAMS = jax.tree.map(lambda a: RNG.normal(size=a.shape), PARAMS)


@pytest.mark.usefixtures("float64")
def test_gradient_is_the_derivative_of_the_penalty():
    params, dparams = jax.tree.map(jnp.asarray, (PARAMS, DPARAMS))
    penalty = jax.grad(lambda p: 0.3 * sum((leaf**2).sum() for leaf in jax.tree.leaves(p)))(params)
    got = L2(0.3, exclude=()).gradient(params, dparams, 0.3)
    jax.tree.map(lambda a, d, p: np.testing.assert_allclose(a, d + p, rtol=1e-14), got, dparams, penalty)


def test_biases_and_normalisation_scales_are_left_alone_by_default():
    got = L2(0.3).gradient(PARAMS, DPARAMS, 0.3)
    assert got[0]["b"] is DPARAMS[0]["b"]
    assert got[1]["gamma"] is DPARAMS[1]["gamma"]
    np.testing.assert_allclose(got[0]["W"], DPARAMS[0]["W"] + 0.6 * PARAMS[0]["W"])


def test_what_is_left_alone_can_be_chosen():
    got = L2(0.3, exclude=("W",)).gradient(PARAMS, DPARAMS, 0.3)
    assert got[0]["W"] is DPARAMS[0]["W"]
    np.testing.assert_allclose(got[0]["b"], DPARAMS[0]["b"] + 0.6 * PARAMS[0]["b"])


@pytest.mark.torch
def test_weight_decay_of_pytorch_is_twice_lambda(torch):
    W = torch.tensor(PARAMS[0]["W"], requires_grad=True)
    W.grad = torch.tensor(DPARAMS[0]["W"])
    torch.optim.SGD([W], lr=0.1, weight_decay=2 * 0.3).step()
    dW = L2(0.3).gradient(PARAMS, DPARAMS, 0.3)[0]["W"]
    np.testing.assert_allclose(PARAMS[0]["W"] - 0.1 * dW, W.detach().numpy(), rtol=1e-14)


def test_one_name_is_left_alone_as_one_name():
    assert L2(0.1, exclude="gamma") == L2(0.1, exclude=("gamma",))
