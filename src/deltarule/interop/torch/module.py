"""A PyTorch module as it will be, said without PyTorch: its class, settings, what is inside, and its arrays."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from deltarule.errors import SettingError
from deltarule.interop.torch.layout import Flow
from deltarule.interop.torch.weights import Arrays, Entry, State
from deltarule.layers.layer import Layer


@dataclass(frozen=True)
class Module:
    """One module.

    Attributes:
        kind: the name of a class in `torch.nn`, or of one in `modules.py` or `recurrent_modules.py`.
        settings: its arguments.
        inside: the modules that it holds, named by their places.
        held: (path of a layer in our network, what of its arrays this module has).
    """

    kind: str
    settings: dict[str, Any] = field(default_factory=dict)
    inside: tuple["Module", ...] = ()
    held: tuple[tuple[tuple[int, ...], Entry], ...] = ()


@dataclass(frozen=True)
class Conversion:
    """How a layer becomes modules.

    Attributes:
        modules: (layer, flow) -> the modules, one after the other.
        needs: the layout that they read, "first" or "last" as to the channels; or "any"; or a function of
            (layer, rank) that tells which.
        ordered: whether they can take features (n, i) in another order than ours.
    """

    modules: Callable[[Any, Flow], tuple[Module, ...]]
    needs: str | Callable[[Any, int], str] = "any"
    ordered: bool = False

    def need(self, layer: Layer, rank: int) -> str:
        return self.needs if isinstance(self.needs, str) else self.needs(layer, rank)


def held(flow: Flow, *entries: Entry | None) -> tuple[tuple[tuple[int, ...], Entry], ...]:
    """Those of the entries that there are, as arrays of the layer at the flow's path."""
    return tuple((flow.at, entry) for entry in entries if entry is not None)


def joined(modules: tuple[Module, ...]) -> Module:
    """One module that applies these in turn."""
    return modules[0] if len(modules) == 1 else Module("Sequential", inside=modules)


def entries(module: Module, name: str = "") -> Iterator[tuple[str, tuple[int, ...], Entry]]:
    """(name of the module, path of our layer, entry) for all arrays within a module."""
    for path, entry in module.held:
        yield name, path, entry
    for index, inner in enumerate(module.inside):
        yield from entries(inner, f"{name}{index}.")


def state_of(module: Module, params: Any, memory: Any) -> Arrays:
    """PyTorch's state dict, from our parameters and memory."""
    return {
        name + theirs: np.asarray(array, order="C")
        for name, path, entry in entries(module)
        for theirs, array in entry.state(follow(params, path), follow(memory, path)).items()
    }


def arrays_of(module: Module, state: State) -> dict[tuple[int, ...], tuple[Arrays, Arrays]]:
    """(params, memory) of each of our layers by its path, from a state dict that fits."""
    found: dict[tuple[int, ...], tuple[Arrays, Arrays]] = {}
    for name, path, entry in entries(module):
        inner = {key.removeprefix(name): array for key, array in state.items() if key.startswith(name)}
        params, memory = entry.arrays(inner)
        before = found.get(path, ({}, {}))
        found[path] = before[0] | params, before[1] | memory
    return found


def follow(tree: Any, path: tuple[int, ...]) -> Any:
    """The part of a tree of tuples that a path leads to."""
    for index in path:
        tree = tree[index]
    return tree


class Refusal(SettingError):
    """A layer or module has no counterpart; the message says which, why, and what to do."""


def refusal(path: tuple[Any, ...], name: str, why: str) -> Refusal:
    """The error for the layer of this name at this path."""
    where = f"layer {'.'.join(map(str, path))}, " if path else ""
    return Refusal(f"{where}{name}: {why}")
