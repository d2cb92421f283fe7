"""PyTorch's modules from an outline. PyTorch is imported here, and in the files of our own modules."""

from importlib import import_module
from typing import Any

import numpy as np

from deltarule.errors import SettingError, ShapeError
from deltarule.interop.torch import modules, recurrent_modules
from deltarule.interop.torch.module import Module, state_of
from deltarule.interop.torch.outline import outline
from deltarule.interop.torch.state import misfit
from deltarule.layers.layer import Layer, Memory, Params, Shape
from deltarule.model import Model


def to_torch(model: Model) -> Any:
    """The model's network as an `nn.Module` of PyTorch's own classes, in evaluation mode, with its weights.

    It is what one would have written in PyTorch, and takes what that takes: images (n, c, h, w), series of a
    `Conv1d` (n, c, t), volumes (n, c, d, h, w); sequences of a recurrent layer or a `Linear` (n, t, i); and
    features (n, i). The first layer that tells decides; `x.transpose(0, 3, 1, 2)` brings images there. What
    comes out is laid out alike. The few layers that have no class in PyTorch are small modules in `modules.py`
    and `recurrent_modules.py`, and need Deltarule to be unpickled. What augments images in training is left out.

    It gives the network's own output. A classifier's are logits, as PyTorch's losses take them: `predict` here is
    `softmax` (or `sigmoid`) of it. What a command does to its columns before the network is not in it.

    Raises:
        SettingError: the model has not been trained; PyTorch is not installed; or a layer has no counterpart: a
            state that is carried from batch to batch, a layer or cell of your own, more than three axes of space.

    >>> import deltarule as dr, numpy as np, torch  # doctest: +SKIP
    >>> model = dr.Model(dr.networks.lenet(), loss=dr.SoftmaxCrossEntropy())  # doctest: +SKIP
    >>> history = model.fit(np.ones((8, 32, 32, 1)), np.arange(8), epochs=1)  # doctest: +SKIP
    >>> to_torch(model)(torch.ones(2, 1, 32, 32)).shape  # doctest: +SKIP
    torch.Size([2, 10])
    """
    state = model.trained()
    return network_to_torch(model.net, state.params, state.memory, model.input_shape or ())


def network_to_torch(net: Layer, params: Params, memory: Memory, x: Shape) -> Any:
    """As `to_torch`, for a network by itself, whose examples are of shape x here, without n; in params' type.

    Raises:
        SettingError: as `to_torch`.
        ShapeError: x does not fit the network.
    """
    try:
        torch: Any = import_module("torch")
    except ImportError:
        raise SettingError("to_torch: PyTorch is not installed; pip install torch brings it") from None
    found = outline(net, x).module
    module = built(torch, found)
    state = state_of(found, params, memory)
    expected = {name: tuple(each.shape) for name, each in module.state_dict().items()}
    if wrong := misfit(expected, {name: array.shape for name, array in state.items()}):
        raise ShapeError(f"the parameters do not fit a network on examples of shape {tuple(x)}: {wrong}")
    floats = [array.dtype for array in state.values() if np.issubdtype(array.dtype, np.floating)]
    if floats:
        module = module.to(getattr(torch, max(floats, key=lambda dtype: dtype.itemsize).name))
    module.load_state_dict({name: torch.tensor(array) for name, array in state.items()})
    return module.eval()


def built(torch: Any, module: Module) -> Any:
    """The module of a description, with weights as PyTorch draws them."""
    inside = [built(torch, inner) for inner in module.inside]
    for own in (modules, recurrent_modules):
        if module.kind in own.classes():
            kind = own.classes()[module.kind]
            return kind(inside, **module.settings) if inside else kind(**module.settings)
    return getattr(torch.nn, module.kind)(*inside, **module.settings)
