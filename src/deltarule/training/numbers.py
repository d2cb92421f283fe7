"""Numbers of layers, such as what dropout drops, as arrays of the training state.

They may differ from model to model, and change, without compiling anew. A number that is 0 stays a setting: a
layer that drops nothing is another program.
"""

import copy
from collections.abc import Iterator
from typing import Any

import numpy as np

from deltarule.layers.layer import Layer, map_layers
from deltarule.schedules import Varies, is_number

Numbers = tuple[dict[str, Any], ...]  # of each layer that has any, from the first to the last


def numbers_of(net: Layer) -> Numbers:
    """The numbers of a network's layers.

    >>> import deltarule as dr
    >>> numbers_of(dr.Chain(dr.Dense(8), dr.Dropout(0.5), dr.Dense(1)))
    ({'drop': np.float32(0.5)},)
    """
    found = []

    def look(layer: Layer) -> Layer:
        if names := varying(layer):
            found.append({name: np.float32(getattr(layer, name)) for name in names})
        return layer

    map_layers(look, net)
    return tuple(found)


def structure_of(net: Layer) -> Layer:
    """The network without the values of its numbers."""
    return map_layers(lambda layer: changed(layer, dict.fromkeys(varying(layer), Varies(True))), net)


def with_numbers(net: Layer, numbers: Numbers) -> Layer:
    """The network whose numbers are these arrays, whether it has numbers of its own or was left without."""
    given: Iterator[dict[str, Any]] = iter(numbers)
    return map_layers(lambda layer: changed(layer, next(given)) if varying(layer) else layer, net)


def varying(layer: Layer) -> list[str]:
    """The names of a layer's numbers that are not 0."""
    values = {name: getattr(layer, name) for name in layer.numbers}
    return [name for name, value in values.items() if not is_number(value) or value]


def changed(layer: Layer, settings: dict[str, Any]) -> Layer:
    """The layer with these settings, which are not looked at."""
    result = copy.copy(layer)
    for name, value in settings.items():
        object.__setattr__(result, name, value)
    return result
