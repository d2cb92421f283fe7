"""An agent as one safetensors file: its parameters, and in JSON what it plays and by which rules it learned."""

import os
from typing import TYPE_CHECKING, Any, Literal

import jax
import numpy as np

from deltarule import __version__
from deltarule.description import from_json, to_json
from deltarule.dqn.agent_state import Target
from deltarule.dqn.exploration import AtLeast
from deltarule.dqn.game import Game
from deltarule.dqn.rules import Rules
from deltarule.errors import DeltaruleError, FileError, SettingError
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


def tree_of(params: Any, memory: Any, target: Target) -> dict[str, Any]:
    """The arrays that are kept of an agent, by the first word of their names."""
    return {"params": params, "memory": memory, "target": target.params, "target_memory": target.memory}


def save(agent: "DQN", path: str | os.PathLike[str]) -> None:
    """Writes the parameters that the agent keeps; raises FileError, or SettingError where it was not trained."""
    agent.trained()
    assert agent.best is not None
    measured, steps, kept = agent.best
    leaves = jax.tree_util.tree_flatten_with_path(tree_of(*kept))[0]
    arrays = {array_name(key): np.asarray(leaf) for key, leaf in leaves}
    header = {
        **described(agent),
        "measured": measured,
        "steps": steps,
        "history": agent.history.rows,
        "versions": {"deltarule": __version__, "jax": jax.__version__, "numpy": np.__version__},
    }
    write_model(path, arrays, header, FORMAT)


def load_agent(
    path: str | os.PathLike[str],
    environment: Any = None,
    own: dict[str, type] | None = None,
    *,
    replay: Literal["device", "file"] = "device",
    replay_folder: str | os.PathLike[str] | None = None,
) -> "DQN":
    """The agent in a file that `DQN.save` wrote.

    It plays without a replay memory; `fit` makes one, and goes on from an empty one and with a new optimizer.

    Args:
        environment: as `DQN` takes it, where it is not the one that is known by the name in the file. Its episodes
            may be cut off after another number of steps.
        own: your own layers or losses by class name, if the agent uses any.
        replay, replay_folder: where `fit` keeps the replay memory, as `DQN` takes them.

    Raises:
        FileError: no such file, or one that is truncated, altered, foreign or of unknown classes.
        SettingError: its environment is not installed, or is another one than the agent learned.
    """
    from deltarule.dqn.agent import DQN

    arrays, header = read_model(path, FORMAT)
    try:
        net, loss, optimizer, rules = (
            from_json(header[name], OWN | (own or {})) for name in ("net", "loss", "optimizer", "rules")
        )
        settings = {name: header[name] for name in ("clip_norm", "seed")}
        given = {name: getattr(rules, name) for name in vars(rules)}
        learned = Game(**header["game"] | {"observation": tuple(header["game"]["observation"])})
        agent = DQN(
            environment if environment is not None else header["environment"],
            net, optimizer, loss, path="auto" if replay == "file" else header["path"],
            replay=replay, replay_folder=replay_folder, **settings, **given,
        )  # fmt: skip
        require_same(path, learned, agent.game, named=environment is None)
        kept = arrays_of(path, agent, arrays)
        agent.best = (header["measured"], header["steps"], kept)
        agent.history = History(header["history"])
        agent.agent = agent.restored(agent.best)
    except DeltaruleError:
        raise
    except (LookupError, TypeError, AttributeError, ValueError) as error:
        raise FileError(f"{path}: the agent in it cannot be put together: {error}") from None
    return agent


def require_same(path: Any, learned: Game, found: Game, named: bool) -> None:
    """Raises SettingError where an environment is not like the one that an agent learned.

    What is not known of one of them is no difference, and neither is another limit unless the environment is only
    `named`: whoever gives one may cut off its episodes elsewhere.
    """
    words = {"observation": "observation", "kind": "kind", "actions": "actions", "values": "number of states"}
    words |= {"limit": "limit"} if named else {}
    pairs = [(word, getattr(learned, name), getattr(found, name)) for name, word in words.items()]
    other = [
        f"{word} {there} there, {here} here"
        for word, there, here in pairs
        if there != here and None not in (there, here)
    ]
    if other:
        raise SettingError(
            f"{path}: expected the environment that the agent learned, {learned.name}, got {found.name}, which is "
            f"another: {'; '.join(other)}; give that one, load_agent(..., environment=...)"
        )


def arrays_of(path: Any, agent: "DQN", arrays: dict[str, np.ndarray]) -> tuple[Any, Any, Target]:
    """(params, memory, target) of an agent; raises FileError for an array that its network cannot take."""
    new = agent.bare()
    tree = tree_of(new.state.params, new.state.memory, new.target)
    leaves, structure = jax.tree_util.tree_flatten_with_path(tree)
    for key, leaf in leaves:
        name, expected = array_name(key), np.asarray(leaf)
        found = arrays[name]
        if (found.shape, found.dtype) != (expected.shape, expected.dtype):
            raise FileError(
                f"{path}: expected {expected.dtype} {expected.shape} for the array {name}, as the network in the "
                f"file has it, got {found.dtype} {found.shape}; the file was put together wrongly"
            )
    found = jax.tree.unflatten(structure, [arrays[array_name(key)] for key, _ in leaves])
    return found["params"], found["memory"], Target(found["target"], found["target_memory"])
