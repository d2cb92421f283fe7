"""Convolutions and their transposes: K (k.., i/g, o) here is weight (o, i/g, k..) there."""

from typing import Any

from deltarule.interop.torch.layout import Flow
from deltarule.interop.torch.module import Conversion, Module, held, refusal
from deltarule.interop.torch.reading import Place, Reader
from deltarule.interop.torch.weights import Array
from deltarule.kernels.window import Window
from deltarule.layers import Convolution, ConvolutionTranspose


def arrays(layer: Convolution | ConvolutionTranspose, flow: Flow):
    """A transpose has K (k.., o/g, i) and weight (i, o/g, k..), so both are moved alike."""
    axes = flow.rank - 2
    weight = Array("weight", "K", (axes + 1, axes, *range(axes)))
    return held(flow, weight, Array("bias", "b") if layer.bias else None)


def settings_of(layer: Convolution | ConvolutionTranspose, flow: Flow, slide: Window) -> dict[str, Any]:
    """What both kinds of module are told."""
    if len(flow.space) > 3:
        raise refusal(flow.at, layer.name, f"expected at most three axes of space, got {len(flow.space)}")
    return {
        "in_channels": flow.channels,
        "out_channels": layer.features,
        "kernel_size": slide.size,
        "stride": slide.stride,
        "dilation": slide.dilation,
        "groups": layer.groups,
        "bias": layer.bias,
    }


def convolution(layer: Convolution, flow: Flow) -> tuple[Module, ...]:
    """Where the padding behind is another than that in front, the input is padded before."""
    slide = layer.window(flow.shape)
    settings, kind = settings_of(layer, flow, slide), f"Conv{len(flow.space)}d"
    if layer.padding == "same" and set(slide.stride) == {1}:
        return (Module(kind, settings | {"padding": "same"}, held=arrays(layer, flow)),)
    if all(front == behind for front, behind in slide.padding):
        padding = tuple(front for front, _ in slide.padding)
        return (Module(kind, settings | {"padding": padding}, held=arrays(layer, flow)),)
    return padded(slide.padding, 0.0), Module(kind, settings, held=arrays(layer, flow))


def convolution_transpose(layer: ConvolutionTranspose, flow: Flow) -> tuple[Module, ...]:
    """What is longer behind is PyTorch's output_padding; where the sides still differ, the output is cut after."""
    slide, _ = layer.window(flow.shape)
    settings, kind = settings_of(layer, flow, slide), f"ConvTranspose{len(flow.space)}d"
    most = [max(s, r) - 1 for s, r in zip(slide.stride, slide.dilation, strict=True)]
    more = [front - behind for front, behind in slide.padding]
    if all(0 <= q <= limit for q, limit in zip(more, most, strict=True)):
        padding = {"padding": tuple(front for front, _ in slide.padding), "output_padding": tuple(more)}
        return (Module(kind, settings | padding, held=arrays(layer, flow)),)
    longer = tuple(max(0, -behind) for _, behind in slide.padding)
    if any(q > limit for q, limit in zip(longer, most, strict=True)):
        raise refusal(
            flow.at,
            layer.name,
            f"its output is {longer} longer than the kernel reaches, and PyTorch's output_padding must be smaller "
            "than stride or dilation; take less output_padding or a larger stride",
        )
    cut = tuple((-front, -max(0, behind)) for front, behind in slide.padding)
    return Module(kind, settings | {"output_padding": longer}, held=arrays(layer, flow)), padded(cut, 0.0)


def padded(sides: tuple[tuple[int, int], ...], value: float) -> Module:
    """`value` around the input, (in front, behind) for each axis of space; below 0 it is cut.

    >>> padded(((1, 2), (0, 3)), 0.0).settings["padding"]  # PyTorch begins with the last axis
    (0, 3, 1, 2)
    """
    padding = tuple(number for pair in reversed(sides) for number in pair)
    return Module(f"ConstantPad{len(sides)}d", {"padding": padding, "value": value})


def shared_settings(module: Any, place: Place) -> dict[str, Any]:
    if module.padding_mode != "zeros":
        raise refusal(
            place.path,
            type(module).__name__,
            f"expected padding_mode='zeros', got {module.padding_mode!r}; pad the data before the network, and "
            "take padding=0",
        )
    numbers = {name: plain(getattr(module, name)) for name in ("kernel_size", "stride", "padding", "dilation")}
    return numbers | {"groups": module.groups, "bias": module.bias is not None}


def from_convolution(module: Any, place: Place) -> Convolution:
    return Convolution(module.out_channels, **shared_settings(module, place))


def from_convolution_transpose(module: Any, place: Place) -> ConvolutionTranspose:
    settings = shared_settings(module, place) | {"output_padding": plain(module.output_padding)}
    return ConvolutionTranspose(module.out_channels, **settings)


def plain(sizes: Any) -> Any:
    """One number where all are the same.

    >>> plain((3, 3)), plain((3, 2)), plain("same")
    (3, (3, 2), 'same')
    """
    return sizes[0] if isinstance(sizes, tuple) and len(set(sizes)) == 1 else sizes


LAYERS = {
    Convolution: Conversion(convolution, "first"),
    ConvolutionTranspose: Conversion(convolution_transpose, "first"),
}
MODULES = {
    **{f"Conv{axes}d": Reader(from_convolution, "first", axes + 2) for axes in (1, 2, 3)},
    **{f"ConvTranspose{axes}d": Reader(from_convolution_transpose, "first", axes + 2) for axes in (1, 2, 3)},
}
