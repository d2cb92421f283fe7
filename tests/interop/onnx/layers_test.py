"""Every layer of the library as ONNX Runtime computes it, and read back."""

from dataclasses import replace

import numpy as np
import pytest

import deltarule as dr
from deltarule import layers
from deltarule.errors import FileError, SettingError
from deltarule.interop.onnx import from_onnx, to_onnx
from deltarule.layers.layer import Layer
from interop.onnx.models import drawn, model_of, session

LAYERS = [kind for kind in vars(layers).values() if isinstance(kind, type) and issubclass(kind, Layer)]
EXAMPLES = [example for kind in LAYERS for example in kind.examples()]
EXAMPLES += [(replace(layer, carry=False), shape) for layer, shape in layers.Recurrent.examples() if layer.carry]
EXAMPLES += [
    (dr.Bidirectional(dr.LSTM(3), last=True), (2, 3, 4)),
    (dr.Bidirectional(dr.GRU(3)), (2, 3, 4)),
    (dr.Softmax(axis=1), (2, 3, 4, 5)),
    (dr.Chain(dr.Convolution(4, 3), dr.Softmax(axis=1), dr.Columns(1, 3), dr.Scale()), (2, 5, 4, 3)),
    (dr.Chain(dr.Convolution(4, 3), dr.RandomCrop(2, 3), dr.LayerNorm()), (2, 5, 4, 3)),
    (dr.Chain(dr.Convolution(4, 3), dr.Dense(3), dr.Dueling()), (2, 5, 4, 3)),
    (dr.Residual(dr.Convolution(3, 3), dr.Dense(3)), (2, 5, 4, 3)),
    (dr.Branch(dr.Convolution(4, 3), dr.LayerNorm(), dr.Identity()), (2, 5, 4, 3)),
    (dr.Chain(dr.Recurrent(dr.SimpleRNN(4)), dr.BatchNorm(), dr.Convolution(2, 3)), (2, 5, 3)),
    (dr.ConvolutionTranspose(3, 2, stride=3, padding="valid", output_padding=2), (2, 5, 4)),
]
CARRIED = "carry=True goes on from the state of the batch before"
NOT_EXPORTED = {"Recurrent": CARRIED}  # the two of its examples with carry
NOT_READ = {
    "RandomCrop": "a crop of predictions says nothing of how training draws it",
}
every_example = pytest.mark.parametrize(("layer", "shape"), EXAMPLES, ids=lambda value: str(value)[:60])


def examples_of(layer, shape, n=64):
    """Inputs for a layer: codes for an embedding, some of which are none."""
    x = drawn(shape[1:], n)
    if isinstance(layer, dr.Embedding):
        x = np.random.default_rng(1).integers(-1, layer.levels + 1, x.shape).astype(np.float32)
        x.flat[3] = 1.5
    return x


def test_every_layer_is_tried():
    tried = {type(layer).__name__ for layer, _ in EXAMPLES}
    assert {kind.__name__ for kind in LAYERS} == tried
    left_out = [layer for layer, _ in EXAMPLES if getattr(layer, "carry", False)]
    assert {type(layer).__name__ for layer in left_out} == set(NOT_EXPORTED)
    assert len(left_out) == 2


@every_example
def test_onnx_runtime_computes_the_same_and_it_is_read_back(layer, shape):
    model, x = model_of(layer, shape[1:]), examples_of(layer, shape)
    if getattr(layer, "carry", False):
        with pytest.raises(SettingError, match=CARRIED):
            to_onnx(model)
        return
    written = to_onnx(model)
    running, expected = session(written), model.predict(x)
    for n in (1, 7, 64):
        np.testing.assert_allclose(running.run(None, {"x": x[:n]})[0], expected[:n], rtol=0, atol=1e-5)
    if any(name in str(layer) for name in NOT_READ):
        with pytest.raises(FileError, match="Slice"):
            from_onnx(written, dr.SquaredError())
        return
    again = from_onnx(written, dr.SquaredError())
    codes = np.isfinite(expected).all(tuple(range(1, expected.ndim)))
    np.testing.assert_allclose(again.predict(x[codes]), expected[codes], rtol=0, atol=1e-6)


def test_what_is_no_code_is_nan_as_in_predict():
    layer = dr.Embedding(levels=3, features=2)
    x = np.array([[0, 2, -1, 3, 0.5, np.inf, -0.0, 1]], np.float32)
    written = to_onnx(model_of(layer, (8,)))
    got = session(written).run(None, {"x": x})[0]
    assert np.isnan(got[0]).all(1).tolist() == [False, False, True, True, True, True, False, False]
    assert from_onnx(written, dr.SquaredError()).net == layer
