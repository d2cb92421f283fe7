import jax
import jax.numpy as jnp
import numpy as np
import pytest

from deltarule.errors import SettingError, ShapeError
from deltarule.layers import Chain, Identity, MaxPool
from deltarule.layers.layer import Context
from layers.reference import agree_with_torch, forward

SETTINGS = [  # shape, pool_size, stride, padding, dilation
    ((3, 9, 2), 3, None, 0, 1),
    ((3, 9, 2), 4, 1, 2, 1),
    ((3, 9, 2), 2, 5, 1, 1),
    ((3, 8, 7, 2), 2, None, 0, 1),
    ((3, 8, 7, 2), 3, 2, 1, 1),
    ((3, 8, 7, 2), (2, 3), (3, 1), (1, 0), (2, 3)),
    ((2, 4, 7, 6, 3), 2, None, 0, 1),
    ((2, 4, 7, 6, 3), (1, 3, 2), (2, 1, 3), (0, 1, 1), (1, 2, 1)),
]


def torch_pool(torch, pool_size, stride, padding, dilation):
    def pool(x):
        function = getattr(torch.nn.functional, f"max_pool{x.ndim - 2}d")
        return function(x.movedim(-1, 1), pool_size, stride, padding, dilation).movedim(1, -1)

    return pool


@pytest.mark.torch
@pytest.mark.parametrize(("shape", "pool_size", "stride", "padding", "dilation"), SETTINGS, ids=str)
@pytest.mark.parametrize("ties", [False, True])
def test_max_pool_is_that_of_torch(torch, shape, pool_size, stride, padding, dilation, ties):
    """With ties, numbers are −1, 0 and 1, and nearly every window has several that are largest."""
    x = np.random.default_rng(1).integers(-1, 2, shape) if ties else shape
    settings = (pool_size, stride, padding, dilation)
    agree_with_torch(MaxPool(*settings), torch_pool(torch, *settings), x)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize(("pool_size", "stride", "padding"), [(2, 2, 0), (3, 2, 1), (3, 1, 1), (2, 3, 1)])
def test_ties_are_those_of_xla(pool_size, stride, padding):
    """`lax.reduce_window` differentiates to select_and_scatter."""
    rng = np.random.default_rng(2)
    x = jnp.asarray(rng.integers(-1, 2, (2, 8, 9, 3)), jnp.float64)
    window, strides = (1, pool_size, pool_size, 1), (1, stride, stride, 1)
    sides = [(0, 0), (padding, padding), (padding, padding), (0, 0)]

    def reference(x):
        return jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, window, strides, sides)

    expected, back = jax.vjp(reference, x)
    dy = rng.normal(size=expected.shape)
    layer = MaxPool(pool_size, stride, padding)
    y, saved = layer.forward({}, x, Context())
    np.testing.assert_array_equal(y, expected)
    np.testing.assert_allclose(layer.backward({}, saved, dy)[0], back(dy)[0], rtol=1e-12, atol=1e-14)


def test_the_first_of_several_largest_takes_the_whole_delta():
    x = jnp.array([[1.0, 5.0, 5.0], [5.0, 2.0, 5.0]]).reshape(1, 2, 3, 1)
    layer = MaxPool((2, 3))
    _, saved = layer.forward({}, x, Context())
    dx, _ = layer.backward({}, saved, jnp.array([[[[7.0]]]]))
    assert dx.reshape(2, 3).tolist() == [[0, 7, 0], [0, 0, 0]]


def test_the_kept_index_is_as_small_as_the_window_allows():
    x = jnp.arange(600.0).reshape(1, 600, 1)
    for size, dtype, itemsize in ((255, np.uint8, 1), (300, np.uint16, 2)):
        layer = MaxPool(size, stride=300)
        _, saved = jax.jit(lambda x, layer=layer: layer.forward({}, x, Context()))(x)
        assert saved[0].dtype == dtype
        assert layer.cost(x.shape).marks == 2 * itemsize
        dx, _ = layer.backward({}, saved, jnp.array([[[3.0], [4.0]]]))
        assert {int(j): float(dx[0, j, 0]) for j in np.flatnonzero(dx)} == {size - 1: 3.0, size + 299: 4.0}


def test_padding_is_never_chosen_and_nan_always():
    assert (forward(MaxPool(3, 1, 1), np.full((1, 4, 5, 2), -3e38, np.float32)) < 0).all()
    for j in range(3):
        x = np.arange(3.0)[None, :, None]
        x[0, j] = np.nan
        assert np.isnan(forward(MaxPool(3), x)).all()


def test_a_pool_that_does_not_fit_is_refused_with_its_numbers():
    with pytest.raises(ShapeError, match=r"^layer 1, MaxPool\(5\): .*⌊\(3 − 5 \+ 2·0\)/5⌋ \+ 1 = 0; take"):
        Chain(Identity(), MaxPool(5)).shape((2, 9, 3, 4))
    with pytest.raises(ShapeError, match=r"MaxPool\(2\): expected an input with axes of space.*got \(2, 9\)"):
        MaxPool(2).shape((2, 9))
    with pytest.raises(ShapeError, match=r"pool_size \(2, 2, 2\) is for 3 axes of space, but the input has 2"):
        MaxPool((2, 2, 2)).shape((2, 9, 8, 4))


@pytest.mark.parametrize(("padding", "window"), [(2, "0 of 4"), (((0, 3),), "3 of 4")])
def test_a_window_of_nothing_but_padding_is_refused(padding, window):
    with pytest.raises(ShapeError, match=rf"axis 1 of \(5, 5, 3\) window {window} holds nothing but padding"):
        MaxPool(2, padding=padding).shape((5, 5, 3))


def test_a_dilated_window_that_spans_the_input_is_refused():
    with pytest.raises(ShapeError, match="window 1 of 3 holds nothing but padding"):
        MaxPool(2, stride=1, padding=2, dilation=4).shape((5, 3, 3))


@pytest.mark.parametrize("name", ["pool_size", "stride", "dilation"])
def test_settings_below_one_are_refused(name):
    with pytest.raises(SettingError, match=f"MaxPool: {name} must be whole numbers of at least 1, got 0"):
        MaxPool(**{"pool_size": 2, name: 0})
    with pytest.raises(SettingError, match="MaxPool: padding must be"):
        MaxPool(2, padding=-1)
