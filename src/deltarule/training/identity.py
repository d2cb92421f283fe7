"""What must be the same for a run to go on bit for bit: network, loss, optimizer, settings and data."""

import dataclasses
import functools
import hashlib
import json
from typing import Any

import jax
import numpy as np

from deltarule.description import to_json
from deltarule.training.step import Batch, State, Step

FREE = (
    "epochs",
    "callbacks",
    "devices",
    "progress",
    "checkpoint",
    "resume",
)  # settings that may be others when a run goes on
SHOWN = 4  # differences that are told


def identity(step: Step, state: State, data: Any, validation: Any, settings: Any) -> dict[str, Any]:
    """Everything that the numbers of a run follow from, as plain JSON."""
    return plain(computed(step, settings) | {"key": np.asarray(state.key)} | learned(data, validation))


def computed(step: Step, settings: Any) -> dict[str, Any]:
    """What is computed, and how."""
    of_step = {field.name: to_json(getattr(step, field.name)) for field in dataclasses.fields(step)}
    of_run = {
        field.name: to_json(getattr(settings, field.name))
        for field in dataclasses.fields(settings)
        if field.name not in FREE
    }
    return {"network" if name == "net" else name: value for name, value in of_step.items()} | of_run


def learned(data: Any, validation: Any) -> dict[str, Any]:
    """What is learned from, and what it is held against."""
    return {
        "training data": described(data),
        "validation data": None if validation is None else described(validation),
    }


def plain(found: Any) -> Any:
    """An identity as JSON holds it."""
    return json.loads(json.dumps(found, default=named))


def named(value: Any) -> str:
    """What JSON cannot hold: an array as lists, and of anything else, such as a function, its name."""
    if isinstance(value, (np.ndarray, np.generic)):
        return value.tolist()
    return getattr(value, "__qualname__", None) or type(value).__qualname__


def described(data: Any) -> dict[str, Any]:
    """Shapes and a checksum of arrays; of a source its shape, and its checksum where it has a `fingerprint()`."""
    if not isinstance(data, Batch):
        shape = {name: getattr(data, name, None) for name in ("chunk_shape", "examples")}
        fingerprint = getattr(data, "fingerprint", None)
        return {"source": type(data).__name__, **shape, "sha256": fingerprint() if fingerprint else None}
    arrays = {name: np.asarray(a) for name, a in jax.device_get(data)._asdict().items() if a is not None}
    sha = hashlib.sha256()
    for array in arrays.values():
        sha.update(np.ascontiguousarray(array).data)
    shapes = {name: f"{array.shape} {array.dtype}" for name, array in arrays.items()}
    return {**shapes, "sha256": sha.hexdigest()}


def differences(saved: Any, ours: Any) -> str:
    """Where two identities differ, in words; "" where they agree.

    >>> differences({"network": {"Dense": {"features": 3}}, "l2": None}, {"network": {"Dense": {"features": 4}}})
    'network Dense features: 3 there, 4 here'
    """
    saved, ours = flat(saved), flat(ours)
    found = [
        f"{name}: {saved.get(name)!r} there, {ours.get(name)!r} here"
        for name in dict.fromkeys([*saved, *ours])
        if saved.get(name) != ours.get(name)
    ]
    more = f", and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    return "; ".join(found[:SHOWN]) + more


def flat(tree: Any, path: tuple[str, ...] = ()) -> dict[str, Any]:
    """The leaves of a JSON tree by the words that lead to them."""
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else None
    if items is None:
        return {" ".join(path): tree}
    return functools.reduce(lambda all_, item: all_ | flat(item[1], (*path, str(item[0]))), items, {})
