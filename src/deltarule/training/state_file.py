"""A tree of states as arrays by name and a skeleton in JSON, and back; only the classes named here are made."""

from typing import Any

import jax
import numpy as np

from deltarule.training.place import Place
from deltarule.training.precision import Scale
from deltarule.training.step import Report, State

KINDS = {kind.__name__: kind for kind in (State, Scale, Report, Place)}


def unfold(tree: Any) -> tuple[Any, dict[str, np.ndarray]]:
    """(skeleton, arrays) of dicts, tuples, whole numbers and arrays; an array that comes twice is kept once.

    >>> skeleton, arrays = unfold({"W": (np.ones(2), 3, None)})
    >>> skeleton, list(arrays)
    ({'dict': {'W': {'tuple': ['W.0', 3, None]}}}, ['W.0'])
    """
    arrays: dict[str, Any] = {}
    names: dict[int, str] = {}

    def one(tree: Any, path: tuple[str, ...]) -> Any:
        if tree is None or isinstance(tree, int):
            return tree
        if isinstance(tree, dict):
            return {"dict": {key: one(each, (*path, key)) for key, each in tree.items()}}
        if isinstance(tree, tuple):
            kind = type(tree).__name__ if type(tree) in KINDS.values() else "tuple"
            keys = getattr(tree, "_fields", map(str, range(len(tree))))
            return {kind: [one(each, (*path, key)) for key, each in zip(keys, tree, strict=True)]}
        if id(tree) not in names:
            names[id(tree)] = ".".join(path)
            arrays[names[id(tree)]] = tree
        return names[id(tree)]

    return one(tree, ()), jax.tree.map(np.asarray, jax.device_get(arrays))


def fold(skeleton: Any, arrays: dict[str, np.ndarray]) -> Any:
    """The tree of a skeleton; raises LookupError, TypeError, ValueError or AttributeError where it is none.

    >>> fold({"tuple": ["a", None]}, {"a": np.ones(2)})
    (array([1., 1.]), None)
    """
    if skeleton is None or isinstance(skeleton, int):
        return skeleton
    if isinstance(skeleton, str):
        return arrays[skeleton]
    [(kind, inner)] = skeleton.items()
    if kind == "dict":
        return {key: fold(each, arrays) for key, each in inner.items()}
    parts = [fold(each, arrays) for each in inner]
    return tuple(parts) if kind == "tuple" else KINDS[kind](*parts)
