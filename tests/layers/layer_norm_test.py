import numpy as np
import pytest

from deltarule.errors import SettingError, ShapeError
from deltarule.layers import Chain, LayerNorm
from layers.reference import agree_with_torch, forward


@pytest.mark.torch
@pytest.mark.parametrize("names", [("gamma", "beta"), ("gamma",), ("beta",), ()], ids=str)
@pytest.mark.parametrize(("shape", "axes"), [((7, 5), 1), ((2, 3, 5), 1), ((2, 3, 4, 5), 3)], ids=str)
def test_layer_norm_is_that_of_torch(torch, shape, axes, names):
    def layer_norm(x, params=None):
        params = params or {}
        y = torch.nn.functional.layer_norm(x, shape[-axes:], params.get("gamma"), eps=0.01)
        return y + params["beta"] if "beta" in names else y

    agree_with_torch(LayerNorm(0.01, scale="gamma" in names, offset="beta" in names, axes=axes), layer_norm, shape)


def test_fresh_parameters_have_the_shape_of_the_normalised_axes():
    params = LayerNorm(axes=2).init(np.random.default_rng(0), (2, 3, 5))
    assert {name: (a.shape, a.dtype, a.mean()) for name, a in params.items()} == {
        "gamma": ((3, 5), np.float32, 1.0),
        "beta": ((3, 5), np.float32, 0.0),
    }


def test_numbers_far_from_zero_are_normalised_in_float32():
    y = forward(LayerNorm(), np.random.default_rng(0).normal(1e4, 1, (7, 500)).astype(np.float32))
    np.testing.assert_allclose(np.mean(y, 1), 0, atol=1e-2)
    np.testing.assert_allclose(np.std(y, 1), 1, atol=1e-2)


@pytest.mark.parametrize(
    ("layer", "shape", "message"),
    [
        (LayerNorm(), (7,), r"^layer 0, LayerNorm: expected axis 0, .* before the 1 .* got \(7,\)"),
        (LayerNorm(axes=2), (7, 5), r"LayerNorm: expected axis 0, .* before the 2 .* got \(7, 5\)"),
        (LayerNorm(), (7, 5, 1), r"LayerNorm: expected two or more numbers .* got \(7, 5, 1\)"),
    ],
)
def test_shapes_that_leave_nothing_to_normalise_are_refused(layer, shape, message):
    with pytest.raises(ShapeError, match=message):
        Chain(layer).shape(shape)


@pytest.mark.parametrize(
    ("options", "message"),
    [({"axes": 0}, "LayerNorm: axes .* got 0"), ({"epsilon": -1.0}, r"LayerNorm: epsilon .* got -1\.0")],
)
def test_settings_out_of_range_are_refused(options, message):
    with pytest.raises(SettingError, match=message):
        LayerNorm(**options)
