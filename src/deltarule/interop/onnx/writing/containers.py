"""Layers made of others."""

from deltarule.interop.onnx.writing.graph import Value
from deltarule.interop.onnx.writing.registry import Here, whole, writes
from deltarule.layers import Branch, Chain, Recompute, Residual, TimeDistributed


@writes(Chain, Recompute)
def chain(here: Here, x: Value) -> Value:
    for index, layer in enumerate(here.layer.layers):
        x = here.inner(layer, index, x)
    return x


@writes(Residual)
def residual(here: Here, x: Value) -> Value:
    body, shortcut = (here.inner(path, index, x) for index, path in enumerate(here.layer.paths(x.shape)))
    return here.gives(body, here.node("Add", body.name, here.laid(shortcut, body.layout).name), body.shape)


@writes(Branch)
def branch(here: Here, x: Value) -> Value:
    first, *others = (here.inner(each, index, x) for index, each in enumerate(here.layer.branches))
    names = [first.name, *(here.laid(other, first.layout).name for other in others)]
    return here.gives(first, here.node("Concat", *names, axis=first.channels), here.layer.shape(x.shape))


@writes(TimeDistributed)
def time_distributed(here: Here, x: Value) -> Value:
    """Time is folded into the examples, and unfolded behind the layer by the sizes that the input has."""
    x = here.laid(x, "last")
    folded = here.node("Reshape", x.name, here.weight("folded", whole((-1, *x.shape[2:]))))
    inside = Value(folded, (x.shape[1], *x.shape[2:]))
    y = here.laid(here.inner(here.layer.layer, 0, inside), "last")
    sizes = here.node("Shape", x.name, start=0, end=2)
    shape = here.node("Concat", sizes, here.weight("unfolded", whole(y.shape[1:])), axis=0)
    return here.gives(x, here.node("Reshape", y.name, shape))
