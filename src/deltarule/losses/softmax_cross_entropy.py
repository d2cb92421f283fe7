"""Softmax and cross-entropy in one, ℓ = −Σ_k t_k log p_k with p = softmax(y): δ = p − t."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from deltarule.errors import DataError, SettingError, ShapeError
from deltarule.layers.layer import Equations
from deltarule.losses.loss import Loss, mean_of, per_example, refuse_missing, refuse_non_finite
from deltarule.settings import below_one, is_number


@dataclass(frozen=True)
class SoftmaxCrossEntropy(Loss):
    """The loss of a classifier that ends in K logits; no Softmax layer before it.

    Targets are classes 0 ... K−1 (n,) or probabilities (n, K). Outputs with further axes (n, ..., K), one
    prediction a position, count the mean over an example's positions.

    Args:
        label_smoothing: s, the share of each target that is spread evenly: t = (1 − s) e(class) + s/K.
        class_weights: c, one factor a class, in their order or by their numbers, {0: 1.0, 1: 5.0}: t_k becomes
            c_k t_k, and for classes as targets the mean divides by Σ_n w_n c_class(n). All as in PyTorch.

    Raises:
        SettingError: smoothing outside [0, 1); a class weight that is negative or not finite, or a class without.

    >>> value, dy = SoftmaxCrossEntropy()(jnp.zeros((1, 2)), jnp.array([0]), jnp.ones(1))
    >>> round(float(value), 4), dy.tolist()
    (0.6931, [[-0.5, 0.5]])
    """

    label_smoothing: float = 0.0
    class_weights: tuple[float, ...] | Mapping[int, float] | None = None

    equations = Equations(
        forward=(r"P = \operatorname{softmax}(Y)", r"\rho = -\sum_n w_n \sum_k T_{nk} \log P_{nk}"),
        backward=(r"dY_n = w_n (P_n \sum_k T_{nk} - T_n)",),
        source="Bridle 1990; Szegedy et al. 2016 for the smoothing",
    )
    task = "classification"
    metric_name = "accuracy"

    def __post_init__(self):
        below_one("SoftmaxCrossEntropy", label_smoothing=self.label_smoothing)
        if self.class_weights is not None:
            object.__setattr__(self, "class_weights", weights_of(self.class_weights))

    def __call__(self, y, target, weight):
        w = per_example(weight, y) * y.shape[-1]  # (n, ..., 1)
        t = self.distribution(y, target)  # (n, ..., k)
        certain = target.ndim < y.ndim and self.class_weights is None
        mass = 1 if certain else t.sum(-1, keepdims=True)  # (n, ..., 1)
        z = y - y.max(-1, keepdims=True)  # (n, ..., k)
        log_p = z - jnp.log(jnp.exp(z).sum(-1, keepdims=True))  # (n, ..., k)
        value = mean_of(-(t * log_p).sum(-1), weight)
        return value, w * (jnp.exp(log_p) * mass - t)

    def distribution(self, y, target):
        """The target as a (smoothed, weighted) distribution over the K classes."""
        classes = y.shape[-1]
        if target.ndim < y.ndim:
            target = (target[..., None] == jnp.arange(classes)).astype(y.dtype)
        if self.label_smoothing:
            target = (1 - self.label_smoothing) * target + self.label_smoothing / classes
        if self.class_weights is not None:
            target = target * jnp.asarray(self.class_weights, y.dtype)
        return target

    def total(self, target, weight):
        if self.class_weights is None or not jnp.issubdtype(target.dtype, jnp.integer):
            return super().total(target, weight)
        c = jnp.asarray(self.class_weights, weight.dtype)[target]  # (n, ...)
        return (weight * c.reshape(*weight.shape, -1).mean(-1)).sum()

    def counts(self, target, weight):
        weighed = super().counts(target, weight)
        return weighed and (self.class_weights is None or float(self.total(target, weight)) > 0)

    def prepare(self, target, y):
        array, classes = np.asarray(target), y[-1]
        if self.class_weights is not None and len(self.class_weights) != classes:
            raise ShapeError(
                f"SoftmaxCrossEntropy: expected {classes} class weights, one an output, got "
                f"{len(self.class_weights)}"
            )
        if array.shape == tuple(y) and array.dtype.kind in "fiub":
            array = array.astype(np.float32)
            refuse_non_finite(array, "SoftmaxCrossEntropy")
            if array.min() < 0 or not np.allclose(array.sum(-1), 1, atol=1e-3):
                raise DataError(
                    "SoftmaxCrossEntropy: expected probabilities that are not negative and sum to 1, got "
                    f"{array.min():g} as the least and {array.sum(-1).max():g} as the largest sum"
                )
            return array
        if array.shape != tuple(y[:-1]):
            raise ShapeError(
                f"SoftmaxCrossEntropy: expected classes of shape {tuple(y[:-1])} or probabilities of shape "
                f"{tuple(y)}, got {array.shape}"
            )
        refuse_missing(array, "SoftmaxCrossEntropy")
        if array.dtype.kind not in "iub" and not (array.dtype.kind == "f" and (array == np.floor(array)).all()):
            raise DataError(
                f"SoftmaxCrossEntropy: expected whole numbers 0 to {classes - 1}, got {array.dtype}; "
                "give each class its number, or use SquaredError for a regression"
            )
        if array.size and (array.min() < 0 or array.max() >= classes):
            raise DataError(
                f"SoftmaxCrossEntropy: expected classes 0 to {classes - 1} for {classes} outputs, got "
                f"{array.min()} to {array.max()}; end the network in one output a class"
            )
        return array.astype(np.int32)

    def predict(self, y):
        return jax.nn.softmax(y, axis=-1)

    def outputs(self, prediction):
        return np.log(np.maximum(prediction, np.finfo(np.float32).tiny))

    def metric(self, y, target, weight):
        """The share of examples whose likeliest class is the target's, by weight."""
        actual = target if target.ndim < y.ndim else target.argmax(-1)
        right = (y.argmax(-1) == actual).astype(weight.dtype).reshape(*weight.shape, -1).mean(-1)  # (n,)
        return (weight * right).sum() / weight.sum()


def weights_of(given: Any) -> tuple[float, ...]:
    """Class weights in the order of their classes; raises SettingError for what is none."""
    example = "give one number for each class, as (1.0, 5.0) or {0: 1.0, 1: 5.0}"
    weights = given
    if isinstance(given, Mapping):
        missing = set(range(len(given))) - set(given)
        if missing:
            raise SettingError(
                f"SoftmaxCrossEntropy: class_weights of {len(given)} classes must be by their numbers, 0 to "
                f"{len(given) - 1}, got {list(given)}; a class that counts as it is has the weight 1"
            )
        weights = [given[number] for number in range(len(given))]
    weights = [] if isinstance(weights, str) or not hasattr(weights, "__iter__") else list(weights)
    weights = [weight.item() if getattr(weight, "shape", None) == () else weight for weight in weights]
    good = all(is_number(weight) and 0 <= weight < float("inf") for weight in weights)
    if not (good and any(weights)):
        raise SettingError(
            "SoftmaxCrossEntropy: class_weights must be finite numbers, none below 0 and one above, got "
            f"{given!r}; {example}"
        )
    return tuple(map(float, weights))
