"""Activations and dropout, which hold no arrays: the class and its settings, both ways."""

from typing import Any

from deltarule.interop.torch.layout import Flow
from deltarule.interop.torch.module import Conversion, Module, refusal
from deltarule.interop.torch.reading import Place, Reader
from deltarule.layers import (
    ELU,
    GELU,
    SELU,
    Cutout,
    Dropout,
    GELUTanh,
    Identity,
    LeakyReLU,
    LogSoftmax,
    RandomFlip,
    RandomShift,
    ReLU,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    SpatialDropout,
    Tanh,
)
from deltarule.layers.layer import Layer

ALIKE = {ReLU: "ReLU", SELU: "SELU", Sigmoid: "Sigmoid", Tanh: "Tanh", SiLU: "SiLU", Identity: "Identity"}
IN_TRAINING = (RandomFlip, RandomShift, Cutout)  # predictions pass them unchanged


def alike(kind: str, **names: str) -> Conversion:
    """A module whose arguments are the layer's settings: theirs=ours."""

    def modules(layer: Layer, flow: Flow) -> tuple[Module, ...]:
        return (Module(kind, {theirs: getattr(layer, ours) for theirs, ours in names.items()}),)

    return Conversion(modules, ordered=True)


def from_gelu(module: Any, place: Place) -> Layer:
    return GELUTanh() if module.approximate == "tanh" else GELU()


def gelu_tanh(layer: GELUTanh, flow: Flow) -> tuple[Module, ...]:
    return (Module("GELU", {"approximate": "tanh"}),)


def from_softplus(module: Any, place: Place) -> Layer:
    """PyTorch takes x itself from the threshold on, where log(1 + eˣ) is larger by 2e-9 at most."""
    if module.beta != 1 or module.threshold < 20:
        raise refusal(
            place.path,
            "Softplus",
            f"expected beta=1 and threshold=20, its defaults, got {module.beta} and {module.threshold}; "
            "no layer here is log(1 + e^(βx))/β",
        )
    return Softplus()


def softmax(layer: Softmax | LogSoftmax, flow: Flow) -> tuple[Module, ...]:
    return (Module(type(layer).__name__, {"dim": flow.axis(layer.axis)}),)


def from_softmax(module: Any, place: Place) -> Layer:
    name = type(module).__name__
    if module.dim is None:
        raise refusal(place.path, name, "expected a dim, got None, which guesses; say dim=-1")
    axis = place.layout[module.dim]
    kind = Softmax if name == "Softmax" else LogSoftmax
    return kind() if axis == len(place.shape) - 1 else kind(axis)


def spatial_dropout(layer: SpatialDropout, flow: Flow) -> tuple[Module, ...]:
    if flow.rank > 5:
        raise refusal(flow.at, "SpatialDropout", "PyTorch's end at three axes of space; use Dropout")
    return (Module(f"Dropout{flow.rank - 2}d", {"p": layer.drop}),)


LAYERS = {
    **{layer: alike(kind) for layer, kind in ALIKE.items()},
    **{layer: Conversion(lambda layer, flow: (Module("Identity"),), ordered=True) for layer in IN_TRAINING},
    LeakyReLU: alike("LeakyReLU", negative_slope="slope"),
    ELU: alike("ELU", alpha="alpha"),
    Softplus: alike("Softplus"),
    GELU: alike("GELU"),
    GELUTanh: Conversion(gelu_tanh, ordered=True),
    Softmax: Conversion(softmax, ordered=True),
    LogSoftmax: Conversion(softmax, ordered=True),
    Dropout: alike("Dropout", p="drop"),
    SpatialDropout: Conversion(spatial_dropout, "first"),
}
MODULES = {
    **{kind: Reader(lambda module, place, layer=layer: layer()) for layer, kind in ALIKE.items()},
    "LeakyReLU": Reader(lambda module, place: LeakyReLU(module.negative_slope)),
    "ELU": Reader(lambda module, place: ELU(module.alpha)),
    "Softplus": Reader(from_softplus),
    "GELU": Reader(from_gelu),
    "Softmax": Reader(from_softmax),
    "LogSoftmax": Reader(from_softmax),
    "Dropout": Reader(lambda module, place: Dropout(module.p)),
    **{
        f"Dropout{axes}d": Reader(lambda module, place: SpatialDropout(module.p), "first", axes + 2)
        for axes in (1, 2, 3)
    },
}
