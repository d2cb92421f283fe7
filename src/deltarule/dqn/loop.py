"""The compiled loop: acting, environment, replay and learning as one program.

for each block:   r rows of acting → into the replay → θ⁻ if it is due → k gradient steps
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from deltarule.dqn.agent_state import Agent, Play, Target
from deltarule.dqn.draws import of_acting, of_learning
from deltarule.dqn.environments.environment import Environment
from deltarule.dqn.exploration import epsilon_greedy
from deltarule.dqn.input import as_input
from deltarule.dqn.replay import LAST, RUNS, TERMINAL, TRUNCATED, Array, Rows
from deltarule.dqn.rules import Rules
from deltarule.dqn.study import Studied, study
from deltarule.layers.layer import Context, Memory
from deltarule.training.step import State, Step

Drawn = tuple[Any, jax.Array]  # of acting, of learning


class Block(NamedTuple):
    """What a block tells.

    Attributes:
        episodes: how many ended in it; `gained` and `length` are sums over them.
        lasts: rows of last observations, in which no step was made.
    """

    episodes: Array
    gained: Array
    length: Array
    lasts: Array
    studied: Studied


def values(
    step: Step, rules: Rules, known: Target | State, seen: jax.Array, carried: Memory, fresh: jax.Array
) -> tuple[jax.Array, Memory]:
    """(Q (e, a), carried) of what is seen (e, ...), by θ⁻ or θ; a recurrent network moves on what it carries."""
    x = as_input(seen)
    if not rules.sequence:
        return step.net.predict(known.params, x, known.memory), carried
    q, carried = step.net.advance(known.params, x[:, None], Context(memory=carried, starts=fresh[:, None]))
    return q[:, 0], carried


def look(seen: Array, x: Array, fresh: Array, stack: int) -> Array:
    """What the agent sees once x (e, ...) has come: the last observations, or x alone at an episode's start."""
    if stack == 1:
        return x
    begins = fresh.reshape(-1, *[1] * (x.ndim - 1))
    return jnp.where(begins, jnp.concatenate([x] * stack, -1), jnp.concatenate([seen[..., x.shape[-1] :], x], -1))


def one_row(step: Step, rules: Rules, environment: Environment, state: State, play: Play, drawn: Any):
    """(play, (row, finished)) after a step in every environment, or the start of its next episode."""
    x = jax.vmap(environment.observe)(play.world)  # (e, ...)
    q, memory = values(step, rules, state, play.seen, play.memory, play.fresh)
    action = epsilon_greedy(q, drawn["explores"], drawn["action"])
    world, reward, terminal = jax.vmap(environment.step)(play.world, action, drawn["key"])
    length = play.length + 1
    cut = length >= environment.limit if environment.limit is not None else jnp.zeros_like(terminal)
    ends = jnp.where(terminal, TERMINAL, jnp.where(cut, TRUNCATED, RUNS))
    ends = jnp.where(play.ended, LAST, ends)
    reward = jnp.where(play.ended, 0, reward)
    over = (ends == TERMINAL) | (ends == TRUNCATED)
    gained = play.gained + reward
    length = jnp.where(play.ended, 0, length)

    def choose(fresh, moved):
        return jnp.where(play.ended.reshape(-1, *[1] * (moved.ndim - 1)), fresh, moved)

    world = jax.tree.map(choose, drawn["fresh"], world)
    seen = look(play.seen, jax.vmap(environment.observe)(world), play.ended, rules.stack)
    finished = over.sum(), jnp.where(over, gained, 0).sum(), jnp.where(over, length, 0).sum(), play.ended.sum()
    moved = Play(world, seen, over, length, jnp.where(over, 0, gained), memory, play.ended)
    return moved, (Rows(x, action, reward, ends), finished)


def draws(rules: Rules, environment: Environment, agent: Agent, count: int) -> Drawn:
    """What the next `count` blocks draw, (count, ...)."""
    begins = agent.steps + rules.every * jnp.arange(count)
    acting = jax.vmap(lambda at: of_acting(rules, environment, agent.state, agent.numbers, at))(begins)
    return acting, jax.vmap(lambda at: of_learning(rules, agent.state, at))(begins + rules.every)


def block(step: Step, rules: Rules, environment: Environment, agent: Agent, drawn: Drawn) -> tuple[Agent, Block]:
    """The agent after a block, and what it tells."""
    acting, learning = drawn

    def one(play: Play, drawn: Any):
        return one_row(step, rules, environment, agent.state, play, drawn)

    play, (rows, finished) = jax.lax.scan(one, agent.play, acting)
    agent, studied = study(step, rules, agent._replace(play=play), rows, learning)
    episodes, gained, length, lasts = jax.tree.map(jnp.sum, finished)
    return agent, Block(episodes, gained, length, lasts, studied)


def blocks(
    step: Step, rules: Rules, environment: Environment, room: int, agent: Agent, count: jax.Array
) -> tuple[Agent, Block]:
    """The agent after `count` blocks, and what each told, (room,); zeros behind the last."""
    drawn = draws(rules, environment, agent, room)

    def once(agent, number):
        return block(step, rules, environment, agent, jax.tree.map(lambda a: a[number], drawn))

    shapes = jax.eval_shape(lambda agent: once(agent, 0)[1], agent)
    told = jax.tree.map(lambda leaf: jnp.zeros((room, *leaf.shape), leaf.dtype), shapes)

    def one(number, carried):
        agent, told = carried
        agent, new = once(agent, number)
        return agent, jax.tree.map(lambda all_, each: all_.at[number].set(each), told, new)

    return jax.lax.fori_loop(0, count, one, (agent, told))
