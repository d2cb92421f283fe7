"""The temporal difference's δ: a loss at the action that was taken, and nowhere else.

    ρ = Σ_n w_n ℓ(Q(X_n, A_n) − Y_n),   dQ_{n,a} = w_n ℓ′(Q(X_n, A_n) − Y_n) [a = A_n]

Y is a constant of the step: no derivative goes through it (Mnih et al. 2015, equation 2; a derivative through Y,
the "residual gradient" of Baird 1995, is another algorithm).
"""

import jax
import jax.numpy as jnp

from deltarule.losses.loss import Loss

UNROLLED = 32  # actions at most that are compared one after the other


def at_actions(q: jax.Array, action: jax.Array) -> jax.Array:
    """Q(X, A), (n,) of q (n, a) and actions (n,), or with a further axis of time in both."""
    return jnp.take_along_axis(q, action[..., None], -1)[..., 0]


def best_action(q: jax.Array) -> jax.Array:
    """arg max_a Q, (...) of q (..., a); the first of equals.

    Comparisons one after the other take half as long as XLA's arg max on a CPU: that carries indices through a
    reduction, which is not vectorised.

    >>> best_action(jnp.array([[1.0, 3.0, 3.0], [2.0, 1.0, 0.0]])).tolist()
    [1, 0]
    """
    if q.shape[-1] > UNROLLED:
        return jnp.argmax(q, -1).astype(jnp.int32)
    best, action = q[..., 0], jnp.zeros(q.shape[:-1], jnp.int32)
    for a in range(1, q.shape[-1]):
        better = q[..., a] > best
        best, action = jnp.where(better, q[..., a], best), jnp.where(better, a, action)
    return action


def delta(
    loss: Loss, q: jax.Array, action: jax.Array, target: jax.Array, weight: jax.Array
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """(value, dq, error): the loss, its δ (n, a), and Q(X, A) − Y (n,) of each example.

    >>> from deltarule.losses import SquaredError
    >>> q, action, target = jnp.array([[1.0, 2.0]]), jnp.array([1]), jnp.array([5.0])
    >>> value, dq, error = delta(SquaredError(), q, action, target, jnp.ones(1))
    >>> float(value), dq.tolist(), error.tolist()
    (9.0, [[0.0, -6.0]], [-3.0])
    """
    chosen = at_actions(q, action)  # (n,)
    value, dchosen = loss(chosen[..., None], target[..., None], weight)  # (), (n, 1)
    taken = jnp.arange(q.shape[-1]) == action[..., None]  # (n, a)
    return value, jnp.where(taken, dchosen, 0), chosen - target
