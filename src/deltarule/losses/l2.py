"""L2 regularisation: cost + λ |θ|², whose gradient is 2 λ θ."""

from dataclasses import dataclass

import jax

from deltarule.settings import at_least_zero, parameter_names

NOT_WEIGHTS = ("b", "gamma", "beta")


@dataclass(frozen=True)
class L2:
    """λ times the sum of the squared weights, added to the loss.

    PyTorch's `weight_decay` is the factor of θ in the gradient, that is 2 λ. Decoupled decay, as in AdamW,
    is a third thing: it does not pass through the optimizer's scaling.

    Args:
        strength: λ ≥ 0.
        exclude: names of parameters that are left alone, or one name; by default biases and normalisation scales.

    Raises:
        SettingError: the strength is negative.

    >>> L2(0.5).gradient({"W": 3.0, "b": 3.0}, {"W": 1.0, "b": 1.0}, strength=0.5)
    {'W': 4.0, 'b': 1.0}
    """

    strength: float
    exclude: tuple[str, ...] = NOT_WEIGHTS

    def __post_init__(self):
        at_least_zero("L2", strength=self.strength)
        object.__setattr__(self, "exclude", parameter_names("L2", self.exclude))

    def gradient(self, params, dparams, strength):
        """dparams + 2 λ θ, on the weights."""
        return on_weights(lambda theta, d: d + 2 * strength * theta, params, dparams, self.exclude)


def on_weights(change, params, others, exclude: tuple[str, ...]):
    """`change(θ, other)` for every parameter whose name is not excluded, and `other` for the rest."""

    def one(path, theta, other):
        return other if path[-1].key in exclude else change(theta, other)

    return jax.tree_util.tree_map_with_path(one, params, others)
