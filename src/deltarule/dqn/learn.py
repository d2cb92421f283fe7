"""Learning: the target Y, δ at the action taken, backward, update; so many times for what was drawn.

Y_n = R_n + γ^m Q(X′_n, A*; θ⁻),   A* = arg max_a Q(X′_n, a; θ⁻), or with Double arg max_a Q(X′_n, a; θ)
θ ← θ − α ∂/∂θ Σ_n w_n ℓ(Q(X_n, A_n; θ) − Y_n)
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from deltarule.dqn.agent_state import Target
from deltarule.dqn.delta import at_actions, best_action, delta
from deltarule.dqn.input import as_input
from deltarule.dqn.rules import Rules
from deltarule.dqn.transitions import Transitions
from deltarule.training.step import State, Step


class Learned(NamedTuple):
    """What a gradient step tells: its loss, the mean of Q(X, A), and Q(X, A) − Y of each example."""

    loss: jax.Array
    q: jax.Array
    error: jax.Array


def greedy_values(q: jax.Array, choosing: jax.Array) -> jax.Array:
    """Q at the arg max of another Q: (n,)."""
    return at_actions(q, best_action(choosing))


def targets(step: Step, rules: Rules, state: State, target: Target, batch: Transitions) -> jax.Array:
    """Y (n,)."""
    after = as_input(batch.after)
    q = step.net.predict(target.params, after, target.memory)  # (n, a)
    if not rules.double:
        return batch.gain + batch.discount * q.max(-1)  # (n,)
    choosing = step.net.predict(state.params, after, state.memory)
    return batch.gain + batch.discount * greedy_values(q, choosing)


def gradient_step(
    step: Step, state: State, batch: Transitions, target: jax.Array, importance: Any = 1.0
) -> tuple[State, Learned]:
    """The state after a step towards Y, `target` (n,); by importances (n,) below 1 it is the shorter."""
    step, (share, _) = step.of(state), step.loss.shares(target, batch.weight)
    q, saved = step.net.forward(state.params, as_input(batch.x), step.context(state))  # (n, a)
    value, dq, error = delta(step.loss, q, batch.action, target, share * importance)
    _, dparams = step.net.backward(state.params, saved, dq)
    moved = step.update(state._replace(memory=step.net.remember(state.memory, saved)), dparams)
    return moved, Learned(value, jnp.vdot(share, target + error), error)


def learn_uniform(
    step: Step, rules: Rules, state: State, target: Target, batches: Transitions
) -> tuple[State, Learned]:
    """The state after a gradient step on each of the batches (k, n, ...).

    θ⁻ stands still meanwhile, so that without Double the targets of all batches are one product.
    """
    if not rules.double:
        flat = jax.tree.map(lambda a: a.reshape(-1, *a.shape[2:]), batches)
        y = targets(step, rules, state, target, flat).reshape(batches.gain.shape)  # (k, n)
    else:
        y = None

    def one(state: State, given: Any) -> tuple[State, Learned]:
        batch, y = given
        if y is None:
            y = targets(step, rules, state, target, batch)
        return gradient_step(step, state, batch, y)

    return jax.lax.scan(one, state, (batches, y))
