"""All that an agent is between two steps: its network, its memory, its place in the game; arrays, so it maps."""

from typing import Any, NamedTuple

import jax
import numpy as np

from deltarule.dqn.environments.environment import Environment
from deltarule.dqn.priorities import Priorities, no_priorities
from deltarule.dqn.replay import Array, Replay, empty
from deltarule.dqn.rules import Rules
from deltarule.layers.layer import Memory, Params, Shape
from deltarule.training.step import State, Step


class Play(NamedTuple):
    """The games that are played side by side, (e, ...).

    Attributes:
        world: the environments' states, where they are written in JAX.
        seen: what the agent sees, the last observations together.
        ended: whether that is an episode's last observation; None where the games are Gymnasium's, which know it.
        length, gained: of the episode that goes on: its steps, its rewards' sum.
        memory: a recurrent network's state; `fresh` says where it starts anew.
    """

    world: Any
    seen: Array
    ended: Array
    length: Array
    gained: Array
    memory: Memory
    fresh: Array


class Target(NamedTuple):
    """θ⁻, and the running statistics that go with it; a recurrent network has none."""

    params: Params
    memory: Memory


class Agent(NamedTuple):
    """An agent in training; of a population every array has an axis of agents in front."""

    state: State
    target: Target
    replay: Replay
    priorities: Priorities | None
    numbers: dict[str, Any]  # those of the rules
    steps: Array
    play: Any  # Play, or None where the games are Gymnasium's

    @property
    def theta(self) -> Target:
        """θ and its statistics, as θ⁻ takes them over; of a recurrent network there are none."""
        return Target(self.state.params, self.target.memory and self.state.memory)


def keys(state: State, purpose: int, number: Any) -> jax.Array:
    """A random key of this agent, for a purpose and a number of it."""
    return jax.random.fold_in(jax.random.fold_in(jax.random.wrap_key_data(state.key), purpose), number)


ACT, LEARN, START, EVALUATE = range(2**20, 2**20 + 4)  # purposes; the network's own draws have small numbers


def seen_shape(rules: Rules, observation: Shape) -> Shape:
    """The shape of what the network sees of one observation."""
    return (*observation[:-1], observation[-1] * rules.stack) if rules.stack > 1 else observation


def batch_shape(rules: Rules, observation: Shape, n: int) -> Shape:
    """The shape of n observations as the network takes them; a recurrent one takes a sequence each."""
    return (n, *((1,) if rules.sequence else ()), *seen_shape(rules, observation))


def new_agent(
    step: Step, rules: Rules, observation: Shape, kind: str, seed: int, environment: Environment | None
) -> Agent:
    """An agent before its first step; with an environment in JAX it stands at the start of its games."""
    state = step.init(batch_shape(rules, observation, 1), seed)
    e = rules.environments
    play = None
    if environment is not None:
        worlds = jax.vmap(environment.reset)(jax.random.split(keys(state, START, 0), e))
        play = new_play(step, rules, jax.vmap(environment.observe)(worlds), worlds)
    return Agent(
        state=state,
        target=jax.tree.map(np.copy, Target(state.params, () if rules.sequence else state.memory)),
        replay=empty(rules.ring, e, observation, kind),
        priorities=no_priorities(rules) if rules.prioritised else None,
        numbers=rules.numbers(),
        steps=np.int32(0),
        play=play,
    )


def new_play(step: Step, rules: Rules, x: Any, world: Any) -> Play:
    """Games at their first observations x (e, ...)."""
    e = len(x)
    seen = np.concatenate([np.asarray(x)] * rules.stack, -1) if rules.stack > 1 else np.asarray(x)
    memory = step.net.memory(batch_shape(rules, x.shape[1:], e)) if rules.sequence else ()
    zeros = np.zeros(e, np.int32), np.zeros(e, np.float32)
    ended, fresh = np.zeros(e, bool), np.ones(e, bool)
    return Play(world, seen, ended, *zeros, memory, fresh)
