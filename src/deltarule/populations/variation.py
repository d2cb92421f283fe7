"""A model with other settings: what a sweep may vary, by its name."""

import difflib
import inspect
from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

from deltarule.errors import SettingError
from deltarule.ingredients import short
from deltarule.layers.dropout import Dropout
from deltarule.layers.layer import Layer, map_layers
from deltarule.model import Model
from deltarule.populations.space import Configuration

OF_FIT = ("batch_size", "epochs")
OF_MODEL = ("l2", "clip_norm", "seed", "precision")

Build = Callable[..., Model]


def varied(model: Model | Build, configuration: Configuration) -> Model:
    """A fresh model with the settings of a configuration.

    These are numbers of the optimizer (learning_rate, momentum, ...), l2, clip_norm, precision, seed, and dropout,
    what every dropout layer drops. A function that makes the model takes any others by their names, such as a
    width. What is of `fit`, batch_size and epochs, is left to it.

    Raises:
        SettingError: a name that is none of these, or a value that cannot be.
    """
    given = {name: value for name, value in configuration.items() if name not in OF_FIT}
    if isinstance(model, Model):
        base = model
    elif not callable(model):
        raise SettingError(f"sweep: expected a Model, or a function that makes one, got {short(model)}")
    else:
        parameters = inspect.signature(model).parameters.values()
        takes_all = any(each.kind is inspect.Parameter.VAR_KEYWORD for each in parameters)
        own = list(given) if takes_all else [each.name for each in parameters if each.name in given]
        base = model(**{name: given.pop(name) for name in own})
        if not isinstance(base, Model):
            raise SettingError(f"sweep: expected a function that returns a Model, got {base!r}")
    settings: dict[str, Any] = {name: getattr(base, name) for name in OF_MODEL}
    settings["l2"] = base.l2 if base.l2 is not None else 0.0
    net, optimizer = base.net, base.optimizer
    of_optimizer = [field.name for field in fields(optimizer)]  # type: ignore[arg-type]
    for name, value in given.items():
        if name in OF_MODEL:
            settings[name] = value
        elif name in of_optimizer:
            optimizer = replace(optimizer, **{name: value})  # type: ignore[type-var]
        elif name == "dropout":
            net = with_dropout(net, value)
        else:
            raise SettingError(unknown(name, [*of_optimizer, *OF_MODEL, "dropout", *OF_FIT], model))
    result = Model(net, base.loss, optimizer, **settings)
    result.notes = dict(base.notes)
    return result


def with_dropout(net: Layer, drop: float) -> Layer:
    """The network whose dropout layers all drop so much; raises SettingError where there is none."""
    changed = []

    def change(layer: Layer) -> Layer:
        if not isinstance(layer, Dropout):
            return layer
        changed.append(layer)
        return replace(layer, drop=drop)

    result = map_layers(change, net)
    if not changed:
        raise SettingError("sweep: dropout cannot vary, because the network has no Dropout layer; add one")
    return result


def unknown(name: str, known: list[str], model: Model | Build) -> str:
    """The message for a name that nothing has."""
    near = difflib.get_close_matches(name, known, 1)
    hint = f"did you mean {near[0]!r}?" if near else f"expected some of {', '.join(known)}"
    if isinstance(model, Model):
        hint += f" To vary a shape, give a function that makes the model: sweep(lambda {name}: Model(...), ...)"
    return f"sweep: unknown setting {name!r}; {hint}"
