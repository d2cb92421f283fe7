"""Softmax and cross-entropy in one, ℓ = −Σ_k t_k log p_k with p = softmax(y): δ = p − t."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from deltarule.errors import DataError, SettingError, ShapeError
from deltarule.layers.layer import Equations
from deltarule.losses.loss import Loss, mean_of, per_example, refuse_non_finite


@dataclass(frozen=True)
class SoftmaxCrossEntropy(Loss):
    """The loss of a classifier that ends in K logits; no Softmax layer before it.

    Targets are classes 0 ... K−1 (n,) or probabilities (n, K). Outputs with further axes (n, ..., K), one
    prediction a position, count the mean over an example's positions.

    Args:
        label_smoothing: s, the share of each target that is spread evenly: t = (1 − s) e(class) + s/K.
        class_weights: c, one factor a class: t_k becomes c_k t_k, and for classes as targets the mean
            divides by Σ_n w_n c_class(n). All as in PyTorch.

    Raises:
        SettingError: smoothing outside [0, 1), or a class weight that is negative.

    >>> value, dy = SoftmaxCrossEntropy()(jnp.zeros((1, 2)), jnp.array([0]), jnp.ones(1))
    >>> round(float(value), 4), dy.tolist()
    (0.6931, [[-0.5, 0.5]])
    """

    label_smoothing: float = 0.0
    class_weights: tuple[float, ...] | None = None

    equations = Equations(
        forward=(r"P = \operatorname{softmax}(Y)", r"\rho = -\sum_n w_n \sum_k T_{nk} \log P_{nk}"),
        backward=(r"dY_n = w_n (P_n \sum_k T_{nk} - T_n)",),
        source="Bridle 1990; Szegedy et al. 2016 for the smoothing",
    )
    task = "classification"
    metric_name = "accuracy"

    def __post_init__(self):
        if not 0 <= self.label_smoothing < 1:
            raise SettingError(
                f"SoftmaxCrossEntropy: label_smoothing must be in [0, 1), got {self.label_smoothing}"
            )
        if self.class_weights is not None:
            object.__setattr__(self, "class_weights", tuple(map(float, self.class_weights)))
            if min(self.class_weights) < 0:
                raise SettingError(
                    f"SoftmaxCrossEntropy: class weights must not be negative: {self.class_weights}"
                )

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
