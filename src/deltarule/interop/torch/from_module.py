"""A network from a PyTorch module: its classes are read by name, so that PyTorch itself is not needed here."""

from collections.abc import Iterator
from typing import Any

import jax
import numpy as np

from deltarule.errors import DeltaruleError, SettingError, ShapeError
from deltarule.interop.torch.layout import first, last, own
from deltarule.interop.torch.module import Module, Refusal, refusal
from deltarule.interop.torch.outline import Outline, outline
from deltarule.interop.torch.reading import Place
from deltarule.interop.torch.recurrent import with_biases
from deltarule.interop.torch.state import example_shape, fitted, numbers_of, rebuilt
from deltarule.interop.torch.table import MODULES, UNKNOWN
from deltarule.interop.torch.weights import Arrays
from deltarule.layers import Chain, Embedding
from deltarule.layers.layer import Layer, Memory, Params, Shape
from deltarule.losses import BinaryCrossEntropy, SoftmaxCrossEntropy
from deltarule.losses.loss import Loss
from deltarule.model import Model
from deltarule.optimizers.optimizer import Optimizer


def from_torch(module: Any, x: Shape, loss: Loss, optimizer: Optimizer | None = None, **settings: Any) -> Model:
    """A model with the network and the weights of an `nn.Module`, that predicts and goes on training.

    It takes `nn.Sequential`, nested as you like, and PyTorch's own modules that have a counterpart. Images, series
    and volumes have their channels last here, `x.permute(0, 2, 3, 1)`; the weights behind an `nn.Flatten` are put
    into that order. A recurrent module gives its output sequence, from (n, t, i) whether or not batch_first.

    What training does differently: the running variance of a batch normalisation is the biased one here, and a
    recurrent module has one bias where PyTorch adds two (zero at first, where it has none). All weights are
    trained, those of requires_grad=False too.

    Args:
        module: it stays as it is.
        x: the shape of one example as the module takes it, without n: (3, 32, 32) for images.
        loss: that of training; the network ends in logits where PyTorch's does.
        optimizer, settings: as Model.

    Raises:
        SettingError: a module has no counterpart, or a setting that has none, or shares weights with another;
            the message says where. Or it ends in probabilities, and the loss takes logits.
        ShapeError: x is no shape, or does not fit the module.

    >>> import deltarule as dr, torch  # doctest: +SKIP
    >>> module = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 5), torch.nn.Flatten())  # doctest: +SKIP
    >>> module.append(torch.nn.Linear(512, 10))  # doctest: +SKIP
    >>> model = from_torch(module, (3, 12, 12), loss=dr.SoftmaxCrossEntropy())  # doctest: +SKIP
    >>> model.predict(np.ones((2, 12, 12, 3))).shape  # doctest: +SKIP
    (2, 10)
    """
    net, params, memory, found = network_of(module, x)
    check_logits(module, loss)
    model = Model(net, loss, optimizer, **settings)
    shape = own((1, *x), found.before)[1:]
    params, memory = jax.tree.map(lambda array: np.asarray(array, np.float32), (params, memory))
    fresh = model.step().init((1, *shape), model.seed)
    model.input_shape = shape
    model.state = jax.device_put(fresh._replace(params=params, memory=memory))
    return model


def network_from_torch(module: Any, x: Shape) -> tuple[Layer, Params, Memory]:
    """(net, params, memory) of a module, in the type of its weights; arguments and errors as `from_torch`."""
    net, params, memory, _ = network_of(module, x)
    return net, params, memory


def network_of(module: Any, x: Shape) -> tuple[Layer, Params, Memory, Outline]:
    """The network, its arrays, and the outline by which they were read."""
    given = (1, *example_shape(x))
    layout = first(len(given)) if space_follows(parts(module)) else last(len(given))
    shape = own(given, layout)
    net, _ = read(module, Place((), shape, layout), ())
    check_shared(module)
    found = outline(net, shape[1:], layout)
    check_axes(module, found.module)
    state = state_of_module(module)
    params, memory = net.init(np.random.default_rng(0), shape), net.memory(shape)
    arrays = fitted(
        found.module, params, memory, state, "the module", ShapeError,
        f"x is the shape of one example as the module takes it, without n; got {tuple(x)}",
    )  # fmt: skip
    return net, rebuilt(params, arrays, 0), rebuilt(memory, arrays, 1), found


def read(module: Any, place: Place, after: tuple[Any, ...]) -> tuple[Layer, Place]:
    """(the layer of a module, the place behind it)."""
    check_standard(module, place)
    if is_sequential(module):
        layers, children = [], list(module._modules.items())
        for index, (name, child) in enumerate(children):
            rest = (*(each for _, each in children[index + 1 :]), *after)
            here = Place((*place.path, name), place.shape, place.layout)
            layer, here = read(child, here, rest)
            place = Place(place.path, here.shape, here.layout)
            layers.append(layer)
        return Chain(*layers), place
    name = type(module).__name__
    reader = MODULES.get(name)
    if reader is None:
        known = "PyTorch's Linear, convolutions, pools, normalisations, activations and recurrent modules"
        why = UNKNOWN.get(name, f"it has no counterpart here; {known} have")
        raise refusal(place.path, name, f"{why}. Convert the parts before and behind it by themselves")
    if reader.rank not in (0, len(place.shape)):
        raise refusal(
            place.path,
            name,
            f"expected an input of {reader.rank} axes with the examples', got {len(place.shape)}; x is the shape "
            "of one example as the module takes it, without n",
        )
    space = space_follows([leaf for each in after for leaf in parts(each)])
    try:
        layer = reader.layer(module, Place(place.path, place.shape, place.layout, space))
        y = layer.shape(place.shape)
    except Refusal:
        raise
    except DeltaruleError as error:  # of the layer's own: a setting, or a shape, that it cannot take
        raise type(error)(str(refusal(place.path, name, str(error)))) from None
    if len(y) == len(place.shape) and not isinstance(layer, Embedding):
        return layer, Place(place.path, y, place.layout)
    return layer, Place(place.path, y, first(len(y)) if space and name == "Unflatten" else last(len(y)))


def check_standard(module: Any, place: Place) -> None:
    """Raises SettingError for a class that is not PyTorch's own, or one that was changed by hooks."""
    kind = type(module)
    if not hasattr(module, "state_dict"):
        raise SettingError(f"from_torch: expected a torch.nn.Module, got {module!r}")
    if not (kind.__module__.startswith("torch.nn.modules") or is_sequential(module)):
        raise refusal(
            place.path,
            kind.__name__,
            "expected one of PyTorch's own modules, for what another's forward does cannot be read off it. Read "
            "its nn.Sequential parts, or the module that it wraps, by themselves; the weights of a module that "
            "to_torch made come back with read_state_dict",
        )
    if kind.__name__.startswith("Lazy"):
        raise refusal(place.path, kind.__name__, "it has no weights yet; call the module once on data, and it has")
    if module._forward_hooks or module._forward_pre_hooks:
        raise refusal(
            place.path, kind.__name__, "it has forward hooks, which may change what it does; remove them first"
        )


def is_sequential(module: Any) -> bool:
    """Whether it is an nn.Sequential, or a subclass of it that does the same."""
    return getattr(getattr(type(module), "forward", None), "__qualname__", "") == "Sequential.forward"


def parts(module: Any) -> list[Any]:
    """The modules in an nn.Sequential, those inside others in their place; or the module itself."""
    if is_sequential(module):
        return [leaf for child in module._modules.values() for leaf in parts(child)]
    return [module]


def space_follows(modules: list[Any]) -> bool:
    """Whether the first of the modules that tells has its channels first."""
    for module in modules:
        name = type(module).__name__
        needs = MODULES[name].needs if name in MODULES else "any"
        if needs != "any" or name in ("Flatten", "Unflatten"):
            return needs == "first"
    return False


def check_shared(module: Any) -> None:
    """Raises SettingError where a weight stands in two modules, which here would be trained apart."""
    owners: dict[int, tuple[str, ...]] = {}
    for place, leaf in placed_parts(module):
        for weight in leaf.parameters():
            owner = owners.setdefault(id(weight), place)
            if owner != place:
                raise refusal(
                    place,
                    type(leaf).__name__,
                    f"it shares weights with layer {'.'.join(owner)}, and each layer here has its own; give it a "
                    "copy of them, copy.deepcopy(layer)",
                )


def check_logits(module: Any, loss: Loss) -> None:
    """Raises SettingError where the module's last activation would be computed twice."""
    last_one = type(parts(module)[-1]).__name__ if parts(module) else ""
    if (type(loss), last_one) in ((SoftmaxCrossEntropy, "Softmax"), (BinaryCrossEntropy, "Sigmoid")):
        raise SettingError(
            f"from_torch: expected a module that ends in logits, got one that ends in {last_one}, which "
            f"{type(loss).__name__} computes itself; leave it out, module[:-1]"
        )


def check_axes(module: Any, found: Module, path: tuple[str, ...] = ()) -> None:
    """Raises SettingError where a layer here would have to see other axes than PyTorch's module does."""
    children = list(module._modules.items()) if is_sequential(module) else []
    for index, inner in enumerate(found.inside):
        if inner.kind in AXES:
            raise refusal(path, type(module).__name__, AXES[inner.kind])
        if index < len(children):
            name, child = children[index]
            check_axes(child, inner, (*path, name))


AXES = {
    "Permute": "it reads the axes in another order than the modules before leave them: channels come first in "
    "convolutions, pools and batch normalisation, and last in Linear, RMSNorm and recurrent modules. Put an "
    "nn.Flatten between them",
    "Reorder": "its features come from an nn.Flatten of images, in PyTorch's order (c, h, w), where ours is "
    "(h, w, c), and the weights of a Linear alone take that up. Put one behind the Flatten, or leave that out",
}


def state_of_module(module: Any) -> Arrays:
    """Its state dict by the places of the modules, whatever they are named."""
    return {
        f"{'.'.join((*place, name))}": array
        for place, leaf in placed_parts(module)
        for name, array in with_biases(leaf, numbers_of(leaf.state_dict())).items()
    }


def placed_parts(module: Any, place: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    if not is_sequential(module):
        yield place, module
        return
    for index, child in enumerate(module._modules.values()):
        yield from placed_parts(child, (*place, str(index)))
