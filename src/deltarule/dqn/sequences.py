"""Recurrent deep Q-learning: sequences from the replay, the state brought up to them and then a constant.

    burn-in   x_0 ... x_{b−1} → (H, C) by θ, and by θ⁻;   no derivative goes back through them
    learn     x_b ... x_{b+s−1}, each with its Y from θ⁻ over the same rows and n more

The state begins at zero where the burn-in does, and anew where an episode starts inside. The carried state is
memory, a constant of the step, so that δ stops at the burn-in by construction.

Source: Hausknecht and Stone 2015, Deep recurrent Q-learning; burn-in, and the priority of a sequence: Kapturowski
et al. 2019, Recurrent experience replay in distributed reinforcement learning, sections 2.3 and 3.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from deltarule.dqn.agent_state import Agent, Target
from deltarule.dqn.delta import delta
from deltarule.dqn.input import as_input
from deltarule.dqn.learn import Learned, greedy_values
from deltarule.dqn.replay import LAST, RUNS, TERMINAL, Replay
from deltarule.dqn.rules import Rules
from deltarule.dqn.transitions import draw, seen
from deltarule.layers.layer import Context, Memory, Params
from deltarule.training.step import State, Step


class Sequences(NamedTuple):
    """Sequences (n, t, ...), t = burn-in + sequence + n-step rows; `starts` is true at an episode's first row."""

    x: jax.Array
    action: jax.Array
    reward: jax.Array
    ends: jax.Array
    starts: jax.Array


def sequences_at(replay: Replay, rules: Rules, row: jax.Array, environment: jax.Array) -> Sequences:
    """The sequences that begin at these rows (n,)."""
    at = (row[:, None] + jnp.arange(rules.reach + 1)) % replay.capacity  # (n, t)
    environment = environment[:, None]
    action, reward, ends = (part[at, environment] for part in replay.rows[1:])
    starts = jnp.concatenate([jnp.ones_like(ends[:, :1], bool), ends[:, :-1] == LAST], 1)
    return Sequences(seen(replay, rules.stack, at, environment), action, reward, ends, starts)


def targets(
    rules: Rules, gamma: jax.Array, q: jax.Array, choosing: jax.Array, reward: jax.Array, ends: jax.Array
) -> jax.Array:
    """Y (n, s) of the first s steps, from θ⁻'s q (n, s + n_step, a) and the q that chooses."""
    s = q.shape[1] - rules.n_step
    best = greedy_values(q, choosing)  # (n, s + n_step)
    y, over = jnp.zeros_like(best[:, :s]), (ends != RUNS) if rules.time_limits_end else (ends == TERMINAL)
    goes_on, factor = jnp.ones_like(y, bool), jnp.ones_like(y)
    for k in range(rules.n_step):
        y = y + jnp.where(goes_on, factor * reward[:, k : k + s], 0)
        factor = jnp.where(goes_on, gamma * factor, factor)
        stops = (ends[:, k : k + s] != RUNS) | (k == rules.n_step - 1)
        rest = jnp.where(over[:, k : k + s], 0, factor * best[:, k + 1 : k + 1 + s])
        y = y + jnp.where(goes_on & stops, rest, 0)
        goes_on = goes_on & ~stops
    return y


def read(step: Step, params: Params, memory: Memory, x: jax.Array, starts: jax.Array) -> tuple[jax.Array, Memory]:
    """(Q (n, t, a), memory) of sequences that are read from this memory on."""
    return step.net.advance(params, x, Context(memory=memory, starts=starts))


def sequence_step(
    step: Step,
    rules: Rules,
    state: State,
    target: Target,
    gamma: jax.Array,
    batch: Sequences,
    importance: Any = 1.0,
) -> tuple[State, Learned]:
    """The state after a gradient step on these sequences; by importances (n, 1) below 1 it is the shorter."""
    b, s = rules.burn_in, rules.sequence or 1
    x, starts = as_input(batch.x), batch.starts
    memory = old = step.net.memory((len(x), b + s, *x.shape[2:]))
    if b:
        _, memory = read(step, state.params, memory, x[:, :b], starts[:, :b])
        _, old = read(step, target.params, old, x[:, :b], starts[:, :b])
    x, starts = x[:, b:], starts[:, b:]
    q, _ = read(step, target.params, old, x, starts)  # (n, s + n_step, a)
    choosing = read(step, state.params, memory, x, starts)[0] if rules.double else q
    y = targets(rules, gamma, q, choosing, batch.reward[:, b:], batch.ends[:, b:])  # (n, s)
    step, (share, _) = step.of(state), step.loss.shares(y, steps_of(rules, batch).astype(jnp.float32))
    context = Context(jax.random.wrap_key_data(state.key), memory, (state.step,), starts=starts[:, :s])
    q, saved = step.net.forward(state.params, x[:, :s], context)
    value, dq, error = delta(step.loss, q, batch.action[:, b : b + s], y, share * importance)
    _, dparams = step.net.backward(state.params, saved, dq)
    return step.update(state, dparams), Learned(value, jnp.vdot(share, y + error), error)


def steps_of(rules: Rules, batch: Sequences) -> jax.Array:
    """Which rows (n, s) behind the burn-in are steps, and no last observations."""
    return batch.ends[:, rules.burn_in : rules.burn_in + (rules.sequence or 1)] != LAST


def missed(rules: Rules, eta: jax.Array, batch: Sequences, error: jax.Array) -> jax.Array:
    """η max_t |error_t| + (1 − η) mean_t |error_t| over the steps of each sequence: (n,)."""
    there = steps_of(rules, batch)
    error = jnp.where(there, jnp.abs(error), 0)  # (n, s)
    return eta * error.max(-1) + (1 - eta) * error.sum(-1) / jnp.maximum(there.sum(-1), 1)


def learn_sequences(step: Step, rules: Rules, agent: Agent, words: jax.Array) -> tuple[State, Learned]:
    """The state after all gradient steps of a block, by words (k, 2, n)."""

    def one(state: State, words: jax.Array) -> tuple[State, Learned]:
        batch = sequences_at(agent.replay, rules, *draw(agent.replay, rules, words))
        return sequence_step(step, rules, state, agent.target, agent.numbers["gamma"], batch)

    return jax.lax.scan(one, agent.state, words)
