"""ONNX files as other programs write them: what is read predicts what ONNX Runtime computes of the file."""

import numpy as np
import pytest
from onnx.reference import ReferenceEvaluator

import deltarule as dr
from deltarule.errors import FileError
from deltarule.interop.onnx import from_onnx
from interop.onnx.foreign import file_of
from interop.onnx.models import computed

IMAGES, SERIES, ROWS = "float[n,3,9,8] x", "float[n,4,10] x", "float[n,6] x"
ONE, TWO = np.array([1]), np.array([2, 3])
PADDED = "kernel_shape=[3,3], pads=[1,1,1,1]"
LSTM = {"W": (1, 20, 4), "R": (1, 20, 5), "B": (1, 40)}
BOTH = {"W": (2, 15, 4), "R": (2, 15, 5), "B": (2, 30)}
STATE = """s = Shape(x) i = Gather(s, zero) b = Unsqueeze(i, first) d = Concat<axis=0>(one, b, five)
h = ConstantOfShape(d)"""
FIVE = {"zero": np.array(0), "first": np.array([0]), "one": ONE, "five": np.array([5])}

CASES = {
    "a classifier of images": (
        IMAGES,
        f"""c = Conv<{PADDED}, strides=[2,1]>(x, K, b) n = BatchNormalization(c, g, o, m, v) r = Relu(n)
        p = MaxPool<kernel_shape=[2,3], strides=[2,2], ceil_mode=1>(r) f = Flatten(p)
        y = Gemm<transB=1, alpha=0.5, beta=2.0>(f, W, c0)""",
        {"K": (5, 3, 3, 3), "b": (5,), "g": (5,), "o": (5,), "m": (5,), "v": np.ones(5, np.float32) * 2,
         "W": (2, 60), "c0": (2,)},
    ),
    "other paddings and means": (
        IMAGES,
        """c = Conv<auto_pad="SAME_LOWER", strides=[2,2], group=3>(x, K)
        p = AveragePool<kernel_shape=[2,2], strides=[2,2], ceil_mode=1>(c)
        a = AveragePool<kernel_shape=[2,2], pads=[0,1,1,0], count_include_pad=1>(p)
        q = GlobalAveragePool(a) f = Squeeze(q, axes) h = MatMul(f, W) y = Add(b, h)""",
        {"K": (6, 1, 2, 2), "axes": TWO, "W": (6, 4), "b": (4,)},
    ),
    "a window that would begin behind the image": (
        IMAGES, "y = MaxPool<kernel_shape=[2,2], strides=[3,3], ceil_mode=1>(x)", {}
    ),
    "the mean over space by ReduceMean": (
        IMAGES,
        """c = Conv<kernel_shape=[2,2], auto_pad="SAME_UPPER", strides=[2,3]>(x, K)
        r = ReduceMean<keepdims=0>(c, axes) y = Gemm(r, W)""",
        {"K": (5, 3, 2, 2), "axes": TWO - 4, "W": (5, 2)},
    ),
    "the maximum over space by ReduceMax": (
        IMAGES, "c = Conv<auto_pad=\"VALID\">(x, K) r = ReduceMax(c, axes) f = Flatten(r) y = Gemm(f, W)",
        {"K": (5, 3, 2, 2), "axes": TWO, "W": (5, 2)},
    ),
    "transposed convolutions": (
        IMAGES,
        """a = ConvTranspose<strides=[2,3], output_shape=[18,25]>(x, K, b)
        y = ConvTranspose<strides=[2,2], pads=[1,0,1,1], output_padding=[1,0], group=2>(a, K2)""",
        {"K": (3, 4, 3, 3), "b": (4,), "K2": (4, 3, 3, 3)},
    ),
    "residual blocks and branches": (
        IMAGES,
        f"""c = Conv<{PADDED}>(x, K) r = Relu(c) d = Conv<{PADDED}>(r, K2) s = Conv(x, P) a = Add(d, s) t = Tanh(a)
        u = Conv<{PADDED}>(t, K3) b = Add(t, u) v = MaxPool<{PADDED}>(b) w = Concat<axis=1>(b, v, b)
        f = Flatten(w) y = Gemm(f, W)""",
        {"K": (5, 3, 3, 3), "K2": (4, 5, 3, 3), "P": (4, 3, 1, 1), "K3": (4, 4, 3, 3), "W": (864, 2)},
    ),
    "numbers of channels-first images in one row": (
        IMAGES,
        """c = Conv<kernel_shape=[2,2]>(x, K) f = Flatten(c) n = BatchNormalization(f, g, o, m, v)
        r = Elu<alpha=0.5>(n) l = LayerNormalization(r, g2, o2) a = Mul(l, g) q = Sub(a, o) y = MatMul(q, W)""",
        {"K": (5, 3, 2, 2), "g": (280,), "o": (280,), "m": (280,), "v": np.ones(280, np.float32), "g2": (280,),
         "o2": (280,), "W": (280, 2)},
    ),
    "a residual block on numbers in one row": (
        IMAGES,
        """c = Conv(x, K) f = Flatten(c) n = BatchNormalization(f, g, o, m, v) r = Relu(n) a = Add(r, f)
        y = MatMul(a, W)""",
        {"K": (2, 3, 1, 1), "g": (144,), "o": (144,), "m": (144,), "v": np.ones(144, np.float32), "W": (144, 2)},
    ),
    "one row by sizes that are computed": (
        IMAGES,
        """c = Conv<kernel_shape=[2,2]>(x, K) s = Shape(c) i = Gather(s, zero) b = Unsqueeze(i, first)
        d = Concat<axis=0>(b, rest) f = Reshape(c, d) y = Gemm(f, W)""",
        {"K": (5, 3, 2, 2), "zero": np.array(0), "first": np.array([0]), "rest": np.array([-1]), "W": (280, 2)},
    ),
    "one row of a batch that is fixed": (
        "float[7,3,9,8] x", "c = Conv(x, K) f = Reshape(c, sizes) y = Gemm(f, W)",
        {"K": (2, 3, 1, 1), "sizes": np.array([7, 144]), "W": (144, 2)},
    ),
    "scales of channels": (
        IMAGES, "c = Conv(x, K) a = Mul(c, g) s = Add(a, o) d = Div(s, h) y = Sub(d, half)",
        {"K": (2, 3, 1, 1), "g": (2, 1, 1), "o": (1, 2, 1, 1), "h": (2, 1, 1), "half": np.float32([0.5])},
    ),
    "activations": (
        ROWS,
        """a = Sigmoid(x) b = Mul(a, x) c = Selu(b) d = Softplus(c) e = LeakyRelu<alpha=0.2>(d)
        f = Gelu<approximate="tanh">(e) g = LogSoftmax(f) h = Softmax<axis=1>(g) y = Tanh(h)""",
        {},
    ),
    "the Gaussian unit by erf": (
        ROWS, "d = Div(x, root) e = Erf(d) a = Add(e, one) m = Mul(x, a) y = Mul(m, half)",
        {"root": np.float32(2**0.5), "one": np.float32(1), "half": np.float32(0.5)},
    ),
    "the Gaussian unit by erf, halved first": (
        ROWS, "h = Mul(x, half) d = Mul(x, root) e = Erf(d) a = Add(e, one) y = Mul(h, a)",
        {"root": np.float32(0.5**0.5), "one": np.float32(1), "half": np.float32(0.5)},
    ),
    "what is nothing, and weights that are computed": (
        ROWS,
        "i = Identity(x) d = Dropout(i, ratio) V = Transpose<perm=[1,0]>(W) w = Identity(V) y = MatMul(d, w)",
        {"ratio": np.float32(0.3), "W": (2, 6)},
    ),
    "an embedding of whole numbers": (
        "int64[n,6] x", "c = Cast<to=7>(x) e = Gather(W, c) f = Flatten(e) y = Gemm(f, V)",
        {"W": (3, 2), "V": (12, 2)},
    ),
    "columns": (
        ROWS, "a = Slice(x, one, end, axis) y = Relu(a)", {"one": ONE, "end": np.array([-1]), "axis": ONE}
    ),
    "instances of series": (
        SERIES, "c = Conv(x, K) n = InstanceNormalization(c, g, o) y = Relu(n)",
        {"K": (6, 4, 3), "g": (6,), "o": (6,)},
    ),
    "groups, and images that are series": (
        SERIES,
        """c = Conv(x, K) n = GroupNormalization<num_groups=2>(c, g, o) t = Transpose<perm=[0,2,1]>(n)
        y = MatMul(t, W)""",
        {"K": (6, 4, 3), "g": (6,), "o": (6,), "W": (6, 2), "rank": 3},
    ),
    "a recurrent layer that begins at computed zeros": (
        "float[n,7,4] x",
        f"t = Transpose<perm=[1,0,2]>(x) {STATE} z, z1, z2 = LSTM<hidden_size=5>(t, W, R, B, , h, h) "
        "q = Squeeze(z, one) u = Transpose<perm=[1,0,2]>(q) l = Gather<axis=1>(u, end) y = Gemm(l, V)",
        {**LSTM, **FIVE, "end": np.array(-1), "V": (5, 2)},
    ),
    "the last state of a recurrent layer": (
        "float[n,7,4] x",
        """t = Transpose<perm=[1,0,2]>(x) z, h = GRU<hidden_size=5, linear_before_reset=1>(t, W, R, B)
        l = Gather<axis=0>(h, first) y = Gemm(l, V)""",
        {"W": (1, 15, 4), "R": (1, 15, 5), "B": (1, 30), "first": np.array(0), "V": (5, 2)},
    ),
    "both directions": (
        "float[n,7,4] x",
        """t = Transpose<perm=[1,0,2]>(x) z = GRU<hidden_size=5, direction="bidirectional">(t, W, R, B)
        d = Transpose<perm=[0,2,1,3]>(z) r = Reshape(d, sizes) u = Transpose<perm=[1,0,2]>(r) y = MatMul(u, V)""",
        {**BOTH, "sizes": np.array([0, 0, -1]), "V": (10, 2)},
    ),
    "peepholes, backwards": (
        "float[n,7,4] x",
        """t = Transpose<perm=[1,0,2]>(x) z = LSTM<hidden_size=5, direction="reverse">(t, W, R, B, , , , P)
        q = Squeeze(z, one) y = Transpose<perm=[1,0,2]>(q)""",
        {**LSTM, "P": (1, 15), "one": ONE},
    ),
}  # fmt: skip


def inputs_of(model):
    """Seven examples, as the file takes them."""
    shape = [d.dim_value or 7 for d in model.graph.input[0].type.tensor_type.shape.dim]
    if model.graph.input[0].type.tensor_type.elem_type == 7:  # int64
        return np.random.default_rng(1).integers(0, 3, shape)
    return np.random.default_rng(1).normal(size=shape).astype(np.float32)


def channels_last(a):
    return np.moveaxis(a, 1, -1)


@pytest.mark.parametrize(("signature", "body", "weights"), CASES.values(), ids=CASES)
def test_a_file_is_read(signature, body, weights):
    written = file_of(signature, body, **weights)
    x = inputs_of(written)
    expected, first = (
        computed(written, x),
        signature in (IMAGES, SERIES, CASES["one row of a batch that is fixed"][0]),
    )
    model = from_onnx(written, dr.SquaredError())
    got = model.predict(channels_last(x) if first else x)
    turned = first and expected.ndim > 2 and "perm=[0,2,1]" not in body
    np.testing.assert_allclose(got, channels_last(expected) if turned else expected, rtol=1e-4, atol=1e-5)


def test_batches_first_in_a_recurrent_layer_are_read():
    """ONNX Runtime has no such layout; the standard's own reference does."""
    body = "z, h = GRU<hidden_size=5, layout=1, linear_before_reset=1>(x, W, R, B) y = Squeeze(h, one)"
    weights = {"W": (1, 15, 4), "R": (1, 15, 5), "B": (1, 30), "one": ONE}
    written = file_of("float[n,7,4] x", body, **weights)
    x = inputs_of(written)
    model = from_onnx(written, dr.SquaredError())
    np.testing.assert_allclose(model.predict(x), ReferenceEvaluator(written).run(None, {"x": x})[0], atol=1e-5)


def test_sequences_with_time_first_become_ours():
    weights = {"W": (1, 5, 4), "R": (1, 5, 5), "B": (1, 10), "one": ONE}
    body = 'z = RNN<hidden_size=5, activations=["Relu"]>(x, W, R, B) y = Squeeze(z, one)'
    written = file_of("float[t,n,4] x", body, **weights)
    x = np.random.default_rng(1).normal(size=(6, 3, 4)).astype(np.float32)
    model = from_onnx(written, dr.SquaredError())
    assert model.net == dr.Recurrent(dr.SimpleRNN(5, "relu"))
    np.testing.assert_allclose(model.predict(x.swapaxes(0, 1)).swapaxes(0, 1), computed(written, x), atol=1e-5)


def test_groups_had_one_scale_each_before_operator_set_21():
    """Of which ONNX says that it was a mistake; PyTorch wrote such files."""
    older = {"version": 18, "rank": 3, "g": np.float32([1, 2]), "o": np.float32([3, 4])}
    newer = {"rank": 3, "g": np.float32([1, 1, 1, 2, 2, 2]), "o": np.float32([3, 3, 3, 4, 4, 4])}
    files = [
        file_of("float[n,6,5] x", "y = GroupNormalization<num_groups=2>(x, g, o)", **w) for w in (older, newer)
    ]
    x = channels_last(inputs_of(files[0]))
    first, second = (from_onnx(each, dr.SquaredError()).predict(x) for each in files)
    np.testing.assert_array_equal(first, second)


def test_the_layers_are_those_that_one_would_write():
    signature, body, weights = CASES["a classifier of images"]
    net = from_onnx(file_of(signature, body, **weights), dr.SquaredError()).net
    kinds = [dr.Convolution, dr.BatchNorm, dr.ReLU, dr.MaxPool, dr.Flatten, dr.Dense]
    assert [type(layer) for layer in net.layers] == kinds
    signature, body, weights = CASES["both directions"]
    net = from_onnx(file_of(signature, body, **weights), dr.SquaredError()).net
    assert net == dr.Chain(dr.Bidirectional(dr.GRU(5, "before")), dr.Dense(2, bias=False))


@pytest.mark.parametrize(
    ("loss", "end", "left"),
    [
        (dr.SoftmaxCrossEntropy(), "Softmax", 1),
        (dr.SoftmaxCrossEntropy(), "LogSoftmax", 1),
        (dr.SoftmaxCrossEntropy(), "Sigmoid", 2),
        (dr.BinaryCrossEntropy(), "Sigmoid", 1),
        (dr.SquaredError(), "Softmax", 2),
    ],
)
def test_what_the_loss_holds_is_left_out_of_the_network(loss, end, left):
    written = file_of(ROWS, f"h = Gemm(x, W) y = {end}(h)", W=(6, 3))
    net = from_onnx(written, loss).net
    assert len(net.layers if isinstance(net, dr.Chain) else [net]) == left


def test_softmax_ran_over_all_further_axes_before_operator_set_13():
    older = file_of(ROWS, "y = Softmax(x)", version=11)
    x = inputs_of(older)
    np.testing.assert_allclose(from_onnx(older, dr.SquaredError()).predict(x), computed(older, x), atol=1e-6)
    with pytest.raises(FileError, match="before operator set 13 it is read along the last axis only"):
        from_onnx(file_of(SERIES, "y = Softmax(x)", version=11), dr.SquaredError())
