import pytest

from deltarule.layers import Identity
from layers.reference import agree_with_onnx, agree_with_torch
from onnx_cases import cases

OUT_OF_SCOPE = {
    "identity_sequence": "a sequence of tensors is no array",
    "identity_opt": "an optional sequence is no array",
}


@pytest.mark.parametrize("case", cases("Identity", OUT_OF_SCOPE), ids=str)
def test_identity_is_that_of_onnx(case):
    agree_with_onnx(Identity(), case)


@pytest.mark.torch
def test_identity_is_that_of_torch(torch):
    agree_with_torch(Identity(), torch.nn.Identity(), (2, 3, 4))
