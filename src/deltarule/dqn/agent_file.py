"""An agent as one safetensors file: its parameters, and in JSON what it plays and by which rules it learned."""

import os
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from deltarule import __version__
from deltarule.description import from_json, to_json
from deltarule.dqn.exploration import AtLeast
from deltarule.dqn.rules import Rules
from deltarule.errors import DeltaruleError, FileError
from deltarule.model_file import array_name, read_model, write_model
from deltarule.training.history import History

if TYPE_CHECKING:
    from deltarule.dqn.agent import DQN

FORMAT = "deltarule dqn 1"
OWN: dict[str, type] = {"Rules": Rules, "AtLeast": AtLeast}


def described(agent: "DQN") -> dict[str, Any]:
    """What an agent's numbers follow from, as plain JSON."""
    step = agent.step
    return {
        "environment": agent.name,
        "path": agent.path,
        "game": agent.game._asdict(),
        "net": to_json(step.net),
        "loss": to_json(step.loss),
        "optimizer": to_json(step.optimizer),
        "clip_norm": step.clip_norm,
        "rules": to_json(agent.rules),
        "seed": agent.seed,
    }


def save(agent: "DQN", path: str | os.PathLike[str]) -> None:
    """Writes the parameters that the agent keeps; raises FileError, or SettingError where it was not trained."""
    agent.trained()
    assert agent.best is not None
    measured, steps, (params, memory, target) = agent.best
    tree = {"params": params, "memory": memory, "target": target}
    leaves = jax.tree_util.tree_flatten_with_path(tree)[0]
    arrays = {array_name(key): np.asarray(leaf) for key, leaf in leaves}
    header = {
        **described(agent),
        "measured": measured,
        "steps": steps,
        "history": agent.history.rows,
        "versions": {"deltarule": __version__, "jax": jax.__version__, "numpy": np.__version__},
    }
    write_model(path, arrays, header, FORMAT)


def load_agent(path: str | os.PathLike[str], environment: Any = None, own: dict[str, type] | None = None) -> "DQN":
    """The agent in a file that `DQN.save` wrote; `fit` goes on with it, from an empty replay and a new optimizer.

    Args:
        environment: as `DQN` takes it, where it is not one that is known by its name.
        own: your own layers or losses by class name, if the agent uses any.

    Raises:
        FileError: no such file, or one that is truncated, altered, foreign or of unknown classes.
        SettingError: its environment is not installed.
    """
    from deltarule.dqn.agent import DQN

    arrays, header = read_model(path, FORMAT)
    try:
        net, loss, optimizer, rules = (
            from_json(header[name], OWN | (own or {})) for name in ("net", "loss", "optimizer", "rules")
        )
        settings = {name: header[name] for name in ("clip_norm", "seed")}
        given = {name: getattr(rules, name) for name in vars(rules)}
        agent = DQN(
            environment if environment is not None else header["environment"],
            net, optimizer, loss, path=header["path"], **settings, **given,
        )  # fmt: skip
        fresh = agent.fresh()
        tree = {"params": fresh.state.params, "memory": fresh.state.memory, "target": fresh.target}
        leaves, structure = jax.tree_util.tree_flatten_with_path(tree)
        found = jax.tree.unflatten(structure, [arrays[array_name(key)] for key, _ in leaves])
    except DeltaruleError:
        raise
    except (LookupError, TypeError, AttributeError, ValueError) as error:
        raise FileError(f"{path}: the agent in it cannot be put together: {error}") from None
    params, memory, target = kept = found["params"], found["memory"], found["target"]
    state = fresh.state._replace(params=params, memory=memory)
    agent.agent = fresh._replace(state=state, target=target, steps=np.int32(header["steps"]))
    agent.best = (header["measured"], header["steps"], kept)
    agent.history = History(header["history"])
    return agent
