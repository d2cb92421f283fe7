"""A model from its file."""

import os
from typing import Any

import jax
import numpy as np

from deltarule.description import from_json
from deltarule.errors import FileError
from deltarule.model import Model
from deltarule.model_file import array_name, read_model
from deltarule.training.history import History


def load(path: str | os.PathLike[str], own: dict[str, type] | None = None) -> Model:
    """The model in a file that `Model.save` wrote; its predictions are bit-equal to those before.

    Args:
        own: your own layers or losses by class name, if the model uses any.

    Raises:
        FileError: no such file, or one that is truncated, altered, foreign or of unknown classes.
    """
    arrays, header = read_model(path)
    if "members" in header:
        raise FileError(
            f"{path}: it holds an ensemble of {len(header['members'])} models; dr.Ensemble.load reads it"
        )
    try:
        return assemble(arrays, header, own)
    except (LookupError, TypeError, AttributeError, ValueError, ArithmeticError, RecursionError) as error:
        raise FileError(f"{path}: the model in it cannot be put together: {error}") from None


def assemble(arrays: dict[str, np.ndarray], header: dict[str, Any], own: dict[str, type] | None) -> Model:
    """The model that a file's arrays and header describe."""
    net, loss, optimizer, l2 = (from_json(header[name], own) for name in ("net", "loss", "optimizer", "l2"))
    numbers = {name: header[name] for name in ("clip_norm", "seed", "precision")}
    model = Model(net, loss, optimizer, l2=l2 or 0.0, **numbers)
    model.input_shape = tuple(int(length) for length in header["input_shape"])
    model.notes, history = header["notes"], header["history"]
    model.history = History(history["rows"], history["best"], history["ended"])
    fresh = model.step().init((1, *model.input_shape), model.seed)
    leaves, structure = jax.tree_util.tree_flatten_with_path({"params": fresh.params, "memory": fresh.memory})
    expected = {array_name(key): (np.shape(leaf), np.result_type(leaf).name) for key, leaf in leaves}
    got = {name: (array.shape, array.dtype.name) for name, array in arrays.items()}
    if got != expected:
        raise FileError(f"expected arrays {expected} for its network, got {got}")
    tree = jax.tree.unflatten(structure, [arrays[array_name(key)] for key, _ in leaves])
    model.state = jax.device_put(fresh._replace(params=tree["params"], memory=tree["memory"]))
    return model
