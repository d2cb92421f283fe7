"""Parts and sums of the last axis, crops, and what is read as Flatten and Reshape (written, in `outline.py`)."""

from typing import Any

from deltarule.interop.torch.layout import Flow
from deltarule.interop.torch.module import Conversion, Module, refusal
from deltarule.interop.torch.reading import Place, Reader
from deltarule.layers import Columns, Dueling, Flatten, RandomCrop, Reshape


def columns(layer: Columns, flow: Flow) -> tuple[Module, ...]:
    return (Module("Columns", {"start": layer.start, "stop": layer.stop, "axis": flow.axis(-1)}),)


def dueling(layer: Dueling, flow: Flow) -> tuple[Module, ...]:
    return (Module("Dueling", {"axis": flow.axis(-1)}),)


def random_crop(layer: RandomCrop, flow: Flow) -> tuple[Module, ...]:
    """A prediction takes the centre."""
    sizes = {flow.axis(1): layer.height, flow.axis(2): layer.width}
    return (Module("CentreCrop", {"sizes": sizes}),)


def from_flatten(module: Any, place: Place) -> Flatten:
    rank = len(place.shape)
    if module.start_dim != 1 or module.end_dim not in (-1, rank - 1):
        raise refusal(
            place.path,
            "Flatten",
            f"expected all axes but the examples', Flatten(1, -1), got Flatten({module.start_dim}, "
            f"{module.end_dim}); make the network of modules that do without",
        )
    return Flatten()


def from_unflatten(module: Any, place: Place) -> Reshape:
    """To our order of the axes: the channels, which PyTorch has first where images follow, go last."""
    sizes = module.unflattened_size
    if len(place.shape) != 2 or module.dim not in (1, -1) or any(not isinstance(size, int) for size in sizes):
        raise refusal(
            place.path,
            "Unflatten",
            f"expected features (n, i) in whole numbers of parts, Unflatten(1, (...)), got {module}",
        )
    if place.to_space and len(sizes) > 1:
        return Reshape(*sizes[1:], sizes[0])
    return Reshape(*sizes)


LAYERS = {
    Columns: Conversion(columns),
    Dueling: Conversion(dueling),
    RandomCrop: Conversion(random_crop),
}
MODULES = {"Flatten": Reader(from_flatten), "Unflatten": Reader(from_unflatten)}
