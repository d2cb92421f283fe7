import pytest

from deltarule.layers import GELU
from layers.reference import agree_with_onnx, agree_with_torch
from onnx_cases import cases

TANH_FORM = "the tanh form is a layer of its own, GELUTanh"
OUT_OF_SCOPE = {"gelu_tanh_1": TANH_FORM, "gelu_tanh_2": TANH_FORM}


@pytest.mark.parametrize("case", cases("Gelu", OUT_OF_SCOPE), ids=str)
def test_gelu_is_that_of_onnx(case):
    agree_with_onnx(GELU(), case)


@pytest.mark.torch
@pytest.mark.parametrize("x", [(5, 3), (2, 3, 4), [[-800.0, 0.0, 800.0]]], ids=str)
def test_gelu_is_that_of_torch_far_out_too(torch, x):
    agree_with_torch(GELU(), torch.nn.GELU(approximate="none"), x)
