"""Normalisations, by batch, layer, group and root mean square."""

from typing import Any

import numpy as np

from deltarule.interop.torch.layout import Flow, Order, seen
from deltarule.interop.torch.module import Conversion, Module, held, refusal
from deltarule.interop.torch.reading import Place, Reader
from deltarule.interop.torch.weights import Array, Count, Entry, Fixed
from deltarule.layers import BatchNorm, BatchNormReLU, GroupNorm, LayerNorm, RMSNorm


def affine(layer: Any, shape: tuple[int, ...], axes: Any = None, order: Order = None) -> tuple[Entry | None, ...]:
    """weight and bias, which are γ and β; one that the layer is without stays 1 or 0."""
    if not (layer.scale or layer.offset):
        return None, None
    weight, bias = Array("weight", "gamma", axes, (order,)), Array("bias", "beta", axes, (order,))
    return (
        weight if layer.scale else Fixed("weight", 1, shape),
        bias if layer.offset else Fixed("bias", 0, shape),
    )


def batch_norm(layer: BatchNorm, flow: Flow) -> tuple[Module, ...]:
    """Momentum is the share of the new statistics there, of the old ones here; the variance there is unbiased."""
    axes = max(flow.rank - 2, 1)
    if axes > 3:
        raise refusal(flow.at, "BatchNorm", f"expected at most three axes of space, as in PyTorch, got {axes}")
    settings = {"num_features": flow.channels, "eps": layer.epsilon, "momentum": round(1 - layer.momentum, 12)}
    weight, bias = affine(layer, (flow.channels,), order=flow.order)
    statistics = [
        Array(theirs, ours, orders=(flow.order,), remembered=True)
        for theirs, ours in (("running_mean", "mean"), ("running_var", "variance"))
    ]
    arrays = held(flow, weight, bias, *statistics, Count())
    return (Module(f"BatchNorm{axes}d", settings | {"affine": weight is not None}, held=arrays),)


def from_batch_norm(module: Any, place: Place) -> BatchNorm:
    name = type(module).__name__
    if not module.track_running_stats:
        raise refusal(
            place.path,
            name,
            "expected track_running_stats=True: a BatchNorm here predicts by running statistics, so that an "
            "example's prediction does not depend on the others; use GroupNorm, which needs none",
        )
    if module.momentum is None:
        raise refusal(place.path, name, "expected a momentum, got None, a mean over all steps; give it 0.1")
    return BatchNorm(1 - module.momentum, module.eps, module.affine, module.affine)


def batch_norm_relu(layer: BatchNormReLU, flow: Flow) -> tuple[Module, ...]:
    return (*batch_norm(layer, flow), Module("ReLU"))


def layer_norm(layer: LayerNorm, flow: Flow) -> tuple[Module, ...]:
    """Over all of an example in the layout that is there; over its last axes where these are ours too."""
    whole = layer.axes == flow.rank - 1
    shape = seen(flow.shape, flow.layout)[-layer.axes :]
    axes = tuple(axis - 1 for axis in flow.layout[1:]) if whole else None
    weight, bias = affine(layer, shape, axes, flow.order)
    settings = {"normalized_shape": shape, "eps": layer.epsilon, "elementwise_affine": weight is not None}
    if not layer.offset:
        settings, bias = settings | {"bias": False}, None
    return (Module("LayerNorm", settings, held=held(flow, weight, bias)),)


def from_layer_norm(module: Any, place: Place) -> LayerNorm:
    offset = module.elementwise_affine and module.bias is not None
    return LayerNorm(module.eps, module.elementwise_affine, offset, len(module.normalized_shape))


def rms_norm(layer: RMSNorm, flow: Flow) -> tuple[Module, ...]:
    settings = {"normalized_shape": flow.channels, "eps": layer.epsilon, "elementwise_affine": layer.scale}
    weight = Array("weight", "gamma", orders=(flow.order,)) if layer.scale else None
    return (Module("RMSNorm", settings, held=held(flow, weight)),)


def from_rms_norm(module: Any, place: Place) -> RMSNorm:
    """Without eps PyTorch takes the machine's epsilon, of float64 where its weights are, else of float32."""
    if len(module.normalized_shape) != 1:
        raise refusal(
            place.path,
            "RMSNorm",
            f"expected one axis to normalise, got {tuple(module.normalized_shape)}; flatten the input before it",
        )
    wide = module.elementwise_affine and str(module.weight.dtype) == "torch.float64"
    machine = float(np.finfo(np.float64 if wide else np.float32).eps)
    return RMSNorm(machine if module.eps is None else module.eps, module.elementwise_affine)


def group_norm(layer: GroupNorm, flow: Flow) -> tuple[Module, ...]:
    weight, bias = affine(layer, (flow.channels,))
    settings = {"num_groups": layer.groups, "num_channels": flow.channels, "eps": layer.epsilon}
    settings["affine"] = weight is not None
    return (Module("GroupNorm", settings, held=held(flow, weight, bias)),)


def from_group_norm(module: Any, place: Place) -> GroupNorm:
    return GroupNorm(module.num_groups, module.eps, module.affine, module.affine)


def from_instance_norm(module: Any, place: Place) -> GroupNorm:
    """Each channel is a group of its own."""
    if module.track_running_stats:
        raise refusal(
            place.path,
            type(module).__name__,
            "expected track_running_stats=False, its default: a GroupNorm here has no running statistics",
        )
    return GroupNorm(place.shape[-1], module.eps, module.affine, module.affine)


def whole_or_last(layer: LayerNorm, rank: int) -> str:
    return "any" if layer.axes == rank - 1 else "last"


LAYERS = {
    BatchNorm: Conversion(batch_norm, "first", ordered=True),
    BatchNormReLU: Conversion(batch_norm_relu, "first", ordered=True),
    LayerNorm: Conversion(layer_norm, whole_or_last, ordered=True),
    RMSNorm: Conversion(rms_norm, "last", ordered=True),
    GroupNorm: Conversion(group_norm, "first"),
}
MODULES = {
    "BatchNorm1d": Reader(from_batch_norm, "first"),
    "BatchNorm2d": Reader(from_batch_norm, "first", 4),
    "BatchNorm3d": Reader(from_batch_norm, "first", 5),
    "LayerNorm": Reader(from_layer_norm),
    "RMSNorm": Reader(from_rms_norm, "last"),
    "GroupNorm": Reader(from_group_norm, "first"),
    **{f"InstanceNorm{axes}d": Reader(from_instance_norm, "first", axes + 2) for axes in (1, 2, 3)},
}
