"""Products with a matrix, and the rows of a table."""

import numpy as np

from deltarule.layers import Dense, Embedding
from layers.reference import forward
from onnx_suite.operators import operator

OWN_W = "every example has a W of its own"
NO_FEATURES = "W is a vector, and the axis of features falls away"


@operator("Gemm", {"gemm_default_matrix_bias": "every example has a bias of its own"})
def dense(case):
    """Y = α op(A) op(B) + β C, with transposes and factors worked into the arrays beforehand."""
    (A, B, *C), given = case.inputs, case.attributes
    A = A.T if given.get("transA") else A  # (n, i)
    W = given.get("alpha", 1.0) * (B.T if given.get("transB") else B)  # (i, o)
    params = {"W": W}
    if C:
        params["b"] = given.get("beta", 1.0) * np.broadcast_to(C[0], (1, W.shape[1]))[0]  # (o,)
    return forward(Dense(W.shape[1], bias=bool(C)), A, params)


@operator(
    "MatMul",
    {
        "matmul_3d": OWN_W,
        "matmul_4d": OWN_W,
        "matmul_bcast": OWN_W,
        "matmul_1d_3d": OWN_W,
        "matmul_4d_1d": NO_FEATURES,
        "matmul_1d_1d": NO_FEATURES,
    },
)
def dense_without_bias(case):
    X, W = case.inputs
    return forward(Dense(W.shape[1], bias=False), X, {"W": W})


@operator("Gather", {"gather_negative_indices": "counts from the end: a code is never negative"})
def embedding(case):
    """The gathered axis is moved to the front and the others are folded into features; then all goes back."""
    (data, codes), axis = case.inputs, case.attributes.get("axis", 0)
    W = np.moveaxis(data, axis, 0)  # (levels, ...)
    layer = Embedding(len(W), W[0].size)
    y = forward(layer, codes, {"W": W.reshape(len(W), -1)}).reshape(*codes.shape, *W.shape[1:])
    return np.moveaxis(y, range(codes.ndim), range(axis, axis + codes.ndim))
