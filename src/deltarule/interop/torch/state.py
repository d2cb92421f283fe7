"""State dicts: a model's arrays under PyTorch's names, in a safetensors file or as they are, without PyTorch."""

import operator
import os
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np
import safetensors
from safetensors.numpy import load_file, save

from deltarule.errors import DeltaruleError, FileError, SettingError, ShapeError
from deltarule.files import write_whole
from deltarule.interop.torch.module import Module, arrays_of, state_of
from deltarule.interop.torch.outline import outline
from deltarule.interop.torch.weights import Arrays
from deltarule.layers.layer import Shape
from deltarule.model import Model


def state_dict(model: Model) -> Arrays:
    """The model's arrays as the state dict of `to_torch(model)`, as NumPy arrays; made without PyTorch.

    Raises:
        SettingError: the model has not been trained, or a layer has no counterpart in PyTorch.

    >>> import deltarule as dr
    >>> model = dr.Model(dr.Chain(dr.Dense(4), dr.BatchNorm()), loss=dr.SquaredError())
    >>> history = model.fit(np.ones((8, 3)), np.ones((8, 4)), epochs=1)
    >>> {name: array.shape for name, array in state_dict(model).items()}  # doctest: +ELLIPSIS
    {'0.weight': (4, 3), '0.bias': (4,), '1.weight': (4,), ..., '1.num_batches_tracked': ()}
    """
    state = model.trained()
    return state_of(outline(model.net, model.input_shape or ()).module, state.params, state.memory)


def write_state_dict(model: Model, path: str | os.PathLike) -> None:
    """Writes `state_dict(model)` as a safetensors file, whole or not at all.

    `to_torch(model).load_state_dict(safetensors.torch.load_file(path))` takes it in PyTorch, and so does any
    module of the same classes in the same places.

    Raises:
        SettingError: as `state_dict`.
        FileError: the file cannot be written.
    """
    write_whole(path, save(state_dict(model), {"format": "pt"}))


def read_state_dict(model: Model, state: str | os.PathLike | Mapping[str, Any], x: Shape | None = None) -> None:
    """Gives a model the weights of a state dict, as `to_torch` of the same network names them.

    Args:
        model: its parameters and running statistics become those of the state dict; an optimizer begins anew.
        state: a safetensors file, or what `module.state_dict()` gives, tensors or arrays.
        x: the shape of one example here, without n; of a model that has seen no data.

    Raises:
        ShapeError: x is no shape.
        SettingError: the model has seen no data and x is not given, or a layer has no counterpart in PyTorch.
        FileError: there is no such file or it is none; or its names or shapes are not those of the network: the
            message lists what is missing, what was not expected, and which shapes differ.

    >>> import deltarule as dr
    >>> model = dr.Model(dr.Dense(2), loss=dr.SquaredError())
    >>> read_state_dict(model, {"weight": np.ones((2, 3)), "bias": np.zeros(2)}, x=(3,))
    >>> model.predict([[1, 2, 3]]).tolist()
    [[6.0, 6.0]]
    """
    shape = model.input_shape if x is None else example_shape(x)
    if shape is None:
        raise SettingError(
            "read_state_dict: the model has seen no data; say x, the shape of one example: x=(784,)"
        )
    found = outline(model.net, shape).module
    fresh = model.step().init((1, *shape), model.seed)
    name = "the state dict" if isinstance(state, Mapping) else os.fspath(state)
    given = state if isinstance(state, Mapping) else read_file(name)
    hint = "give the network that it was written from"
    arrays = fitted(found, fresh.params, fresh.memory, numbers_of(given), name, FileError, hint)
    params, memory = rebuilt(fresh.params, arrays, 0), rebuilt(fresh.memory, arrays, 1)
    params, memory = jax.tree.map(lambda array: np.asarray(array, np.float32), (params, memory))
    model.input_shape = shape
    model.state = jax.device_put(fresh._replace(params=params, memory=memory))


def example_shape(x: Any) -> Shape:
    """The shape as whole numbers; raises ShapeError where it is none.

    >>> example_shape([3, 32, 32])
    (3, 32, 32)
    """
    try:
        shape = tuple(map(operator.index, x))
    except TypeError:
        shape = (0,)
    if min(shape, default=1) < 1:
        raise ShapeError(
            f"x: expected the shape of one example, without n, such as (784,) or (3, 32, 32), got {str(x)[:60]}"
        )
    return shape


def read_file(path: str) -> Arrays:
    if not os.path.isfile(path):
        raise FileError(f"{path}: no such file")
    try:
        return load_file(path)
    except (safetensors.SafetensorError, OSError, ValueError, TypeError, KeyError) as error:
        raise FileError(
            f"{path}: not a whole safetensors file of numbers ({error}); in PyTorch write one by "
            "safetensors.torch.save_file(module.state_dict(), path)"
        ) from None


def fitted(
    found: Module,
    params: Any,
    memory: Any,
    state: Arrays,
    name: str,
    error: type[DeltaruleError],
    hint: str,
) -> dict[tuple[int, ...], tuple[Arrays, Arrays]]:
    """Our arrays from a state dict, once its names and shapes are found to be those of the network."""
    expected = {key: array.shape for key, array in state_of(found, params, memory).items()}
    got = {key: array.shape for key, array in state.items()}
    for key in expected.keys() - got.keys():
        if key.endswith("num_batches_tracked"):  # PyTorch before 0.4.1 wrote none, and nothing reads it
            del expected[key]
    if wrong := misfit(expected, got):
        raise error(f"{name} does not fit the network: {wrong}; {hint}")
    return arrays_of(found, state)


def misfit(expected: dict[str, Shape], got: dict[str, Shape]) -> str:
    """Which names are missing, not expected, or of another shape; nothing where all is well.

    >>> misfit({"weight": (3, 2)}, {"weight": (2, 3), "bias": (3,)})
    'not expected: bias; of another shape: weight (expected (3, 2), got (2, 3))'
    """
    differ = [key for key in expected if key in got and got[key] != expected[key]]
    told = (
        ("missing", [key for key in expected if key not in got]),
        ("not expected", [key for key in got if key not in expected]),
        ("of another shape", [f"{key} (expected {expected[key]}, got {got[key]})" for key in differ]),
    )
    return "; ".join(f"{what}: {', '.join(keys)}" for what, keys in told if keys)


def rebuilt(tree: Any, arrays: dict[tuple[int, ...], tuple[Arrays, Arrays]], part: int, path=()) -> Any:
    """A tree of parameters (part 0) or memory (1) with what was found in place of what was there."""
    if isinstance(tree, tuple):
        return tuple(rebuilt(inner, arrays, part, (*path, index)) for index, inner in enumerate(tree))
    return arrays[path][part] if path in arrays else tree


def numbers_of(state: Mapping[str, Any]) -> Arrays:
    """Tensors, or arrays, as arrays; half precision becomes float32."""
    arrays = {}
    for name, value in state.items():
        if hasattr(value, "detach"):
            value = value.detach().cpu()
            value = (value.float() if value.element_size() < 4 and value.is_floating_point() else value).numpy()
        arrays[name] = np.array(value)
    return arrays
