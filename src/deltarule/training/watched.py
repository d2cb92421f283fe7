"""Layers that are watched: what passes through them is measured, and told through the tree of the gradients."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax

from deltarule.layers.layer import Context, Layer, Params, Saved, map_layers
from deltarule.layers.residual import Residual


class Pass(NamedTuple):
    """A layer's pass forward and back, as it happened."""

    layer: Layer
    params: Params
    x: jax.Array
    y: jax.Array
    saved: Saved
    context: Context
    dy: jax.Array
    dx: jax.Array
    dparams: Params


Measure = Callable[[Pass], dict[str, Any]]


@jax.tree_util.register_static
@dataclass(frozen=True)
class Kind:
    """A layer's class name, carried through a compiled program."""

    name: str


class Told(NamedTuple):
    """What stands in the place of a layer's gradients: these, and what was measured."""

    kind: Kind
    dparams: Params
    figures: dict[str, Any]


@dataclass(frozen=True)
class Watched(Layer):
    """A layer whose backward gives `Told` in place of its gradients; all else is the layer's own."""

    layer: Layer
    measure: Measure

    def shape(self, x):
        return self.layer.shape(x)

    def padded(self, x):
        return self.layer.padded(x)

    def init(self, rng, x):
        return self.layer.init(rng, x)

    def memory(self, x):
        return self.layer.memory(x)

    def forward(self, params, x, context):
        y, saved = self.layer.forward(params, x, context)
        return y, (saved, x, y, context.memory, context.mask, context.starts)

    def backward(self, params, saved, dy):
        kept, x, y, memory, mask, starts = saved
        dx, dparams = self.layer.backward(params, kept, dy)
        context = Context(memory=memory, mask=mask, starts=starts)
        figures = self.measure(Pass(self.layer, params, x, y, kept, context, dy, dx, dparams))
        return dx, Told(Kind(type(self.layer).__name__), dparams, figures)

    def remember(self, memory, saved):
        return self.layer.remember(memory, saved[0])


@dataclass(frozen=True)
class WatchedShortcut(Residual):
    """A residual block that makes a shortcut of its own, which is watched, too."""

    measure: Measure | None = None

    def paths(self, x):
        body, shortcut = super().paths(x)
        return body, Watched(shortcut, self.measure)  # type: ignore[arg-type]


def watched(net: Layer, measure: Measure) -> Layer:
    """The network with every innermost layer watched."""

    def around(container: Layer) -> Layer:
        if isinstance(container, Residual) and container.shortcut is None:
            return WatchedShortcut(container.body, None, measure)
        return container

    return map_layers(lambda layer: Watched(layer, measure), net, around)


def is_told(tree: Any) -> bool:
    """Whether it is what a watched layer told, and not the tuple of a container."""
    return isinstance(tree, Told)


def named(told: Any) -> dict[str, Told]:
    """What each watched layer told, by its name, such as "layer 2 (Dense)", from the first to the last."""
    layers = {}
    for path, leaf in jax.tree_util.tree_flatten_with_path(told, is_leaf=is_told)[0]:
        place = ".".join(str(getattr(key, "idx", getattr(key, "key", key))) for key in path)
        if is_told(leaf):
            layers[f"layer {place or 0} ({leaf.kind.name})"] = leaf
    return layers


def map_told(change: Callable[[Told], Any], told: Any) -> Any:
    """The same tree, with `change` of what each watched layer told."""
    return jax.tree.map(lambda leaf: change(leaf) if is_told(leaf) else leaf, told, is_leaf=is_told)


def gradients(told: Any) -> Params:
    """The tree of the gradients alone, as the layers themselves give it."""
    return map_told(lambda layer: layer.dparams, told)


def beside(tree: Any, told: Any) -> list[Any]:
    """The part of a tree shaped as the parameters that belongs to each layer of `named(told)`."""
    leaves, structure = jax.tree.flatten(told, is_leaf=is_told)
    parts = structure.flatten_up_to(tree)
    return [part for part, leaf in zip(parts, leaves, strict=True) if is_told(leaf)]
