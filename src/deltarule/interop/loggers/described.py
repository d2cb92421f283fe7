"""What a run is of, for loggers: the network, loss and optimizer as JSON, and hyper-parameters by flat names."""

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from deltarule.description import to_json
from deltarule.errors import SettingError
from deltarule.model import Model

if TYPE_CHECKING:
    from deltarule.dqn.agent import DQN

Value = str | int | float | bool


def parts(trained: "Model | DQN") -> dict[str, Any]:
    """Everything that a model, or an agent, was made with, by name.

    Raises:
        SettingError: neither a model nor an agent.
    """
    from deltarule.dqn.agent import DQN

    if isinstance(trained, Model):
        names = ("net", "loss", "optimizer", "l2", "clip_norm", "seed", "precision")
        return {name: getattr(trained, name) for name in names}
    if isinstance(trained, DQN):
        of_step = {name: getattr(trained.step, name) for name in ("net", "loss", "optimizer", "clip_norm")}
        return {"environment": trained.name, **of_step, "seed": trained.seed, **vars(trained.rules)}
    raise SettingError(f"logger: expected a Model or a DQN, whose settings are written, got {trained!r}")


def description(trained: "Model | DQN") -> dict[str, Any]:
    """The same as JSON, such as the model's file holds it.

    >>> import deltarule as dr
    >>> description(dr.Model(dr.ReLU(), loss=dr.SquaredError()))["net"]
    {'ReLU': {}}
    """
    return {name: plain(to_json(value)) for name, value in parts(trained).items()}


def hyperparameters(trained: "Model | DQN") -> dict[str, Value]:
    """Flat names to text and numbers; the network as the text that its file prints.

    >>> import deltarule as dr
    >>> found = hyperparameters(dr.Model(dr.Dense(2), loss=dr.SquaredError(), optimizer=dr.SGD(0.1)))
    >>> found["optimizer"], found["optimizer.learning_rate"], found["seed"]
    ('SGD', 0.1, 0)
    """
    found = parts(trained)
    net = {"net": str(found.pop("net"))}
    return net | flat({name: plain(to_json(value)) for name, value in found.items()})


def flat(settings: dict[str, Any], prefix: str = "") -> dict[str, Value]:
    """Settings by flat names; a part with settings of its own is its name, and they come after a dot."""
    found: dict[str, Value] = {}
    for name, value in settings.items():
        if isinstance(value, dict) and len(value) == 1 and isinstance(next(iter(value.values())), dict):
            [(kind, own)] = value.items()
            found |= {prefix + name: kind} | flat(own, f"{prefix}{name}.")
        else:
            found[prefix + name] = value if isinstance(value, str | int | float) else str(value)
    return found


def plain(value: Any) -> Any:
    """JSON alone: arrays as lists or numbers, and what JSON does not have as text."""
    if isinstance(value, dict):
        return {str(name): plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    if isinstance(value, np.ndarray | np.generic) or hasattr(value, "__array__"):
        return np.asarray(value).tolist()
    if dataclasses.is_dataclass(value):
        return plain(to_json(value))
    return value if value is None or isinstance(value, str | int | float) else str(value)
