"""Many agents at once: seeds and settings in one program, and what came out, with its interval over seeds."""

import os
from pathlib import Path
from typing import Any

import numpy as np

from deltarule.displayed import Displayed
from deltarule.dqn.agent import DQN
from deltarule.dqn.fitting import evaluate, fit, require_room
from deltarule.dqn.returns import Summary, summary
from deltarule.errors import SettingError
from deltarule.populations.result import Row, table
from deltarule.populations.space import Configuration, Space, configurations
from deltarule.training.signals import Interrupted

EPISODES = 100  # by which an agent is measured in the end


class DQNPopulation:
    """Agents of one environment, for every combination of what is varied.

    Agents that differ in numbers alone train in one program, where their environment is in JAX; each other setting
    is a program more.

    Args:
        environment, settings: as those of `DQN`.
        space: what is varied, such as {"seed": range(5), "gamma": [0.98, 0.99]}.

    Raises:
        SettingError: as `DQN` does, nothing is varied, or the agents' replay memories together are too large.

    >>> population = DQNPopulation("CartPole-v1", {"seed": range(3), "double": [False, True]}, hidden=(8,))
    >>> len(population.agents)
    6
    """

    def __init__(self, environment: Any, space: Space, **settings: Any):
        self.configurations: list[Configuration] = configurations(space, None, 0)
        if both := set(space) & {"environment", *settings}:
            raise SettingError(f"dqn: {', '.join(sorted(both))} is both varied and given; leave one of them out")
        self.agents = [DQN(environment, **settings, **each) for each in self.configurations]
        require_room(self.agents)

    def fit(self, steps: int, *, checkpoint: str | os.PathLike[str] | None = None, **settings: Any) -> "Result":
        """Trains every agent as `DQN.fit` does, for so many steps each, and measures it by 100 greedy episodes.

        Where there are several programs, each has a folder of its own in that of the checkpoints.
        """
        groups = alike(self.agents)
        for number, agents in enumerate(groups, 1):
            folder = checkpoint
            if checkpoint is not None and len(groups) > 1:
                folder = Path(checkpoint) / f"program-{number}"
            try:
                fit(agents, steps, checkpoint=folder, **settings)
            except Interrupted as stopped:
                how = f"fit(..., checkpoint={str(checkpoint)!r}, resume=True) goes on with it"
                raise stopped.but(how) from None
        return Result(self.agents, self.configurations, groups)


class Result(Displayed):
    """What agents came to.

    Attributes:
        rows: an agent each: what was varied, and the mean `return` of its greedy policy over 100 episodes.
        programs: how many were compiled.
    """

    shown_by = "dqn.display.of_population"

    def __init__(self, agents: list[DQN], varied: list[Configuration], groups: list[list[DQN]]):
        self.agents, self.programs = agents, len(groups)
        played = [each for group in groups for each in zip(group, evaluate(group, EPISODES), strict=True)]
        gained = {id(agent): float(np.mean(outcome.gained)) for agent, outcome in played}
        self.rows: list[Row] = [
            {**configuration, "return": gained[id(agent)]}
            for configuration, agent in zip(varied, agents, strict=True)
        ]

    def ranking(self) -> list[Row]:
        """A row for each setting, the best first: mean, interquartile mean and 95 % interval over its seeds."""
        groups: dict[str, list[Row]] = {}
        for row in self.rows:
            groups.setdefault(repr(setting_of(row)), []).append(row)
        found = [
            {**setting_of(rows[0]), **self.summary(rows)._asdict(), "seeds": len(rows)} for rows in groups.values()
        ]
        return sorted(found, key=lambda row: -row["interquartile_mean"])

    def summary(self, rows: list[Row] | None = None) -> Summary:
        """The figures of these rows, by default of all."""
        return summary([row["return"] for row in (self.rows if rows is None else rows)])

    def best(self) -> DQN:
        """The agent whose greedy policy came to the highest return."""
        return self.agents[int(np.argmax([row["return"] for row in self.rows]))]

    def __repr__(self) -> str:
        return table(self.ranking(), f"{len(self.rows)} agents, programs: {self.programs}")


def setting_of(row: Row) -> Row:
    """What was varied, but for the seed."""
    return {name: value for name, value in row.items() if name not in ("seed", "return")}


def alike(agents: list[DQN]) -> list[list[DQN]]:
    """The agents in groups that differ in numbers alone, each a program."""
    groups: dict[Any, list[DQN]] = {}
    for agent in agents:
        structure = agent.step.structure(), agent.rules.structure()
        groups.setdefault((*structure, agent.path, agent.vector, agent.replay_folder), []).append(agent)
    return list(groups.values())
