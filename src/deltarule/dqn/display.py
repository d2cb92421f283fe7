"""Agents and populations of them as HTML for a notebook."""

from dataclasses import fields
from typing import TYPE_CHECKING

from deltarule.inspect.display import framed, history_part, layers_table
from deltarule.inspect.html import Html, table, tag
from deltarule.inspect.stages import described

if TYPE_CHECKING:
    from deltarule.dqn.agent import DQN
    from deltarule.dqn.population import Result


def of_agent(agent: "DQN") -> Html:
    """An agent's environment, network and rules, and how its training went."""
    game, step = agent.game, agent.step
    seen = " × ".join(map(str, game.observation)) or "1"
    told = f"{agent.name}: {seen} observed, {game.actions} actions, path {agent.path}, seed {agent.seed}"
    settings = f"loss {described(step.loss)}, optimizer {step.optimizer}, {rules_line(agent)}"
    network = layers_table(agent.net)
    history = history_part(agent.history) if agent.history.rows else ""
    return framed(tag("p", told), network, tag("p", settings), history)


def rules_line(agent: "DQN") -> str:
    """The rules that are not their defaults, but for γ, which is always told."""
    plain = type(agent.rules)()
    names = [field.name for field in fields(plain)]
    given = {name: getattr(agent.rules, name) for name in names}
    told = {name: value for name, value in given.items() if name == "gamma" or value != getattr(plain, name)}
    return ", ".join(f"{name} {value}" for name, value in told.items())


def of_population(result: "Result") -> Html:
    """A row for each setting, the best first, with the interval over its seeds."""
    ranking = result.ranking()
    names = list(ranking[0])
    caption = f"{len(result.rows)} agents, returns of 100 greedy episodes each; programs: {result.programs}"
    body = [[place, *(row[name] for name in names)] for place, row in enumerate(ranking, 1)]
    return framed(table(caption, ["", *(name.replace("_", " ") for name in names)], body))
