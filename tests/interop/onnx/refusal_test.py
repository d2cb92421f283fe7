"""Files that are no network of ours: every error says which operators, and what to do."""

import numpy as np
import pytest

import deltarule as dr
from deltarule.errors import FileError
from deltarule.interop.onnx import from_onnx
from interop.onnx.foreign import file_of

IMAGES, ROWS, STEPS = "float[n,3,9,8] x", "float[n,6] x", "float[7,n,4] x"
FILM = "float[n,7,4] x"
LSTM = {"W": (1, 20, 4), "R": (1, 20, 5), "one": np.array([1])}


def refused(written) -> str:
    """The words of the error."""
    with pytest.raises(FileError) as caught:
        from_onnx(written, dr.SquaredError())
    return str(caught.value)


def test_all_unknown_operators_are_named_at_once():
    written = file_of(ROWS, "a = Sin(x) b = Relu(a) c = Cos(b) y = Sin(c)")
    for number, node in enumerate(written.graph.node):
        node.name = f"node {number}"
    said = refused(written)
    assert "is read from these operators of the file: Sin (2, the first at 'node 0'), Cos (1, the first" in said
    assert "export the network without them" in said


def test_what_the_output_does_not_depend_on_may_be_unknown():
    assert from_onnx(file_of(ROWS, "a = Sin(x) y = Relu(x)"), dr.SquaredError()).net == dr.ReLU()


@pytest.mark.parametrize(
    ("signature", "body", "weights", "words"),
    [
        ("float[n,6] x, float[n,6] z", "y = Add(x, z)", {}, "an ONNX model of one input, got 2: 'x', 'z'"),
        ("float[n,a,b] x", "y = Relu(x)", {}, r"input 'x': expected sizes that are known but for"),
        (ROWS, "s = Shape(x) f = Cast<to=1>(s) y = Relu(f)", {}, "Shape"),
        (IMAGES, "y = Flatten(x)", {}, None),
        (IMAGES, "c = Conv(x, K) y = Flatten(c)", {"K": (2, 3, 1, 1)}, "images in one row, an order"),
        (IMAGES, "c = Conv(x, K) y = Softmax<axis=0>(c)", {"K": (2, 3, 1, 1)}, "an axis other than the examples'"),
        (IMAGES, "c = Conv(x, K) y = Reshape(c, s)", {"K": (2, 3, 1, 1), "s": [0, 2, 72]}, "axes that lie as"),
        (IMAGES, "c = Conv(x, K) y = Reshape(c, s)", {"K": (2, 3, 1, 1), "s": [-1, 2]}, "of each example by"),
        (IMAGES, "c = Conv(x, K) y = MatMul(c, W)", {"K": (2, 3, 1, 1), "W": (8, 2)}, "features on the last axis"),
        (IMAGES, "c = Conv(x, K) d = Add(c, p) y = Relu(d)", {"K": (2, 3, 1, 1), "p": (9, 8)}, "number for each"),
        (IMAGES, "y = MaxPool<kernel_shape=[12,2]>(x)", {}, r"'\w*' \(MaxPool\)|shapes do not fit"),
        (FILM, "y = Reshape(x, s)", {"s": [-1, 4]}, "7 steps folded into the examples; end the network where"),
        (FILM, "a = Reshape(x, s) y = Reshape(a, u)", {"s": [-1, 4], "u": [-1, 3, 4]}, "unfold the 7 steps, got"),
        (ROWS, "a = Cast<to=7>(x) b = Cast<to=1>(a) y = Relu(b)", {}, "and are not cut off"),
        (ROWS, "y = LeakyRelu<alpha=-1.0>(x)", {}, r"\(LeakyRelu\): its settings make no layer: LeakyReLU"),
        (IMAGES, "y = Conv<dilations=[1]>(x, K)", {"K": (2, 3, 1, 1), "rank": 4}, "settings make no layer"),
        (IMAGES, "y = Conv(x, K)", {"K": (2, 4, 1, 1), "rank": 4}, "expected weights of the shapes"),
        (ROWS, "y = Mul(x, x)", {}, "expected one input that is not a weight"),
        (ROWS, "y = Sub(c, x)", {"c": (6,)}, "expected a constant for its other input"),
        (ROWS, "y = Div(x, c)", {"c": np.float32([1, 2, 3, 0, 5, 6])}, "to divide by numbers other than 0"),
        (IMAGES, "c = Conv(x, K) f = Flatten(c) a = Gemm(f, W) y = Add(a, f)",
         {"K": (2, 3, 1, 1), "W": (144, 144)}, "whose numbers lie in one order, but a path leads by a channels-f"),
        (IMAGES, "c = Conv(x, K) f = Flatten(c) a = Gemm(f, W) y = Concat<axis=1>(a, f)",
         {"K": (2, 3, 1, 1), "W": (144, 5)}, "whose numbers lie in one order, but a path leads by a channels-f"),
        (ROWS, "y = Concat<axis=0>(x, x)", {}, "side by side along the features"),
        (ROWS, "a = Gemm(x, W) y = Add(a, x)", {"W": (6, 1)}, r"of one shape, got \(1, 1\) and \(1, 6\)"),
        (ROWS, "y = Gemm<transA=1>(x, W)", {"W": (7, 2)}, "shapes|rows of its first input"),
        (ROWS, "y = Slice(x, a, b, c, d)", {"a": [0], "b": [6], "c": [1], "d": [2]}, "without steps"),
        (ROWS, "y = Unsqueeze(x, a)", {"a": [0]}, "axes that lie as ours do"),
        (ROWS, "y = Squeeze(x, a)", {"a": [1]}, "shapes|take out axes"),
        (STEPS, "z = LSTM<hidden_size=5, clip=1.0>(x, W, R) y = Squeeze(z, one)", LSTM, "no lengths and no clip"),
        (STEPS, "z, q, h = LSTM<hidden_size=5>(x, W, R) y = Squeeze(h, one)", LSTM, "and not the last c"),
        (STEPS, "z = LSTM<hidden_size=5>(x, W, R, , , i) y = Squeeze(z, one)",
         LSTM | {"i": (1, 2, 5)}, "expected to begin at a state of 0"),
        (STEPS, "z = LSTM<hidden_size=5, input_forget=1>(x, W, R) y = Squeeze(z, one)", LSTM, "forget gate of"),
        (STEPS, 'z = LSTM<hidden_size=5, activations=["Relu","Tanh","Tanh"]>(x, W, R) y = Squeeze(z, one)', LSTM,
         r"its usual activations, got \['relu', 'tanh', 'tanh'\]"),
        (STEPS, "z = LSTM<hidden_size=5>(x, W, R) q = Squeeze(z, one) y = Gather<axis=0>(q, i)",
         LSTM | {"i": np.array(2)}, "expected the last step of a recurrent operator"),
        (ROWS, "a = Gemm(x, W) b = Relu(a) c = Gemm(b, W) d = Add(a, c) e = Add(d, b) y = Concat<axis=1>(e, c)",
         {"W": (6, 6)}, "paths that cross"),
    ],
)  # fmt: skip
def test_what_no_layer_does_is_refused(signature, body, weights, words):
    written = file_of(signature, body, **weights)
    if words is None:
        assert from_onnx(written, dr.SquaredError()).net == dr.Flatten()
        return
    with pytest.raises(FileError, match=words):
        from_onnx(written, dr.SquaredError())


def test_a_scale_of_channels_at_an_odd_place_is_refused():
    written = file_of(IMAGES, "c = Conv(x, K) y = LayerNormalization(c, g)", K=(2, 3, 1, 1), g=(8,))
    assert "(LayerNormalization): expected to normalise the last axes, features behind all others" in refused(
        written
    )


def test_what_is_no_file_of_onnx_is_said(tmp_path):
    (tmp_path / "text.onnx").write_text("no model")
    for name, words in (("none.onnx", "none.onnx: no such file"), ("text.onnx", "expected an ONNX file, but it")):
        with pytest.raises(FileError, match=words):
            from_onnx(tmp_path / name, dr.SquaredError())


def test_bytes_are_no_path():
    with pytest.raises(FileError, match=r"expected the path of a file, or an onnx\.ModelProto, got bytes"):
        from_onnx(b"\x08\n", dr.SquaredError())  # type: ignore[arg-type]


def test_an_empty_file_is_no_network(tmp_path):
    (tmp_path / "empty.onnx").touch()
    with pytest.raises(FileError, match="expected an ONNX model of one input, but it has none; is the file whole"):
        from_onnx(tmp_path / "empty.onnx", dr.SquaredError())


def test_several_outputs_are_named():
    written = file_of(ROWS, "a = Relu(x) y = Tanh(a)")
    written.graph.output.append(written.graph.input[0])
    assert refused(written).startswith("expected an ONNX model of one output, got 2: 'y', 'x'")


def test_shapes_that_do_not_fit_are_said():
    written = file_of(ROWS, "y = Gemm(x, W)", W=(6, 2))
    written.graph.initializer[0].CopyFrom(file_of(ROWS, "y = Gemm(x, W)", W=(5, 2)).graph.initializer[0])
    assert "W" in refused(written) or "shapes do not fit" in refused(written)
