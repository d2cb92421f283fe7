"""Episodes of the greedy policy, played to their ends: what they gave, and what Q had promised at their starts.

    promised:   max_a Q(x_0, a; θ⁻), and Double's Q(x_0, arg max_a Q(x_0, a; θ); θ⁻)
    came:       Σ_t γ^t r_t

The maximum of noisy values lies above the value of the maximum, so that what is promised is too much, and less so
with Double (van Hasselt, Guez and Silver 2016). Where a time limit cuts an episode off, what came lacks the rest.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from deltarule.dqn.agent_state import Agent
from deltarule.dqn.delta import best_action
from deltarule.dqn.environments.environment import Environment
from deltarule.dqn.environments.games import Games
from deltarule.dqn.learn import greedy_values
from deltarule.dqn.loop import look, values
from deltarule.dqn.replay import RUNS
from deltarule.dqn.rules import Rules
from deltarule.training.step import Step

LONGEST = 100_000  # steps of an episode that nothing cuts off


class Played(NamedTuple):
    """Episodes (n,): their rewards' sum, plain and discounted, their length, and what was promised."""

    gained: Any
    discounted: Any
    length: Any
    promised: Any
    double: Any


def play(step: Step, rules: Rules, environment: Environment, episodes: int, agent: Agent, key: Any) -> Played:
    """That many episodes of an environment in JAX, side by side."""
    reset, key = jax.random.split(key)
    worlds = jax.vmap(environment.reset)(jax.random.split(reset, episodes))
    x = jax.vmap(environment.observe)(worlds)
    start = fresh_play(step, rules, x)
    promised, double = promises(step, rules, agent, start)
    most, gamma = environment.limit or LONGEST, agent.numbers["gamma"]
    zeros = jnp.zeros(episodes)
    begun = 0, worlds, start, ~jnp.ones(episodes, bool), zeros, zeros, jnp.ones(episodes), zeros

    def goes_on(carried):
        t, over = carried[0], carried[3]
        return (t < most) & ~over.all()

    def once(carried):
        t, worlds, (seen, memory, fresh), over, gained, discounted, factor, length = carried
        q, memory = values(step, rules, agent.state, seen, memory, fresh)
        noise = jax.random.split(jax.random.fold_in(key, t), episodes)
        worlds, reward, terminal = jax.vmap(environment.step)(worlds, best_action(q), noise)
        reward = jnp.where(over, 0, reward)
        x, never = jax.vmap(environment.observe)(worlds), jnp.zeros(episodes, bool)
        following = look(seen, x, never, rules.stack), memory, never
        return (
            t + 1,
            worlds,
            following,
            over | terminal,
            gained + reward,
            discounted + factor * reward,
            gamma * factor,
            length + ~over,
        )

    _, _, _, _, gained, discounted, _, length = jax.lax.while_loop(goes_on, once, begun)
    return Played(gained, discounted, length, promised, double)


def fresh_play(step: Step, rules: Rules, x: jax.Array) -> tuple[jax.Array, Any, jax.Array]:
    """(seen, memory, fresh) at first observations x (n, ...)."""
    fresh = jnp.ones(len(x), bool)
    seen = look(jnp.zeros((*x.shape[:-1], x.shape[-1] * rules.stack), x.dtype), x, fresh, rules.stack)
    memory = step.net.memory((len(x), 1, *seen.shape[1:])) if rules.sequence else ()
    return seen, memory, fresh


def promises(step: Step, rules: Rules, agent: Agent, start: Any) -> tuple[jax.Array, jax.Array]:
    """(max_a Q, Double's Q) at the first observations, both by θ⁻."""
    q, _ = values(step, rules, agent.target, *start)
    choosing, _ = values(step, rules, agent.state, *start)
    return q.max(-1), greedy_values(q, choosing)


@lru_cache(maxsize=64)
def host_programs(step: Step, rules: Rules) -> tuple[Callable, Callable]:
    """(act, promise), compiled."""

    @jax.jit
    def act(agent: Agent, seen, memory, fresh):
        q, memory = values(step, rules, agent.state, seen, memory, fresh)
        return best_action(q), memory

    return act, jax.jit(lambda agent, start: promises(step, rules, agent, start))


def play_on_host(
    step: Step, rules: Rules, games: Sequence[Games], episodes: int, agent: Agent, seed: int, show: Any = None
) -> Played:
    """That many episodes of Gymnasium's, so many at a time as there are games; each game plays its share of them.

    Args:
        show: called with the game after each step, for pictures.
    """
    act, promise = host_programs(step.structure(), rules.structure())
    gamma, found = float(agent.numbers["gamma"]), []
    share = [episodes // len(games) + (number < episodes % len(games)) for number in range(len(games))]
    agent = jax.device_put(agent._replace(replay=None, priorities=None, play=None))  # type: ignore[arg-type]
    for turn in range(max(share)):
        live = [game for game, count in zip(games, share, strict=True) if count > turn]
        x = np.concatenate([game.reset(seed + 7919 * turn + 31 * i) for i, game in enumerate(live)])
        n = len(live)
        blank = np.zeros((*x.shape[:-1], x.shape[-1] * rules.stack), x.dtype)
        memory = step.net.memory((n, 1, *blank.shape[1:])) if rules.sequence else ()
        seen, fresh = np.asarray(look(blank, x, np.ones(n, bool), rules.stack)), np.ones(n, bool)
        promised, double = (np.asarray(part) for part in promise(agent, (seen, memory, fresh)))
        gained, discounted, factor, length = np.zeros(n), np.zeros(n), 1.0, np.zeros(n, int)
        over = np.zeros(n, bool)
        while not over.all() and length.max() < LONGEST:
            action, memory = act(agent, seen, memory, fresh)
            action, x = np.asarray(action), x.copy()
            for i in np.flatnonzero(~over):
                x[i], reward, ends = live[i].step(action[i : i + 1])
                live[i].require_finite(np.float32(reward), x[i])
                gained[i], length[i], over[i] = gained[i] + reward, length[i] + 1, ends != RUNS
                discounted[i] += factor * reward
                if show is not None:
                    show(live[i])
            factor, fresh = factor * gamma, np.zeros(n, bool)
            seen = np.asarray(look(seen, x, fresh, rules.stack)) if rules.stack > 1 else x
        found.append(Played(gained, discounted, length, promised, double))
    return Played(*(np.concatenate(parts) for parts in zip(*found, strict=True)))
