"""Activations: one number at a time, or along an axis."""

from deltarule.layers import (
    ELU,
    GELU,
    SELU,
    GELUTanh,
    Identity,
    LeakyReLU,
    LogSoftmax,
    ReLU,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    Tanh,
)
from layers.reference import forward
from onnx_suite.operators import operator

OTHER_PAIR = "only the self-normalising pair α, γ is a SELU here"
NO_ARRAY = "a sequence of tensors is no array"


@operator("Identity", {"identity_sequence": NO_ARRAY, "identity_opt": NO_ARRAY})
def identity(case):
    return forward(Identity(), *case.inputs)


@operator("Relu")
def relu(case):
    return forward(ReLU(), *case.inputs)


@operator("LeakyRelu")
def leaky_relu(case):
    return forward(LeakyReLU(case.attributes.get("alpha", 0.01)), *case.inputs)


@operator("Elu")
def elu(case):
    return forward(ELU(**case.attributes), *case.inputs)


@operator("Selu", {"selu_example": OTHER_PAIR, "selu": OTHER_PAIR})
def selu(case):
    return forward(SELU(), *case.inputs)


@operator("Sigmoid")
def sigmoid(case):
    return forward(Sigmoid(), *case.inputs)


@operator("Tanh")
def tanh(case):
    return forward(Tanh(), *case.inputs)


@operator("Softplus")
def softplus(case):
    return forward(Softplus(), *case.inputs)


@operator("Swish")
def silu(case):
    assert case.attributes["alpha"] == 1
    return forward(SiLU(), *case.inputs)


@operator("Gelu")
def gelu(case):
    return forward(GELUTanh() if case.attributes.get("approximate") == b"tanh" else GELU(), *case.inputs)


@operator("Softmax")
def softmax(case):
    return along_axis(Softmax, case)


@operator("LogSoftmax")
def log_softmax(case):
    return along_axis(LogSoftmax, case)


def along_axis(kind, case):
    """Each array is one example, so that ONNX's axis 0 is our axis 1."""
    axis = case.attributes.get("axis", -1)
    return forward(kind(axis if axis < 0 else axis + 1), case.inputs[0][None])[0]
