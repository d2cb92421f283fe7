import jax.numpy as jnp
import numpy as np
import pytest

from deltarule.errors import ShapeError
from deltarule.layers import GlobalMaxPool
from deltarule.layers.layer import Context
from layers.reference import agree_with_torch


@pytest.mark.torch
@pytest.mark.parametrize("shape", [(3, 9, 2), (3, 8, 7, 2), (2, 4, 7, 6, 3)], ids=str)
@pytest.mark.parametrize("ties", [False, True])
def test_global_max_pool_is_the_adaptive_pool_of_torch(torch, shape, ties):
    def pool(x):
        return getattr(torch.nn.functional, f"adaptive_max_pool{x.ndim - 2}d")(x.movedim(-1, 1), 1).flatten(1)

    agree_with_torch(GlobalMaxPool(), pool, np.random.default_rng(1).integers(-1, 2, shape) if ties else shape)


def test_the_first_of_several_largest_takes_the_whole_delta():
    x = jnp.array([[1.0, 5.0, 5.0], [5.0, 2.0, 5.0]]).reshape(1, 2, 3, 1)
    y, saved = GlobalMaxPool().forward({}, x, Context())
    dx, _ = GlobalMaxPool().backward({}, saved, jnp.array([[7.0]]))
    assert y.tolist() == [[5]]
    assert dx.reshape(2, 3).tolist() == [[0, 7, 0], [0, 0, 0]]


def test_the_kept_index_is_as_small_as_the_image_allows():
    for positions, itemsize in ((256, 1), (257, 2)):
        _, saved = GlobalMaxPool().forward({}, jnp.arange(positions * 1.0).reshape(1, -1, 1), Context())
        assert saved[0].item() == positions - 1
        assert saved[0].nbytes == GlobalMaxPool().cost((1, positions, 1)).marks == itemsize


def test_an_input_without_space_is_refused():
    with pytest.raises(ShapeError, match=r"GlobalMaxPool: expected .* got \(7, 5\); leave the layer out"):
        GlobalMaxPool().shape((7, 5))
