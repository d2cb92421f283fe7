"""Recurrent layers whose state is carried on from window to window, as memory of the network."""

from dataclasses import replace

from deltarule.layers.layer import Layer, Memory, map_layers
from deltarule.layers.recurrent import Recurrent


def carrying(net: Layer, stride: int | None = None) -> Layer:
    """The network with every recurrent layer's state carried on, from `stride` steps into a window or its end."""

    def change(layer: Layer) -> Layer:
        return replace(layer, carry=True, stride=stride) if isinstance(layer, Recurrent) else layer

    return map_layers(change, net)


def opened(memory: Memory, fresh: Memory) -> Memory:
    """The memory of a network whose states are carried: its own, and a `fresh` state of each recurrent layer."""
    if is_containers(memory):
        return tuple(map(opened, memory, fresh))
    return memory if isinstance(memory, dict) and memory else fresh


def closed(memory: Memory, moved: Memory) -> Memory:
    """The memory of the network whose states are not carried, after a carried one has `moved` on."""
    if is_containers(memory):
        return tuple(map(closed, memory, moved))
    return moved if isinstance(memory, dict) and memory else memory


def is_containers(memory: Memory) -> bool:
    """Whether it is the memory of the layers in a container, and not a state, which is a tuple of arrays."""
    return isinstance(memory, tuple) and not any(hasattr(part, "shape") for part in memory)
