"""Networks, losses and optimizers as JSON and back, by a list of known names: nothing in a file is ever run."""

import dataclasses
from typing import Any

import numpy as np

from deltarule import layers, losses, optimizers, schedules
from deltarule.errors import FileError
from deltarule.layers import initializers

KNOWN = {
    name: kind
    for module in (layers, losses, optimizers, schedules, initializers)
    for name, kind in vars(module).items()
    if dataclasses.is_dataclass(kind) and isinstance(kind, type)
}


def to_json(value: Any) -> Any:
    """A description of a layer, loss, optimizer, schedule or initializer: its class's name and its settings.

    >>> to_json(layers.ReLU())
    {'ReLU': {}}
    """
    if dataclasses.is_dataclass(value):
        settings = {field.name: to_json(getattr(value, field.name)) for field in dataclasses.fields(value)}
        return {type(value).__name__: settings}
    if isinstance(value, tuple):
        return [to_json(each) for each in value]
    return value.item() if isinstance(value, np.generic) else value


def from_json(description: Any, own: dict[str, type] | None = None) -> Any:
    """What `to_json` described. `own` names classes of the user's that are allowed besides Deltarule's.

    Raises:
        FileError: a class that is not known, or settings that it does not take.

    >>> from_json({"Chain": {"layers": [{"Dense": {"features": 3}}]}}).shape((8, 5))
    (8, 3)
    """
    if isinstance(description, list):
        return tuple(from_json(each, own) for each in description)
    if not isinstance(description, dict):
        return description
    try:
        [(name, settings)] = description.items()
        settings = {key: from_json(value, own) for key, value in settings.items()}
    except (ValueError, AttributeError) as error:
        if isinstance(error, FileError):
            raise
        raise FileError(f"expected one class and its settings, got {str(description)[:80]}") from None
    kind = (own or {}).get(name) or KNOWN.get(name)
    if kind is None:
        raise FileError(
            f"the file describes a {name}, which is not known; if it is your own class, pass it in `own`"
        )
    try:
        if not getattr(kind, "__dataclass_params__").init:  # noqa: B009  # Chain, Branch and Reshape take *arguments
            [values] = settings.values()
            return kind(*values)
        return kind(**settings)
    except (TypeError, ValueError) as error:
        raise FileError(f"the file describes a {name} with settings that it does not take: {error}") from None
