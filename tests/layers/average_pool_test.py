import numpy as np
import pytest

from deltarule.errors import SettingError, ShapeError
from deltarule.layers import AveragePool
from layers.reference import agree_with_torch, forward

SETTINGS = [  # shape, pool_size, stride, padding
    ((3, 9, 2), 3, None, 0),
    ((3, 9, 2), 4, 1, 2),
    ((3, 9, 2), 2, 5, 1),
    ((3, 8, 7, 2), 2, None, 0),
    ((3, 8, 7, 2), 3, 2, 1),
    ((3, 8, 7, 2), (2, 3), (3, 1), (1, 0)),
    ((2, 4, 7, 6, 3), (1, 3, 2), (2, 1, 3), (0, 1, 1)),
]


@pytest.mark.torch
@pytest.mark.parametrize(("shape", "pool_size", "stride", "padding"), SETTINGS, ids=str)
@pytest.mark.parametrize("count_padding", [False, True])
def test_average_pool_is_that_of_torch(torch, shape, pool_size, stride, padding, count_padding):
    def pool(x):
        function = getattr(torch.nn.functional, f"avg_pool{x.ndim - 2}d")
        kernel = (pool_size,) if x.ndim == 3 else pool_size
        x = x.movedim(-1, 1)
        return function(x, kernel, stride, padding, count_include_pad=count_padding).movedim(1, -1)

    agree_with_torch(AveragePool(pool_size, stride, padding, count_padding), pool, shape)


def test_the_mean_of_ones_is_one_where_padding_is_not_counted():
    x = np.ones((1, 4, 5, 2), np.float32)
    np.testing.assert_allclose(forward(AveragePool(3, 1, "same", count_padding=False), x), 1, rtol=1e-6)
    corners = forward(AveragePool(3, 1, "same"), x)[0, [0, 0, -1, -1], [0, -1, 0, -1]]
    np.testing.assert_allclose(corners, 4 / 9, rtol=1e-6)


def test_errors_are_those_of_every_pool():
    with pytest.raises(ShapeError, match=r"^AveragePool\(4\): .*⌊\(3 − 4 \+ 2·0\)/1⌋ \+ 1 = 0"):
        AveragePool(4, stride=1).shape((2, 9, 3, 4))
    with pytest.raises(ShapeError, match=r"AveragePool\(2\): .*window 0 of 4 holds nothing but padding"):
        AveragePool(2, padding=2, count_padding=False).shape((5, 5, 3))
    with pytest.raises(SettingError, match="AveragePool: stride must be whole numbers of at least 1, got -1"):
        AveragePool(2, stride=-1)
