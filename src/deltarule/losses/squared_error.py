"""The squared error, ℓ = |y − t|² / K: the mean over the K outputs of an example."""

from dataclasses import dataclass

from deltarule.layers.layer import Equations
from deltarule.losses.loss import Loss, mean_of, per_example


@dataclass(frozen=True)
class SquaredError(Loss):
    """Σ_n w_n mean_k (y_nk − t_nk)²; δ = 2 w (y − t) / K.

    The mean over outputs is that of PyTorch, Keras and scikit-learn; theory often writes the sum. For one
    output they agree.

    >>> import jax.numpy as jnp
    >>> value, dy = SquaredError()(jnp.array([[3.0]]), jnp.array([[1.0]]), jnp.ones(1))
    >>> float(value), float(dy[0, 0])
    (4.0, 4.0)
    """

    equations = Equations(
        forward=(r"\rho = \sum_n w_n \tfrac1K \lVert T_n - Y_n \rVert^2",),
        backward=(r"dY_n = \tfrac2K w_n (Y_n - T_n)",),
    )

    def __call__(self, y, target, weight):
        w = per_example(weight, y)  # (n, 1)
        error = y - target  # (n, k)
        return mean_of(error * error, weight), 2 * w * error
