from itertools import product

import numpy as np
import pytest

import deltarule as dr
from deltarule.errors import SettingError, ShapeError
from deltarule.layers import Chain, Convolution, ConvolutionTranspose, Dense
from deltarule.layers.initializers import Glorot, He, LeCun
from layers.reference import agree_with_torch

SPACES = [(9,), (8, 7), (5, 7, 4)]
SETTINGS = [  # stride, padding in front and behind, dilation, each for three axes; groups, channels, features
    ((1, 1, 1), ((0, 0), (0, 0), (0, 0)), (1, 1, 1), (1, 2, 3)),
    ((2, 1, 3), ((0, 0), (0, 0), (0, 0)), (1, 1, 1), (2, 4, 6)),
    ((1, 1, 1), ((1, 1), (2, 2), (0, 0)), (2, 1, 2), (1, 2, 3)),
    ((2, 3, 1), ((0, 2), (1, 0), (2, 1)), (1, 1, 1), (3, 3, 3)),
    ((1, 1, 1), ((0, 2), (1, 0), (2, 1)), (1, 2, 1), (3, 3, 6)),
    ((2, 3, 2), ((1, 1), (2, 2), (0, 0)), (2, 1, 2), (2, 4, 6)),
    ((3, 2, 1), ((0, 2), (1, 0), (2, 1)), (2, 3, 2), (1, 3, 2)),
]


@pytest.mark.torch
@pytest.mark.parametrize(("space", "settings"), [*product(SPACES, SETTINGS)], ids=str)
def test_convolution_is_that_of_torch(torch, space, settings):
    axes, (groups, i, o) = len(space), settings[-1]
    stride, padding, dilation = (each[:axes] for each in settings[:-1])

    def convolution(x, params):
        x = torch.nn.functional.pad(x.movedim(-1, 1), [side for pair in reversed(padding) for side in pair])
        K = params["K"].movedim((-1, -2), (0, 1))
        convolve = getattr(torch.nn.functional, f"conv{axes}d")
        return convolve(x, K, params["b"], stride, 0, dilation, groups).movedim(1, -1)

    layer = Convolution(o, (3, 2, 1)[:axes], stride, padding, dilation, groups)
    agree_with_torch(layer, convolution, (2, *space, i))


@pytest.mark.torch
@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")
@pytest.mark.parametrize(("kernel_size", "dilation"), [((4, 3), 1), ((2, 5), (3, 1)), ((4, 1), 2)])
def test_same_padding_without_bias_is_that_of_torch(torch, kernel_size, dilation):
    def convolution(x, params):
        assert set(params) == {"K"}
        K = params["K"].movedim((-1, -2), (0, 1))
        return torch.nn.functional.conv2d(x.movedim(-1, 1), K, padding="same", dilation=dilation).movedim(1, -1)

    agree_with_torch(Convolution(3, kernel_size, dilation=dilation, bias=False), convolution, (2, 8, 7, 5))


@pytest.mark.parametrize(
    ("padding", "pairs"),
    [("valid", ((0, 0), (0, 0))), (2, ((2, 2), (2, 2))), ((0, 1), ((0, 0), (1, 1))), ("same", ((0, 1), (1, 2)))],
)
def test_padding_may_be_a_word_a_number_or_a_number_for_each_axis(padding, pairs):
    shape = (2, 8, 7, 5)
    assert Convolution(3, (3, 4), (2, 1), padding).window(shape) == Convolution(3, (3, 4), (2, 1), pairs).window(
        shape
    )


def test_the_output_has_the_floor_of_the_formula():
    assert Convolution(5, 3, padding="valid").shape((2, 30, 4)) == (2, 28, 5)
    assert Convolution(5, 3, stride=2, padding="valid").shape((2, 8, 30, 4)) == (
        2,
        3,
        14,
        5,
    )  # a ceiling says 4, 15


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
    layer = Convolution(60, (3, 5), groups=groups, W_init=rule)
    params = layer.init(np.random.default_rng(0), (2, 8, 7, 48))
    K = params["K"]
    assert K.shape == (3, 5, 48 // groups, 60)
    assert K.dtype == np.float32
    d_in, d_out = 3 * 5 * 48 // groups, 3 * 5 * 60 // groups
    assert K.var() == pytest.approx(variance(d_in, d_out), rel=5 * np.sqrt(2 / K.size))
    np.testing.assert_array_equal(params["b"], np.zeros(60, np.float32))


def test_a_kernel_larger_than_the_padded_input_prints_the_formula_and_the_way_to_the_layer():
    message = r"a kernel of 5, is larger than .* axis 2 of \(2, 9, 3, 4\): .*⌊\(3 − 5 \+ 2·0\)/2⌋ \+ 1 = 0; take a"
    with pytest.raises(ShapeError, match=rf"^Convolution\(8, 5\): {message}"):
        Convolution(8, 5, stride=2, padding="valid").shape((2, 9, 3, 4))
    net = Chain(Dense(4), Chain(Convolution(8, 5, stride=2, padding="valid")))
    with pytest.raises(ShapeError, match=rf"^layer 1\.0, Convolution\(8, 5\): {message}") as caught:
        net.shape((2, 9, 3, 7))
    assert caught.value.path == (1, 0)


@pytest.mark.parametrize("shape", [(7,), (7, 5)])
def test_an_input_without_space_is_refused(shape):
    with pytest.raises(ShapeError, match=rf"^Convolution\(8, 3\): .*\(n, h, w, i\), got \({shape[0]},.*axis of 1"):
        Convolution(8, 3).shape(shape)


@pytest.mark.parametrize("layer", [Convolution(6, 3, groups=3), ConvolutionTranspose(6, 3, groups=3)], ids=str)
def test_channels_that_the_groups_do_not_divide_are_refused(layer):
    message = r"\(6, 3\): expected channels that the 3 groups divide, got 4; take as many groups as divide both 4"
    with pytest.raises(ShapeError, match=rf"^layer 1, {type(layer).__name__}{message}"):
        Chain(Dense(4), layer).shape((2, 8, 7, 5))


@pytest.mark.parametrize("kind", [Convolution, ConvolutionTranspose])
@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"features": 8, "groups": 3}, "expected features that the groups divide, got 8 features in 3 groups"),
        ({"features": 0}, "features must be a whole number of at least 1, got 0"),
        ({"kernel_size": (3, 0)}, r"kernel_size must be whole numbers of at least 1, got \(3, 0\)"),
        ({"stride": 0}, "stride must be whole numbers of at least 1, got 0"),
        ({"dilation": 1.5}, "dilation must be whole numbers of at least 1, got 1.5"),
        ({"groups": 0}, "groups must be a whole number of at least 1, got 0"),
        ({"padding": "full"}, "padding must be 'same', 'valid', .*; got 'full'"),
        ({"padding": ((0, -1),)}, r"padding must be .* none below 0; got \(\(0, -1\),\)"),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_a_wrong_setting_is_named(kind, settings, message):
    settings = {"features": 6, "kernel_size": 3} | settings
    with pytest.raises(SettingError, match=rf"^{kind.__name__}\({settings['features']}, .*\): {message}"):
        kind(**settings)


@pytest.mark.parametrize("name", ["kernel_size", "stride", "padding", "dilation"])
@pytest.mark.parametrize("kind", [Convolution, ConvolutionTranspose])
def test_settings_for_another_number_of_axes_are_refused(kind, name):
    layer = kind(**{"features": 6, "kernel_size": 3, name: (1, 2, 3)})
    with pytest.raises(
        ShapeError, match=rf"^{kind.__name__}.*: {name} \(1, 2, 3\) is for 3 axes of .* input has 2"
    ):
        layer.shape((2, 8, 7, 5))


@pytest.mark.parametrize(
    ("net", "x"),
    [
        ([Convolution(4, 3, stride=2), ConvolutionTranspose(3, 2, stride=2)], (20, 9, 2)),
        (
            [
                Convolution(4, (3, 2), padding=((1, 2), (0, 1)), dilation=(1, 2), groups=2, W_init=He()),
                ConvolutionTranspose(3, 3, stride=(1, 2), output_padding=(0, 1), padding=1),
            ],
            (20, 6, 7, 2),
        ),
        ([Convolution(4, 2, padding=(1, 0, 2), bias=False), ConvolutionTranspose(2, 1)], (20, 3, 4, 5, 2)),
    ],
    ids=["1-D", "2-D", "3-D"],
)
def test_a_fitted_model_comes_back_from_its_file_bit_equal(net, x, tmp_path):
    rng = np.random.default_rng(0)
    x = rng.normal(size=x).astype(np.float32)
    model = dr.Model(dr.Chain(*net, dr.Flatten(), Dense(2)), dr.SquaredError(), dr.SGD(0.01))
    model.fit(x, rng.normal(size=(20, 2)), epochs=2, batch_size=8)
    model.save(tmp_path / "model.safetensors")
    same = dr.load(tmp_path / "model.safetensors")
    assert same.net == model.net
    np.testing.assert_array_equal(same.predict(x), model.predict(x))
