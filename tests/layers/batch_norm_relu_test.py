import jax
import jax.numpy as jnp
import numpy as np
import pytest

from deltarule.layers import BatchNorm, BatchNormReLU, Chain, ReLU
from deltarule.layers.layer import Context
from layers.reference import agree_with_torch

OPTIONS = [{}, {"scale": False}, {"offset": False}, {"scale": False, "offset": False}]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_it_is_the_chain_of_both(float64, options):
    one, two = BatchNormReLU(**options), Chain(BatchNorm(**options), ReLU())
    rng = np.random.default_rng(0)
    params = {name: jnp.asarray(rng.normal(size=a.shape)) for name, a in one.init(rng, (7, 2, 5)).items()}
    x, dy = (jnp.asarray(rng.normal(size=(7, 2, 5))) for _ in range(2))
    memory = one.memory(x.shape)

    def passes(layer, params, memory):
        y, saved = layer.forward(params, x, Context(memory=memory))
        moved = layer.remember(memory, saved)
        return y, *layer.backward(params, saved, dy), moved, layer.predict(params, x, memory)

    y, dx, dparams, moved, predicted = passes(two, (params, {}), (memory, {}))
    expected = y, dx, dparams[0], moved[0], predicted
    got = passes(one, params, memory)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14), got, expected)
    assert (np.asarray(predicted) == 0).any()


@pytest.mark.torch
@pytest.mark.parametrize("shape", [(7, 5), (2, 3, 4, 5)], ids=str)
def test_training_is_that_of_torch(torch, shape):
    def batch_norm(x, params):
        y = torch.nn.functional.batch_norm(
            x.movedim(-1, 1), None, None, params["gamma"], params["beta"], training=True, eps=0.01
        )
        return torch.relu(y).movedim(1, -1)

    agree_with_torch(BatchNormReLU(epsilon=0.01), batch_norm, shape)
