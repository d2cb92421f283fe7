import re
from itertools import product

import jax.numpy as jnp
import numpy as np
import pytest

from deltarule.errors import SettingError, ShapeError
from deltarule.layers import Chain, Convolution, ConvolutionTranspose, Dense
from deltarule.layers.initializers import Glorot, He, LeCun
from layers.reference import agree_with_torch, forward

SPACES = [(6,), (5, 4), (3, 4, 2)]
SETTINGS = [  # stride, padding, output's padding, dilation, each for three axes; groups, channels, features
    ((1, 1, 1), ((0, 0), (0, 0), (0, 0)), (0, 0, 0), (1, 1, 1), (1, 3, 2)),
    ((2, 1, 3), ((0, 0), (0, 0), (0, 0)), (1, 0, 2), (1, 1, 1), (2, 6, 4)),
    ((1, 1, 1), ((1, 1), (1, 1), (0, 0)), (0, 0, 0), (2, 1, 2), (1, 3, 2)),
    ((2, 3, 1), ((0, 2), (1, 0), (1, 0)), (0, 1, 0), (1, 1, 1), (3, 3, 3)),
    ((1, 1, 1), ((0, 2), (1, 0), (1, 0)), (0, 0, 0), (1, 2, 1), (3, 3, 6)),
    ((2, 3, 2), ((1, 1), (2, 2), (0, 0)), (1, 2, 1), (2, 1, 2), (2, 6, 4)),
    ((3, 2, 1), ((0, 2), (1, 0), (1, 0)), (0, 0, 0), (2, 3, 2), (1, 2, 3)),
]


@pytest.mark.torch
@pytest.mark.parametrize(("space", "settings"), [*product(SPACES, SETTINGS)], ids=str)
def test_convolution_transpose_is_that_of_torch(torch, space, settings):
    """PyTorch pads front and behind alike, so its unpadded output is cut."""
    axes, (groups, i, o) = len(space), settings[-1]
    stride, padding, more, dilation = (each[:axes] for each in settings[:-1])

    def convolution_transpose(x, params):
        K = params["K"].movedim((-1, -2), (0, 1))
        convolve = getattr(torch.nn.functional, f"conv_transpose{axes}d")
        y = convolve(x.movedim(-1, 1), K, params["b"], stride, 0, more, groups, dilation).movedim(1, -1)
        for axis, (front, behind) in enumerate(padding, 1):
            y = y.narrow(axis, front, y.shape[axis] - front - behind)
        return y

    layer = ConvolutionTranspose(o, (3, 2, 1)[:axes], stride, padding, more, dilation, groups)
    agree_with_torch(layer, convolution_transpose, (2, *space, i))


@pytest.mark.torch
def test_without_bias_there_is_no_gradient_of_one(torch):
    def convolution_transpose(x, params):
        assert set(params) == {"K"}
        K = params["K"].movedim((-1, -2), (0, 1))
        return torch.nn.functional.conv_transpose1d(x.movedim(-1, 1), K, padding=1).movedim(1, -1)

    agree_with_torch(ConvolutionTranspose(2, 3, bias=False), convolution_transpose, (5, 6, 4))


@pytest.mark.parametrize(("kernel_size", "stride"), [*product((1, 2, 3, 4), (1, 2, 3))])
def test_same_padding_makes_as_many_positions_as_strides(kernel_size, stride):
    y = forward(ConvolutionTranspose(5, kernel_size, stride), np.ones((2, 7, 3), np.float32))
    assert y.shape == (2, 7 * stride, 5)


def test_it_is_the_transpose_of_the_convolution_with_its_settings(float64):
    """⟨K ∗ x, z⟩ = ⟨x, Kᵀ ∗ z⟩ for every x and z, whose spaces the two layers exchange."""
    rng = np.random.default_rng(0)
    there = Convolution(4, (3, 2), (2, 3), ((1, 0), (0, 2)), (1, 2), 2, bias=False)
    back = ConvolutionTranspose(6, (3, 2), (2, 3), ((1, 0), (0, 2)), (0, 2), (1, 2), 2, bias=False)
    x, K = rng.normal(size=(5, 8, 9, 6)), rng.normal(size=(3, 2, 3, 4))
    assert there.init(rng, x.shape)["K"].shape == K.shape
    y, _ = there.forward({"K": K}, jnp.asarray(x), None)
    z = rng.normal(size=y.shape)
    got, _ = back.forward({"K": jnp.asarray(K)}, jnp.asarray(z), None)
    assert float(jnp.vdot(y, z)) == pytest.approx(float(jnp.vdot(x, got)), rel=1e-12)


@pytest.mark.parametrize("groups", [1, 3])
@pytest.mark.parametrize(
    ("rule", "variance"),
    [
        (LeCun(), lambda d_in, d_out: 1 / d_in),
        (He("normal"), lambda d_in, d_out: 2 / d_in),
        (Glorot(), lambda d_in, d_out: 2 / (d_in + d_out)),
    ],
    ids=["LeCun", "He", "Glorot"],
)
def test_the_variance_of_fresh_weights_follows_the_taps_and_features_of_a_group(rule, variance, groups):
    layer = ConvolutionTranspose(60, (3, 5), groups=groups, W_init=rule)
    params = layer.init(np.random.default_rng(0), (2, 8, 7, 48))
    K = params["K"]
    assert K.shape == (3, 5, 60 // groups, 48)
    d_in, d_out = 3 * 5 * 48 // groups, 3 * 5 * 60 // groups
    assert K.var() == pytest.approx(variance(d_in, d_out), rel=5 * np.sqrt(2 / K.size))
    np.testing.assert_array_equal(params["b"], np.zeros(60, np.float32))


def test_padding_that_leaves_nothing_of_the_output_is_refused():
    message = r"nothing is left of the output: .* is \(1, 0\) for an input of \(1, 2\) and .* \(1, 2\); take less"
    with pytest.raises(ShapeError, match=rf"^layer 1, ConvolutionTranspose\(6, 3\): {message}") as caught:
        Chain(Dense(4), ConvolutionTranspose(6, 3, padding=(1, 2))).shape((2, 1, 2, 5))
    assert caught.value.path == (1,)


@pytest.mark.parametrize("shape", [(7,), (7, 5)])
def test_an_input_without_space_is_refused(shape):
    with pytest.raises(
        ShapeError, match=rf"^ConvolutionTranspose\(8, 3\): .*\(n, h, w, i\), got {re.escape(str(shape))}"
    ):
        ConvolutionTranspose(8, 3).shape(shape)


@pytest.mark.parametrize("output_padding", [-1, 0.5, (1, -2), True])
def test_an_output_padding_that_is_none_is_refused(output_padding):
    message = f"output_padding must be whole numbers of at least 0, got {re.escape(str(output_padding))}"
    with pytest.raises(SettingError, match=rf"^ConvolutionTranspose\(8, 3\): {message}"):
        ConvolutionTranspose(8, 3, output_padding=output_padding)
