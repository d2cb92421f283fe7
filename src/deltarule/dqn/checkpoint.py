"""Checkpoints of a run of agents: all of it, the replay memory too, in one file that is whole or not there."""

import contextlib
import json
import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from deltarule import model_file
from deltarule.dqn.agent_file import described
from deltarule.dqn.agent_state import Agent
from deltarule.dqn.paths import CompiledPath, HostPath
from deltarule.dqn.run import Plan, Standing
from deltarule.errors import FileError
from deltarule.files import lock, make_folder
from deltarule.training.checkpoint import NAME, Kept, number_of, remove
from deltarule.training.identity import differences
from deltarule.training.signals import Interrupted, Signals

if TYPE_CHECKING:
    from deltarule.dqn.agent import DQN

FORMAT = "deltarule dqn checkpoint 1"
EVERY, TIMES, KEPT = 60.0, 20, 2  # seconds; what writing one took; files


class Keeper(Kept):
    """Finds, writes and heeds: the checkpoints of one run, and the signals that end it.

    Raises:
        FileError: the folder cannot be used, or another process writes there.
    """

    def __init__(self, folder: str | os.PathLike[str], agents: Sequence["DQN"], plan: Plan, at: Standing):
        self.folder, self.at = make_folder(folder), at
        self.held = lock(self.folder)
        remove(self.folder.glob(f".{NAME}*"))
        described_all = [described(agent) for agent in agents]
        of_plan = {name: getattr(plan, name) for name in ("every", "evaluate_every", "episodes", "keep")}
        self.identity = json.loads(json.dumps({"agents": described_all, "run": of_plan}))
        self.signals, self.written, self.took = Signals(), time.perf_counter(), 0.0

    def require_empty(self, begun: list[Agent]) -> list[Agent]:
        """The agents as they are; raises FileError where the folder has the checkpoints of a run."""
        if self.files:
            raise FileError(
                f"{self.folder}: holds the checkpoints of a run; resume goes on with it, and a new run needs a "
                "folder of its own"
            )
        return begun

    def find(self, begun: list[Agent]) -> list[Agent]:
        """The agents as the newest whole checkpoint has them; the run stands where it stood.

        Raises:
            FileError: the checkpoint is of another run, or none of those there is whole.
        """
        for path in self.files:
            try:
                arrays, header = model_file.read_model(path, FORMAT)
            except FileError as error:
                self.at.notes.append(f"{error}. It is passed over.")
                continue
            if other := differences(header["identity"], self.identity):
                raise FileError(f"{path}: the checkpoint is of another run, which cannot go on from here. {other}")
            return self.adopt(path, arrays, header, begun)
        if self.files:
            raise FileError(f"{self.folder}: none of its checkpoints is whole; delete them to train anew")
        self.at.notes.append(f"{self.folder}: there is no checkpoint yet; the run begins at its start.")
        return begun

    def adopt(self, path: Path, arrays: dict[str, Any], header: dict[str, Any], begun: list[Agent]) -> list[Agent]:
        """The agents in a checkpoint, in the structure of those that were begun."""
        at = self.at
        at.rows[:] = json.loads(arrays.pop("rows").tobytes())
        at.blocks, at.seconds, at.moves = header["blocks"], header["seconds"], header["moves"]
        kept = [best is not None for best in header["best"]]
        wanted = (begun, [self.best_of(agent) if has else None for agent, has in zip(begun, kept, strict=True)])
        leaves, structure = jax.tree_util.tree_flatten_with_path(wanted)
        try:
            found = [arrays[model_file.array_name(key)] for key, _ in leaves]
        except KeyError as error:
            raise FileError(f"{path}: the checkpoint cannot be put together: {error} is missing") from None
        agents, bests = jax.tree.unflatten(structure, found)
        at.best[:] = [
            (*numbers, best) if numbers is not None else None
            for numbers, best in zip(header["best"], bests, strict=True)
        ]
        return agents

    def best_of(self, agent: Agent) -> Any:
        return agent.state.params, agent.state.memory, agent.target

    def between(self, path: CompiledPath | HostPath) -> None:
        """Writes a checkpoint where it is time; raises Interrupted where a signal came, after it was written.

        It is time after a minute, or after 20 times as long as the last one took, if that is longer.
        """
        came = self.signals.came
        if came is None and time.perf_counter() - self.written < max(EVERY, TIMES * self.took):
            return
        self.write(path)
        if came is not None:
            self.stop(came)

    def stop(self, came: signal.Signals) -> None:
        raise Interrupted(came, f"fit(..., checkpoint={str(self.folder)!r}, resume=True) goes on with it")

    def after_failure(self, path: CompiledPath | HostPath) -> None:
        """Writes a checkpoint of the last block before an environment of Gymnasium's failed; the row that was
        begun is left out.

        Agents of which only some have come to that block are in no checkpoint, and neither are those of a compiled
        loop, which have learned already from what the environment gave.
        """
        if isinstance(path, CompiledPath) or not path.is_whole:
            return
        steps = {int(agent.steps) for agent in path.agents}
        if len(steps) == 1 and max(steps) > 0:
            self.at.blocks = max(steps) // path.rules.every
            try:
                self.write(path)
            except FileError as error:
                self.at.notes.append(f"{error}. The run's end is in no checkpoint.")

    def write(self, path: CompiledPath | HostPath) -> None:
        """Writes a checkpoint, and removes those that are older than the last but one; raises FileError."""
        at, start = self.at, time.perf_counter()
        tree = path.members(), [best[2] if best is not None else None for best in at.best]
        leaves, _ = jax.tree_util.tree_flatten_with_path(tree)
        arrays = {model_file.array_name(key): np.asarray(leaf) for key, leaf in leaves}
        arrays["rows"] = np.frombuffer(json.dumps(at.rows).encode(), np.uint8)
        header = {
            "identity": self.identity,
            "blocks": at.blocks,
            "seconds": at.seconds,
            "moves": at.moves,
            "best": [best and best[:2] for best in at.best],
        }
        files = self.files
        number = number_of(files[0]) + 1 if files else 1
        model_file.write_model(self.folder / f"{NAME}{number:06}.safetensors", arrays, header, FORMAT)
        with contextlib.suppress(OSError):
            remove(files[KEPT - 1 :])
        self.written = time.perf_counter()
        self.took = self.written - start
