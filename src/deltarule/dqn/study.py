"""What follows the acting, in either path: the rows go into the replay, θ⁻ moves if it is due, and θ learns."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from deltarule.dqn.agent_state import Agent, Target
from deltarule.dqn.learn import Learned, gradient_step, learn_uniform, targets
from deltarule.dqn.priorities import LEAST, draw_by_priority, opened, put
from deltarule.dqn.replay import Array, Rows, append
from deltarule.dqn.rules import Rules
from deltarule.dqn.sequences import learn_sequences, missed, sequence_step, sequences_at
from deltarule.dqn.transitions import draw, transitions_at
from deltarule.training.step import State, Step

Places = tuple[jax.Array, jax.Array]  # (row, environment) of each


class Studied(NamedTuple):
    """What learning tells: the means of the loss and of Q(X, A) over the gradient steps, and their number."""

    loss: Array
    q: Array
    steps: Array


def study(step: Step, rules: Rules, agent: Agent, rows: Rows, drawn: jax.Array) -> tuple[Agent, Studied]:
    """The agent after rows (r, e, ...) that it has acted, and what it learned by what was drawn for it."""
    before, agent = agent.steps, stored(rules, agent, rows)
    old, new, tau = agent.target, agent.theta, agent.numbers["tau"]
    due = is_due(rules, before, agent.steps)
    agent = agent._replace(target=jax.lax.cond(due, nearer, lambda old, new, tau: old, old, new, tau))

    def learns(agent: Agent):
        agent, told = learned(step, rules, agent, drawn)
        return agent.state, agent.priorities, Studied(*told, jnp.int32(rules.gradient_steps))

    def idle(agent: Agent):
        return agent.state, agent.priorities, Studied(jnp.float32(0), jnp.float32(0), jnp.int32(0))

    ready = is_ready(rules, agent.steps, agent.replay.filled)
    state, priorities, studied = jax.lax.cond(ready, learns, idle, agent)
    return agent._replace(state=state, priorities=priorities), studied


def stored(rules: Rules, agent: Agent, rows: Rows) -> Agent:
    """The agent with these rows in its replay."""
    replay = append(agent.replay, rows)
    priorities = agent.priorities
    if priorities is not None:
        priorities = opened(priorities, replay, rules)
    return agent._replace(replay=replay, priorities=priorities, steps=agent.steps + rules.every)


def is_due(rules: Rules, before: Any, steps: Any) -> Any:
    """Whether θ⁻ moves: whether the steps have come past a multiple of `target_every`."""
    return steps // rules.target_every > before // rules.target_every


def nearer(old: Target, new: Target, tau: Any) -> Target:
    """θ⁻ ← τ θ + (1 − τ) θ⁻, with the running statistics of θ, if there are any."""
    params = jax.tree.map(lambda old, new: old + tau * (new - old), old.params, new.params)
    return Target(params, new.memory)


def is_ready(rules: Rules, steps: Any, filled: Any) -> Any:
    """Whether there is enough in the replay to learn from it."""
    return (steps >= rules.warm_up) & (filled * rules.environments >= rules.needed)


def learned(step: Step, rules: Rules, agent: Agent, drawn: jax.Array) -> tuple[Agent, tuple[jax.Array, jax.Array]]:
    """The agent after the gradient steps of a block, and over them the means of the loss and of Q(X, A)."""
    learn = prioritised if rules.prioritised else sequences if rules.sequence else uniform
    state, priorities, told = learn(step, rules, agent, drawn)
    return agent._replace(state=state, priorities=priorities), (told.loss.mean(), told.q.mean())


def uniform(step: Step, rules: Rules, agent: Agent, drawn: jax.Array):
    """Every transition is as likely as any other; all batches are drawn at once."""
    places = draw(agent.replay, rules, drawn)
    batches = transitions_at(agent.replay, rules, agent.numbers["gamma"], *places)  # (k, n, ...)
    state, learned = learn_uniform(step, rules, agent.state, agent.target, batches)
    return state, agent.priorities, learned


def sequences(step: Step, rules: Rules, agent: Agent, drawn: jax.Array):
    """Sequences of steps, for a recurrent network."""
    state, learned = learn_sequences(step, rules, agent, drawn)
    return state, agent.priorities, learned


def prioritised(step: Step, rules: Rules, agent: Agent, drawn: jax.Array):
    """Transitions, or sequences, in proportion to what they missed when they were last learned from."""
    numbers, e = agent.numbers, rules.environments
    learn = from_sequences if rules.sequence else from_transitions
    grown = jnp.minimum(agent.steps / numbers["beta_steps"], 1.0)
    beta = numbers["beta"] + (1 - numbers["beta"]) * grown

    def one(carried, u):
        state, priorities = carried
        places, weight = draw_by_priority(priorities, u, beta, live)
        state, learned, error = learn(step, rules, agent, state, (places // e, places % e), weight)
        p = (error + LEAST) ** numbers["alpha"]
        priorities = put(priorities, places, jnp.where(weight > 0, p, 0.0))
        priorities = priorities._replace(most=jnp.maximum(priorities.most, p.max()))
        return (state, priorities), learned

    assert agent.priorities is not None
    live = (agent.priorities.p > 0).sum()  # which learning does not change
    start = agent.state, agent.priorities
    (state, priorities), learned = jax.lax.scan(one, start, drawn)
    return state, priorities, learned


def from_transitions(
    step: Step, rules: Rules, agent: Agent, state: State, places: Places, weight: jax.Array
) -> tuple[State, Learned, jax.Array]:
    """(state, learned, |error| (n,)) after a gradient step on the transitions at these places."""
    batch = transitions_at(agent.replay, rules, agent.numbers["gamma"], *places)
    y = targets(step, rules, state, agent.target, batch)
    state, learned = gradient_step(step, state, batch, y, weight)
    return state, learned, jnp.abs(learned.error)


def from_sequences(
    step: Step, rules: Rules, agent: Agent, state: State, places: Places, weight: jax.Array
) -> tuple[State, Learned, jax.Array]:
    """(state, learned, |error| (n,)) after a gradient step on the sequences that begin at these places."""
    batch, numbers = sequences_at(agent.replay, rules, *places), agent.numbers
    state, learned = sequence_step(step, rules, state, agent.target, numbers["gamma"], batch, weight[:, None])
    return state, learned, missed(rules, numbers["eta"], batch, learned.error)
