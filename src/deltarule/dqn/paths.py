"""The two ways to play: one compiled loop, or a loop on the host that learns in one program a block.

Either holds m agents, and gives what they told with an axis m in front.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from deltarule.dqn.agent_state import EVALUATE, Agent, keys
from deltarule.dqn.environments.environment import Environment
from deltarule.dqn.environments.games import Games, Make
from deltarule.dqn.game import Game
from deltarule.dqn.greedy import Played, play, play_on_host
from deltarule.dqn.host_loop import HostLoop
from deltarule.dqn.loop import Block, blocks
from deltarule.dqn.rules import Rules
from deltarule.training.devices import answer_at_once
from deltarule.training.epoch import compiler_options
from deltarule.training.step import Step

AT_ONCE = 16  # of Gymnasium's environments, in which the greedy policy is measured


class CompiledPath:
    """Agents in an environment in JAX. On a CPU each core takes its share of them, one after the other.

    Args:
        room: blocks of a call at most.
    """

    name = "compiled"

    def __init__(self, step: Step, rules: Rules, environment: Environment, room: int):
        self.step, self.rules, self.environment, self.room = step, rules, environment, room
        self.agents: Any = None
        self.count = 0

    def begin(self, agents: Sequence[Agent]) -> None:
        """Puts the agents on the devices, each device having as many as the others."""
        self.count = len(agents)
        self.mesh = Mesh(np.array(jax.local_devices()[: self.count]), ("m",))
        filling = -self.count % self.mesh.size
        stacked = jax.tree.map(lambda *leaves: np.stack(leaves), *agents, *[agents[-1]] * filling)
        self.agents = jax.device_put(stacked, NamedSharding(self.mesh, PartitionSpec("m")))
        step, rules = self.step.structure(), self.rules.structure()
        self.program = agents_program(step, rules, self.environment, self.room, self.mesh)

    def blocks(self, count: int) -> Block:
        """What `count` blocks told, (m, count)."""
        self.agents, told = self.program(self.agents, np.int32(count))
        return jax.tree.map(lambda a: np.asarray(a)[: self.count, :count], told)

    def evaluate(self, episodes: int, number: int) -> Played:
        """Episodes of the greedy policies, (m, episodes)."""
        light = self.agents._replace(replay=None, priorities=None, play=None)
        program = played_program(
            self.step.structure(), self.rules.structure(), self.environment, episodes, self.mesh
        )
        return jax.tree.map(lambda a: np.asarray(a)[: self.count], program(light, np.int32(number)))

    def members(self) -> list[Agent]:
        """The agents, on the host."""
        host = jax.device_get(self.agents)
        return [jax.tree.map(lambda a, m=m: a[m], host) for m in range(self.count)]

    def params(self) -> list[Any]:
        """Each agent's (params, memory of the network, target), on the host."""
        host = jax.device_get((self.agents.state.params, self.agents.state.memory, self.agents.target))
        return [jax.tree.map(lambda a, m=m: a[m], host) for m in range(self.count)]

    @property
    def is_whole(self) -> bool:
        """Whether there are agents to be had; a call that failed half-way leaves none."""
        return self.agents is not None and not jax.tree.leaves(self.agents)[0].is_deleted()

    def close(self) -> None:
        """Nothing is held."""


def over_agents(mesh: Mesh, one: Callable) -> Callable:
    """`one(agent, number)` of agents (m, ...) and a number: alone as it is, on a CPU one after the other."""

    def share(agents: Any, number: jax.Array):
        if mesh.size == 1 and len(jax.tree.leaves(agents)[0]) == 1:
            alone = one(jax.tree.map(lambda a: a[0], agents), number)
            return jax.tree.map(lambda a: a[None], alone)
        mapped = functools.partial(jax.lax.map, lambda agent: one(agent, number))
        if mesh.devices.flat[0].platform != "cpu":
            mapped = jax.vmap(lambda agent: one(agent, number))
        return mapped(agents)

    specs = PartitionSpec("m"), PartitionSpec()
    if mesh.size == 1:
        return share
    return jax.shard_map(share, mesh=mesh, in_specs=specs, out_specs=PartitionSpec("m"), check_vma=False)


@functools.lru_cache(maxsize=64)
def agents_program(step: Step, rules: Rules, environment: Environment, room: int, mesh: Mesh) -> Callable:
    """The compiled `(agents, count) -> (agents, told)`."""

    def one(agent: Agent, count: jax.Array) -> tuple[Agent, Block]:
        return blocks(step, rules, environment, room, agent, count)

    return jax.jit(over_agents(mesh, one), donate_argnums=0, compiler_options=compiler_options())


@functools.lru_cache(maxsize=64)
def played_program(step: Step, rules: Rules, environment: Environment, episodes: int, mesh: Mesh) -> Callable:
    """The compiled `(agents, number) -> played`, of agents without their replay."""

    def one(agent: Agent, number: jax.Array) -> Played:
        return play(step, rules, environment, episodes, agent, keys(agent.state, EVALUATE, number))

    return jax.jit(over_agents(mesh, one), compiler_options=compiler_options())


class HostPath:
    """Agents in Gymnasium's environments, each with its own, one agent after the other."""

    name = "gymnasium"

    def __init__(self, step: Step, rules: Rules, title: str, make: Make, vector: str):
        answer_at_once()
        self.step, self.rules, self.title, self.make, self.vector = step, rules, title, make, vector
        self.loops: list[HostLoop] = []
        self.still: list[Agent] = []  # those that are measured alone
        self.opened: list[Games] = []
        self.measured: list[Games] = []
        self.seeds: list[int] = []

    @functools.cached_property
    def game(self) -> Game:
        """What the environment is like, by one that is closed again."""
        games = Games(self.title, self.make, 1, self.vector)
        games.close()
        return games.game

    def begin(self, agents: Sequence[Agent]) -> None:
        """Each agent at games of its own; those without a replay are for measuring, and play none of these."""
        self.seeds = [seed_of(agent) for agent in agents]
        if agents[0].replay is None:
            self.still = list(agents)
            return
        for _ in agents:
            self.opened.append(Games(self.title, self.make, self.rules.environments, self.vector))
        self.loops = [
            HostLoop(self.step, self.rules, games, seed, agent)
            for games, seed, agent in zip(self.opened, self.seeds, agents, strict=True)
        ]

    def blocks(self, count: int) -> Block:
        """What `count` blocks told, (m, count)."""
        told = [
            jax.tree.map(
                lambda *leaves: np.array([*map(np.asarray, leaves)]), *[loop.block() for _ in range(count)]
            )
            for loop in self.loops
        ]
        return jax.tree.map(lambda *leaves: np.stack(leaves), *told)

    @property
    def agents(self) -> list[Agent]:
        """The agents, until they go on."""
        return self.still or [loop.agent for loop in self.loops]

    def evaluate(self, episodes: int, number: int) -> Played:
        """Episodes of the greedy policies, (m, episodes)."""
        while len(self.measured) < min(episodes, AT_ONCE):
            self.measured.append(Games(self.title, getattr(self.make, "measured", self.make)))
        played = [
            play_on_host(self.step, self.rules, self.measured, episodes, agent, seed + 1_000_003 * (number + 1))
            for agent, seed in zip(self.agents, self.seeds, strict=True)
        ]
        return Played(*(np.stack(parts) for parts in zip(*played, strict=True)))

    def members(self) -> list[Agent]:
        """The agents, on the host."""
        return jax.device_get(self.agents)

    def params(self) -> list[Any]:
        """Each agent's (params, memory of the network, target), on the host."""
        return [jax.device_get((agent.state.params, agent.state.memory, agent.target)) for agent in self.agents]

    @property
    def is_whole(self) -> bool:
        """Whether there are agents to be had; a block that failed while it learned leaves none."""
        return bool(self.loops) and not any(
            array.is_deleted() for loop in self.loops for array in jax.tree.leaves(loop.packed)
        )

    def close(self) -> None:
        """Ends the environments."""
        for games in [*self.opened, *self.measured]:
            games.close()


def seed_of(agent: Agent) -> int:
    """The seed of an agent, for what is drawn on the host."""
    high, low = np.asarray(agent.state.key, np.uint64)
    return int(high << np.uint64(32) | low) % 2**31
