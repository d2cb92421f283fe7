"""The network, the optimizer and the loss that an estimator's parameters name."""

from collections.abc import Callable
from dataclasses import replace
from difflib import get_close_matches
from numbers import Integral, Real
from typing import Any

from deltarule import layers, losses, optimizers
from deltarule.errors import SettingError
from deltarule.layers.layer import Layer
from deltarule.losses.loss import Loss
from deltarule.optimizers.optimizer import Optimizer
from deltarule.schedules import Schedule

Build = Callable[[int, int], Layer]

ACTIVATIONS = {
    "elu": layers.ELU,
    "gelu": layers.GELU,
    "identity": layers.Identity,
    "leaky_relu": layers.LeakyReLU,
    "logistic": layers.Sigmoid,
    "relu": layers.ReLU,
    "selu": layers.SELU,
    "silu": layers.SiLU,
    "softplus": layers.Softplus,
    "tanh": layers.Tanh,
}
OPTIMIZERS = {
    "adagrad": optimizers.AdaGrad,
    "adam": optimizers.Adam,
    "adamw": optimizers.AdamW,
    "rmsprop": optimizers.RMSProp,
    "sgd": optimizers.SGD,
}
LOSSES = {"absolute": losses.AbsoluteError, "huber": losses.Huber, "squared": losses.SquaredError}


def named(parameter: str, value: Any, known: dict[str, Any], kind: type) -> Any:
    """An object of this kind, given as itself or by its name.

    >>> named("activation", "tanh", ACTIVATIONS, Layer)
    Tanh()
    """
    if isinstance(value, kind):
        return value
    if isinstance(value, str) and value in known:
        return known[value]()
    near = get_close_matches(value, known, 1) if isinstance(value, str) else []
    choice = f"choose one of {', '.join(known)}, or give an object of {kind.__name__}"
    hint = f"did you mean {near[0]!r}?" if near else choice
    raise SettingError(f"{parameter}: {value!r} is not known; {hint}")


def network(
    hidden: Any, activation: str | Layer, dropout: float, net: Layer | Build | None, features: int, outputs: int
) -> Layer:
    """The network from so many features to so many outputs.

    Raises:
        SettingError: widths that cannot be, an unknown activation, or a `net` that cannot be sized.

    >>> network((8,), "relu", 0.0, None, 4, 3)
    Chain(layers=(Dense(features=8, bias=True, W_init=Glorot(distribution='uniform')), ReLU(),
        Dense(features=3, bias=True, W_init=Glorot(distribution='uniform'))))
    """
    if net is not None:
        return given(net, features, outputs)
    widths = (hidden,) if isinstance(hidden, Integral) else hidden
    if not isinstance(widths, (tuple, list)) or not all(isinstance(w, Integral) and int(w) >= 1 for w in widths):
        raise SettingError(f"hidden: expected widths of at least 1, such as (64, 64), got {hidden!r}")
    between = named("activation", activation, ACTIVATIONS, Layer)
    dropped = (layers.Dropout(dropout),) if dropout else ()
    below = [part for width in widths for part in (layers.Dense(int(width)), between, *dropped)]
    return layers.Chain(*below, layers.Dense(outputs))


def given(net: Layer | Build, features: int, outputs: int) -> Layer:
    """The user's own network with so many outputs."""
    if isinstance(net, Layer):
        sized = with_outputs(net, outputs)
    elif callable(net):
        sized = net(features, outputs)
    else:
        sized = None
    if not isinstance(sized, Layer):
        raise SettingError(
            "net: expected a layer that ends in Dense, such as Chain(Dense(32), ReLU(), Dense(1)), whose last "
            f"width is set to the number of outputs, or a function (features, outputs) -> layer, got {net!r}"
        )
    shape = sized.shape((2, features))
    if shape != (2, outputs):
        raise SettingError(
            f"net: expected a network from {features} features to {outputs} outputs, got one to the shape "
            f"{shape[1:]} of an example; end it in Dense(outputs)"
        )
    return sized


def with_outputs(net: Layer, outputs: int) -> Layer | None:
    """The network whose last layer, a Dense, has so many outputs; None where it ends in something else."""
    if isinstance(net, layers.Dense):
        return replace(net, features=outputs)
    if isinstance(net, layers.Chain) and net.layers:
        last = with_outputs(net.layers[-1], outputs)
        return None if last is None else layers.Chain(*net.layers[:-1], last)
    return None


def optimizer_of(optimizer: str | Optimizer, learning_rate: float | Schedule | None) -> Optimizer:
    """The optimizer, with its own learning rate where none is given.

    >>> optimizer_of("adam", 0.01).learning_rate
    0.01
    """
    found = named("optimizer", optimizer, OPTIMIZERS, Optimizer)
    if learning_rate is None:
        return found
    if not isinstance(learning_rate, Schedule) and not (isinstance(learning_rate, Real) and learning_rate > 0):
        raise SettingError(f"learning_rate: expected a number above 0 or a Schedule, got {learning_rate!r}")
    return replace(found, learning_rate=learning_rate)


def loss_of(loss: str | Loss) -> Loss:
    """The loss of a regression.

    Raises:
        SettingError: an unknown loss, or one of a classifier.
    """
    found = named("loss", loss, LOSSES, Loss)
    if found.task != "regression":
        raise SettingError(f"loss: expected the loss of a regression, got {loss!r}; use DeltaruleClassifier")
    return found
