import jax.numpy as jnp
import numpy as np
import pytest

from deltarule.errors import ShapeError
from deltarule.layers import Chain, Dense, Reshape
from deltarule.layers.initializers import Constant
from layers.reference import agree_with_onnx, agree_with_torch
from onnx_cases import cases

GEMM_OUT_OF_SCOPE = {"gemm_default_matrix_bias": "every example has a bias of its own"}
MATMUL_OUT_OF_SCOPE = {
    "matmul_3d": "every example has a W of its own",
    "matmul_4d": "every example has a W of its own",
    "matmul_bcast": "every example has a W of its own",
    "matmul_1d_3d": "every example has a W of its own",
    "matmul_4d_1d": "W is a vector, and the axis of features falls away",
    "matmul_1d_1d": "W is a vector, and the axis of features falls away",
}


@pytest.mark.parametrize("case", cases("Gemm", GEMM_OUT_OF_SCOPE), ids=str)
def test_dense_is_the_gemm_of_onnx(case):
    """Y = α op(A) op(B) + β C, with transposes and factors worked into the arrays beforehand."""
    (A, B, *C), given = case.inputs, case.attributes
    A = A.T if given.get("transA") else A  # (n, i)
    W = given.get("alpha", 1.0) * (B.T if given.get("transB") else B)  # (i, o)
    params = {"W": W}
    if C:
        params["b"] = given.get("beta", 1.0) * np.broadcast_to(C[0], (1, W.shape[1]))[0]  # (o,)
    agree_with_onnx(Dense(W.shape[1], bias=bool(C)), case, A, params)


@pytest.mark.parametrize("case", cases("MatMul", MATMUL_OUT_OF_SCOPE), ids=str)
def test_dense_without_bias_is_the_matmul_of_onnx(case):
    X, W = case.inputs
    agree_with_onnx(Dense(W.shape[1], bias=False), case, X, {"W": W})


@pytest.mark.torch
@pytest.mark.parametrize("shape", [(7, 5), (2, 3, 5), (2, 4, 6, 5)], ids=str)
@pytest.mark.parametrize("bias", [True, False])
def test_dense_is_the_linear_of_torch(torch, shape, bias):
    def linear(x, params):
        return torch.nn.functional.linear(x, params["W"].T, params.get("b"))

    agree_with_torch(Dense(3, bias=bias), linear, shape)


def test_fresh_parameters_are_W_by_its_rule_and_b_zero():
    params = Dense(3, W_init=Constant(2.0)).init(np.random.default_rng(0), (7, 5))
    assert {name: (a.shape, a.dtype) for name, a in params.items()} == {
        "W": ((5, 3), jnp.float32),
        "b": ((3,), jnp.float32),
    }
    assert (params["W"] == 2).all()
    assert not params["b"].any()
    assert set(Dense(3, bias=False).init(np.random.default_rng(0), (7, 5))) == {"W"}


def test_an_input_without_features_is_refused_with_the_way_to_the_layer():
    with pytest.raises(ShapeError, match=r"^Dense\(3\): expected .*\(n, \.\.\., i\), got \(7,\).*\(n, 1\)"):
        Dense(3).shape((7,))
    with pytest.raises(ShapeError, match=r"^layer 1\.1, Dense\(3\): .* got \(7,\)") as caught:
        Chain(Dense(1), Chain(Reshape(), Dense(3))).shape((7, 5))
    assert caught.value.path == (1, 1)


def test_no_features_are_refused():
    with pytest.raises(ValueError, match=r"Dense\(0\): features must be at least 1"):
        Dense(0)
