"""Weighted sums, rows by code, and scales: Dense and Linear, Embedding, Scale."""

from typing import Any

from deltarule.interop.torch.layout import Flow
from deltarule.interop.torch.module import Conversion, Module, held, refusal
from deltarule.interop.torch.reading import Place, Reader
from deltarule.interop.torch.weights import Array
from deltarule.layers import Dense, Embedding, Scale


def dense(layer: Dense, flow: Flow) -> tuple[Module, ...]:
    """W (i, o) there is weight (o, i)."""
    settings = {"in_features": flow.channels, "out_features": layer.features, "bias": layer.bias}
    weight = Array("weight", "W", (1, 0), (flow.order, flow.goal))
    bias = Array("bias", "b", orders=(flow.goal,)) if layer.bias else None
    return (Module("Linear", settings, held=held(flow, weight, bias)),)


def from_linear(module: Any, place: Place) -> Dense:
    return Dense(module.out_features, bias=module.bias is not None)


def embedding(layer: Embedding, flow: Flow) -> tuple[Module, ...]:
    settings = {"num_embeddings": layer.levels, "embedding_dim": layer.features}
    return (Module("Embedding", settings, held=held(flow, Array("weight", "W"))),)


def from_embedding(module: Any, place: Place) -> Embedding:
    for name in ("padding_idx", "max_norm"):
        if getattr(module, name) is not None:
            raise refusal(
                place.path,
                "Embedding",
                f"expected {name}=None, got {getattr(module, name)}: here every row is trained, and none is "
                f"rescaled; set the module's {name} to None where that is what you want",
            )
    if module.scale_grad_by_freq:
        raise refusal(place.path, "Embedding", "scale_grad_by_freq is not there; set it to False")
    return Embedding(module.num_embeddings, module.embedding_dim)


def scale(layer: Scale, flow: Flow) -> tuple[Module, ...]:
    settings = {"features": flow.channels, "axis": flow.axis(-1)}
    entries = (Array(*names, orders=(flow.order,)) for names in (("weight", "gamma"), ("bias", "beta")))
    return (Module("Scale", settings, held=held(flow, *entries)),)


LAYERS = {
    Dense: Conversion(dense, "last", ordered=True),
    Embedding: Conversion(embedding, "last"),
    Scale: Conversion(scale, ordered=True),
}
MODULES = {
    "Linear": Reader(from_linear, "last"),
    "Embedding": Reader(from_embedding, "last"),
}
