"""Windows that slide over space: convolutions and pooling, which ONNX has with channels first."""

from typing import Any

import numpy as np

from deltarule.interop.onnx.writing.graph import Value
from deltarule.interop.onnx.writing.registry import FixedTime, Here, writes
from deltarule.kernels.window import Window
from deltarule.layers import (
    AveragePool,
    Convolution,
    ConvolutionTranspose,
    GlobalAveragePool,
    GlobalMaxPool,
    MaxPool,
)


@writes(Convolution)
def convolution(here: Here, x: Value) -> Value:
    slide, layer = window(here, x), here.layer
    return here.apply("Conv", here.laid(x, "first"), *weights(here), group=layer.groups, **sliding(slide))


@writes(ConvolutionTranspose)
def convolution_transpose(here: Here, x: Value) -> Value:
    """Padding below nothing is more output."""
    slide, _ = window(here, x)
    more = [max(0, -behind) for _, behind in slide.padding]
    padding = tuple((front, max(0, behind)) for front, behind in slide.padding)
    slide = Window(slide.size, slide.stride, padding, slide.dilation)
    settings = {"group": here.layer.groups, "output_padding": more, **sliding(slide)}
    return here.apply("ConvTranspose", here.laid(x, "first"), *weights(here), **settings)


@writes(MaxPool)
def max_pool(here: Here, x: Value) -> Value:
    return here.apply("MaxPool", here.laid(x, "first"), **sliding(window(here, x)))


@writes(AveragePool)
def average_pool(here: Here, x: Value) -> Value:
    counted = int(here.layer.count_padding)
    slide = sliding(window(here, x))
    return here.apply("AveragePool", here.laid(x, "first"), count_include_pad=counted, **slide)


@writes(GlobalAveragePool, GlobalMaxPool)
def global_pool(here: Here, x: Value) -> Value:
    x = here.laid(x, "first")
    pooled = here.node(type(here.layer).__name__, x.name)
    return Value(here.node("Flatten", pooled, axis=1), here.layer.shape(x.shape))


def window(here: Here, x: Value) -> Any:
    """The window over x; raises FixedTime where it depends on how long x is."""
    if x.free and here.layer.padding == "same" and set(flat(here.layer.stride)) != {1}:
        raise FixedTime
    return here.layer.window(x.shape)


def flat(sizes: Any) -> tuple:
    return sizes if isinstance(sizes, tuple) else (sizes,)


def sliding(slide: Window) -> dict[str, Any]:
    """A window by ONNX's names, which has all paddings in front first."""
    front, behind = zip(*slide.padding, strict=True)
    return {
        "kernel_shape": slide.size,
        "strides": slide.stride,
        "dilations": slide.dilation,
        "pads": (*front, *behind),
    }


def weights(here: Here) -> list[str]:
    """K with its two axes of channels in front, the last first; and b."""
    K = here.weight("K", np.moveaxis(here.params["K"], (-1, -2), (0, 1)))
    return [K, here.weight("b", here.params["b"])] if here.layer.bias else [K]
