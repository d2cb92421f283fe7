from math import prod

import pytest

from deltarule.layers import Flatten
from layers.reference import agree_with_onnx, agree_with_torch
from onnx_cases import cases


@pytest.mark.parametrize("case", cases("Flatten"), ids=str)
def test_flatten_is_that_of_onnx(case):
    """ONNX folds the axes before `axis` too: here they are folded beforehand, into the examples' axis."""
    x, axis = case.inputs[0], case.attributes.get("axis", 1) % case.inputs[0].ndim
    agree_with_onnx(Flatten(), case, x.reshape(prod(x.shape[:axis]), *x.shape[axis:]))
    assert Flatten().shape((prod(x.shape[:axis]), *x.shape[axis:])) == case.outputs[0].shape


@pytest.mark.torch
@pytest.mark.parametrize("shape", [(5, 2, 3), (5, 2, 3, 4), (5,)], ids=str)
def test_flatten_is_that_of_torch(torch, shape):
    agree_with_torch(Flatten(), lambda x: x.reshape(5, -1) if x.ndim == 1 else torch.flatten(x, 1), shape)
