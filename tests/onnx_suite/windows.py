"""Windows that slide over space: convolutions and pooling."""

import numpy as np

from deltarule.kernels.window import window
from deltarule.layers import (
    AveragePool,
    Convolution,
    ConvolutionTranspose,
    GlobalAveragePool,
    GlobalMaxPool,
    MaxPool,
)
from layers.reference import forward
from onnx_suite.operators import WHOLE_NUMBERS, channels_first, channels_last, operator


@operator("Conv")
def convolution(case):
    x, K, *b = case.inputs
    groups = case.attributes.get("group", 1)
    layer = Convolution(len(K), *sliding(case, K.shape[2:]), groups, bool(b))
    return channels_first(forward(layer, channels_last(x), named(K, b)))


@operator("ConvTranspose")
def convolution_transpose(case):
    """An output_shape says how much is padded; less than nothing is padding of the output."""
    x, K, *b = case.inputs
    x, given, axes = channels_last(x), case.attributes, x.ndim - 2
    size, stride, padding, dilation = sliding(case, K.shape[2:])
    more, groups = given.get("output_padding", [0] * axes), given.get("group", 1)
    if "output_shape" in given:
        whole = ConvolutionTranspose(1, size, stride, "valid", tuple(more), dilation).shape(x.shape)
        cut = np.subtract(whole[1:-1], given["output_shape"])
        padding = tuple((int(c - c // 2), int(c // 2)) for c in np.maximum(cut, 0))
        more = [q + max(0, -int(c)) for q, c in zip(more, cut, strict=True)]
    features = groups * K.shape[1]
    layer = ConvolutionTranspose(features, size, stride, padding, tuple(more), dilation, groups, bool(b))
    return channels_first(forward(layer, x, named(K, b)))


def named(K, b):
    """Parameters from K (o, i, k..) and [b] or []."""
    return {"K": np.moveaxis(K, (0, 1), (-1, -2)), **({"b": b[0]} if b else {})}


@operator("MaxPool", {"maxpool_2d_uint8": WHOLE_NUMBERS})
def max_pool(case):
    """The largest numbers, without their places."""
    layer = MaxPool(*sliding(case, case.attributes["kernel_shape"]))
    return channels_first(forward(layer, channels_last(case.inputs[0])))


@operator(
    "AveragePool",
    {
        "averagepool_3d_dilations_large_count_include_pad_is_1_ceil_mode_is_True": (
            "zeros of the padding are counted, but not those that ceil_mode adds"
        )
    },
)
def average_pool(case):
    size, stride, padding, dilation = sliding(case, case.attributes["kernel_shape"])
    layer = AveragePool(size, stride, padding, bool(case.attributes.get("count_include_pad")), dilation)
    return channels_first(forward(layer, channels_last(case.inputs[0])))


@operator("GlobalMaxPool")
def global_max_pool(case):
    return over_space(GlobalMaxPool(), case)


@operator("GlobalAveragePool")
def global_average_pool(case):
    return over_space(GlobalAveragePool(), case)


def over_space(layer, case):
    return forward(layer, channels_last(case.inputs[0])).reshape(case.outputs[0].shape)


def sliding(case, size):
    """(size, stride, padding, dilation); what ceil_mode adds to the output is padding behind."""
    given, shape = case.attributes, channels_last(case.inputs[0]).shape
    axes = len(shape) - 2
    size, stride, dilation = tuple(size), *(tuple(given.get(key, [1] * axes)) for key in ("strides", "dilations"))
    automatic = given.get("auto_pad", b"NOTSET").decode()
    if automatic == "NOTSET":
        pads = given.get("pads", [0] * 2 * axes)
        padding = tuple(zip(pads[:axes], pads[axes:], strict=True))
    elif automatic == "SAME_LOWER":
        padding = tuple(pair[::-1] for pair in window("", shape, size, stride, "same", dilation).padding)
    else:
        padding = {"SAME_UPPER": "same", "VALID": "valid"}[automatic]
    if given.get("ceil_mode"):
        found = window("", shape, size, stride, padding, dilation)
        padding = tuple(map(rounded_up, shape[1:-1], found.extent, stride, found.padding))
    return size, stride, padding, dilation


def rounded_up(d, k, s, padding):
    """The padding with which ⌊(d − k + P)/s⌋ is ⌈(d − k + P)/s⌉, unless that window would start in the padding."""
    front, behind = padding
    more = -(d - k + front + behind) % s
    starts = d + front + behind + more - k
    return (front, behind + more) if starts < d + front else padding
