import pytest

from deltarule.errors import ShapeError
from deltarule.layers import GlobalAveragePool
from layers.reference import agree_with_torch


@pytest.mark.torch
@pytest.mark.parametrize("shape", [(3, 9, 2), (3, 8, 7, 2), (2, 4, 7, 6, 3)], ids=str)
def test_global_average_pool_is_the_adaptive_pool_of_torch(torch, shape):
    def pool(x):
        return getattr(torch.nn.functional, f"adaptive_avg_pool{x.ndim - 2}d")(x.movedim(-1, 1), 1).flatten(1)

    agree_with_torch(GlobalAveragePool(), pool, shape)


def test_an_input_without_space_is_refused():
    with pytest.raises(ShapeError, match=r"GlobalAveragePool: expected .* got \(7, 5\); leave the layer out"):
        GlobalAveragePool().shape((7, 5))
