"""A network as PyTorch's modules: a walk that follows the shapes, and where PyTorch has which axis.

Layers that read images, series and volumes have their channels first, as in PyTorch; those that read the last axis
have them last; the first layer that tells decides how examples come in. Between two layers that differ stands a
`Permute`. `Flatten` only remembers in which order PyTorch has the features, and the arrays that follow are put
into that order, up to the next `Dense`, whose rows take it up.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from deltarule.interop.torch.layout import Flow, Layout, Order, first, flat_order, last, same_order, seen
from deltarule.interop.torch.module import Conversion, Module, joined, refusal
from deltarule.interop.torch.recurrent import stack_of, stacked
from deltarule.interop.torch.table import LAYERS
from deltarule.layers import Branch, Chain, Dense, Flatten, Reshape, Residual, TimeDistributed
from deltarule.layers.layer import Layer, Shape


@dataclass(frozen=True)
class Outline:
    """The module of a network, and PyTorch's layouts of its input and output."""

    module: Module
    before: Layout
    after: Layout


def outline(net: Layer, x: Shape, layout: Layout | None = None) -> Outline:
    """The modules of a network for examples of shape x (without n), which come in this layout, or as it would.

    Raises:
        ShapeError: x does not fit the network.
        SettingError: a layer has no counterpart.
    """
    shape = (1, *x)
    net.shape(shape)
    before = layout or wish((net,), shape) or last(len(shape))
    module, flow = walk(net, Flow(shape, before))
    tail, flow = ready(flow, flow.layout, ordered=False)
    return Outline(appended(module, tail), before, flow.layout)


def walk(layer: Layer, flow: Flow) -> tuple[Module, Flow]:
    """(the module of a layer, what comes out of it)."""
    if stack := stack_of(layer):
        lead, flow = ready(flow, last(flow.rank), ordered=False)
        return joined((*lead, *stacked(stack, flow))), moved(layer, flow)
    if isinstance(layer, Chain):
        return chain(layer, flow)
    if isinstance(layer, Residual):
        return beside("Residual", layer.paths(flow.shape), layer, flow)
    if isinstance(layer, Branch):
        return beside("Concatenate", layer.branches, layer, flow)
    if isinstance(layer, TimeDistributed):
        return time_distributed(layer, flow)
    if isinstance(layer, Flatten):
        return flatten(flow)
    if isinstance(layer, Reshape):
        return reshape(layer, flow)
    conversion = conversion_of(layer, flow)
    need = layout_of(conversion.need(layer, flow.rank), flow)
    lead, flow = ready(flow, need, conversion.ordered and flow.rank == 2)
    if isinstance(layer, Dense) and flow.rank == 2:
        flow = replace(flow, goal=wished_order(flow.after, layer.shape(flow.shape)))
    return joined((*lead, *conversion.modules(layer, flow))), moved(layer, flow)


def moved(layer: Layer, flow: Flow) -> Flow:
    """What comes out: in the same layout, unless the number of axes is another."""
    y = layer.shape(flow.shape)
    layout = flow.layout if len(y) == flow.rank else last(len(y))
    order = flow.goal if isinstance(layer, Dense) else flow.order
    return replace(flow, shape=y, layout=layout, order=order, goal=None)


def chain(layer: Chain, flow: Flow) -> tuple[Module, Flow]:
    modules, at, after = [], flow.at, flow.after
    for index, inner in enumerate(layer.layers):
        rest = (*layer.layers[index + 1 :], *after)
        module, flow = walk(inner, replace(flow, after=rest, at=(*at, index)))
        modules.append(module)
    return Module("Sequential", inside=tuple(modules)), replace(flow, after=after, at=at)


def beside(kind: str, layers: tuple[Layer, ...], layer: Layer, flow: Flow) -> tuple[Module, Flow]:
    """Layers that see the same input, and whose outputs meet in the layout of the first."""
    lead, flow = ready(flow, wish((layer,), flow.shape) or flow.layout, ordered=False)
    modules, goal = [], None
    for index, inner in enumerate(layers):
        module, end = walk(inner, replace(flow, at=(*flow.at, index), after=()))
        goal = end.layout if goal is None else goal
        tail, _ = ready(end, goal, ordered=False)
        modules.append(appended(module, tail))
    out = replace(flow, shape=layer.shape(flow.shape), layout=goal or flow.layout)
    settings = {"axis": out.axis(-1)} if kind == "Concatenate" else {}
    return joined((*lead, Module(kind, settings, inside=tuple(modules)))), out


def time_distributed(layer: TimeDistributed, flow: Flow) -> tuple[Module, Flow]:
    """Time stays the axis behind the examples, and what is inside has a layout of its own."""
    kept = flow.layout if flow.layout[:2] == (0, 1) else last(flow.rank)
    lead, flow = ready(flow, wish((layer,), flow.shape) or kept, ordered=False)
    folded = Flow(layer.folded(flow.shape), within(flow.layout), at=(*flow.at, 0))
    module, end = walk(layer.layer, folded)
    tail, end = ready(end, end.layout, ordered=False)
    inside = Module("TimeDistributed", inside=(appended(module, tail),))
    return joined((*lead, inside)), replace(flow, shape=layer.shape(flow.shape), layout=around(end.layout))


def within(layout: Layout) -> Layout:
    """A layout (n, t, ...) without its time."""
    return (0, *(axis - 1 for axis in layout[2:]))


def around(layout: Layout) -> Layout:
    """A layout (n, ...) with time behind the examples."""
    return (0, 1, *(axis + 1 for axis in layout[1:]))


def flatten(flow: Flow) -> tuple[Module, Flow]:
    order = flow.order if flow.rank == 2 else flat_order(flow.shape, flow.layout)
    y = Flatten().shape(flow.shape)
    return Module("Flatten"), replace(flow, shape=y, layout=last(2), order=order)


def reshape(layer: Reshape, flow: Flow) -> tuple[Module, Flow]:
    y = layer.shape(flow.shape)
    if len(y) == 2 and flow.rank > 2:
        return flatten(flow)
    goal = goal_of(flow.after, y)
    if flow.rank == 2 and same_order(flow.order, flat_order(y, goal)):
        module = Module("Unflatten", {"dim": 1, "unflattened_size": seen(y, goal)[1:]})
        return module, replace(flow, shape=y, layout=goal, order=None)
    lead, flow = ready(flow, last(flow.rank), ordered=False)
    module = Module("Reshape", {"sizes": y[1:]})
    return joined((*lead, module)), replace(flow, shape=y, layout=last(len(y)))


def goal_of(after: tuple[Layer, ...], y: Shape) -> Layout:
    """The layout in which y, features put into axes, is to go on; channels alone are as well first as last."""
    alone = len(y) > 2 and set(y[1:-1]) == {1}
    return wish(after, y) or (first(len(y)) if alone else last(len(y)))


def ready(flow: Flow, layout: Layout, ordered: bool) -> tuple[tuple[Module, ...], Flow]:
    """What brings the axes into a layout, and the features into our order where another cannot be taken."""
    modules = []
    if flow.layout != layout:
        modules.append(Module("Permute", {"axes": tuple(flow.layout.index(axis) for axis in layout)}))
    if flow.order is not None and not ordered:
        modules.append(Module("Reorder", {"order": tuple(flow.order.argsort().tolist())}))
    return tuple(modules), replace(flow, layout=layout, order=flow.order if ordered else None)


def appended(module: Module, tail: tuple[Module, ...]) -> Module:
    """The module, then the tail; the names inside a Sequential stay as they are."""
    if not tail:
        return module
    if module.kind == "Sequential":
        return replace(module, inside=module.inside + tail)
    return joined((module, *tail))


def wish(layers: tuple[Layer, ...], x: Shape) -> Layout | None:
    """The layout that the first of the layers that tells reads inputs of shape x (n, ...) in."""
    for layer in layers:
        if stack_of(layer):
            return last(len(x))
        if isinstance(layer, Flatten | Reshape):
            return None
        found = wish_inside(layer, x)
        if found is not None:
            return found
        x = layer.shape(x)
    return None


def wish_inside(layer: Layer, x: Shape) -> Layout | None:
    if isinstance(layer, Chain):
        return wish(layer.layers, x)
    if isinstance(layer, Residual | Branch):
        paths = layer.paths(x) if isinstance(layer, Residual) else layer.branches
        return next((found for path in paths if (found := wish((path,), x)) is not None), None)
    if isinstance(layer, TimeDistributed):
        found = wish((layer.layer,), layer.folded(x))
        return None if found is None else around(found)
    need = LAYERS[type(layer)].need(layer, len(x)) if type(layer) in LAYERS else "any"
    return {"first": first(len(x)), "last": last(len(x))}.get(need)


def layout_of(need: str, flow: Flow) -> Layout:
    return {"first": first(flow.rank), "last": last(flow.rank)}.get(need, flow.layout)


def wished_order(after: tuple[Layer, ...], x: Shape) -> Order:
    """The order that a Reshape behind a Dense would have its features in, so that no axis need be moved."""
    layers = list(leaves(after))
    for index, layer in enumerate(layers):
        if isinstance(layer, Reshape):
            y = layer.shape(x)
            return flat_order(y, goal_of(tuple(layers[index + 1 :]), y))
        conversion = LAYERS.get(type(layer))
        if conversion is None or not conversion.ordered or isinstance(layer, Dense):
            return None
    return None


def leaves(layers: tuple[Layer, ...]) -> Iterator[Layer]:
    for layer in layers:
        if isinstance(layer, Chain) and not stack_of(layer):
            yield from leaves(layer.layers)
        else:
            yield layer


def conversion_of(layer: Layer, flow: Flow) -> Conversion:
    conversion = LAYERS.get(type(layer))
    if conversion is None:
        raise refusal(
            flow.at,
            type(layer).__name__,
            "expected a layer of Deltarule's, got one of your own; write its module in PyTorch and put it there",
        )
    return conversion
