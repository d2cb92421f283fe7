"""A replay memory larger than memory: the observations in a file, and all else of it on the device.

In the ring on the device each observation is its number alone:

    on the device   number  a  r  ends      13 bytes a step, however large an observation is
    in the file     x                       row after row, as the ring has them

A draw gives transitions of numbers; the host reads those observations out of the memory-mapped file and sends them
to the device, where θ learns from them. Places are drawn, stacked and summed over n steps by the code and the
random numbers of a replay on the device, so that both learn the same.
"""

import mmap
import shutil
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import IO, Any

import jax
import jax.numpy as jnp
import numpy as np

from deltarule.data.memory import told
from deltarule.dqn.agent_state import Agent
from deltarule.dqn.environments.games import Make
from deltarule.dqn.game import Game
from deltarule.dqn.host_loop import NOTHING
from deltarule.dqn.learn import learn_uniform
from deltarule.dqn.packing import Arrays, Packed, Packing
from deltarule.dqn.paths import HostPath
from deltarule.dqn.replay import Replay, Rows, bytes_of, empty
from deltarule.dqn.rules import Rules
from deltarule.dqn.study import Studied, stored
from deltarule.dqn.transitions import Transitions, draw, transitions_at
from deltarule.errors import FileError, SettingError
from deltarule.files import lock, make_folder
from deltarule.training.epoch import compiler_options
from deltarule.training.step import Step


def numbered(rules: Rules) -> Replay:
    """The ring on the device, without rows: instead of observations their numbers."""
    return empty(rules.ring, rules.environments, (1,), "int32")


def file_bytes(rules: Rules, game: Game) -> int:
    """Bytes that the file takes, known before it is made."""
    one = bytes_of(1, 1, game.observation, game.kind) - bytes_of(1, 1, (0,), game.kind)
    return rules.ring * rules.environments * one


def require_uniform(rules: Rules) -> None:
    """Raises SettingError for rules by which a replay in a file cannot be drawn from."""
    if rules.prioritised or rules.sequence:
        wrong = "prioritised" if rules.prioritised else "sequence"
        raise SettingError(
            f'dqn: replay="file" draws single transitions, each as likely as any other; leave {wrong} out, or '
            "keep the replay on the device"
        )


def files_of(folder: Path, number: int) -> tuple[Path, Path]:
    """The files of an agent's observations, and of how far they were written."""
    return folder / f"observations-{number}.npy", folder / f"written-{number}.npy"


def remove_files(folder: Path, count: int) -> None:
    """Removes those of so many agents, where they are."""
    for number in range(count):
        for path in files_of(folder, number):
            path.unlink(missing_ok=True)


def require_disk(folder: Path, wanted: int, anew: Sequence[Path]) -> None:
    """Raises SettingError where files that are made anew would take more bytes than the disk has."""
    free = shutil.disk_usage(folder).free + sum(path.stat().st_size for path in anew if path.exists())
    if wanted > free:
        raise SettingError(
            f"dqn: the replay memory takes {told(wanted)}, and {told(free)} are free in {folder}; choose a "
            "smaller capacity, or another replay_folder"
        )


class Observations:
    """The observations of a ring in a .npy file (rows, environments, ...), and beside it how far it was written.

    Args:
        agent: the one whose observations they are. If it has any, the file is there and is gone on with.

    Raises:
        FileError: the file that there should be is missing, or it is another agent's.
    """

    def __init__(self, folder: Path, number: int, rules: Rules, game: Game, agent: Agent):
        shape = (rules.ring, rules.environments, *game.observation)
        (self.path, marks), self.environments = files_of(folder, number), rules.environments
        self.stack, goes_on = rules.stack, int(agent.replay.filled) > 0
        owner = np.asarray(agent.state.key, np.int64)
        self.x = mapped(self.path, shape, game.kind, goes_on)
        self.written = mapped(marks, (3,), "int64", goes_on)  # the owner's key, and steps
        if not goes_on:
            self.written[:] = (*owner, int(agent.steps))
        if (self.written[:2] != owner).any() or self.written[2] < int(agent.steps):
            raise FileError(
                f"{self.path}: these are not this agent's observations; it needs those that it has seen"
            )
        if hasattr(mmap, "MADV_RANDOM"):
            self.x.base.madvise(mmap.MADV_RANDOM)  # type: ignore[union-attr]  # what lies beside a draw is not read
        self.flat = np.asarray(self.x).reshape(-1, *game.observation)

    def lost(self, steps: int) -> int:
        """Rows that were written after so many steps, by a run that went further than this agent."""
        return (int(self.written[2]) - steps) // self.environments

    def write(self, head: int, x: np.ndarray, steps: int) -> None:
        """Writes rows x (r, e, ...) from `head` on; then so many steps have been made."""
        self.written[2] = max(self.written[2], steps)
        self.x[head : head + len(x)] = x

    def read(self, numbers: np.ndarray) -> np.ndarray:
        """The observations of these numbers (...), (..., *observation)."""
        return self.flat[numbers]


def mapped(path: Path, shape: tuple[int, ...], kind: str, goes_on: bool) -> np.memmap:
    """The array in a .npy file; made anew, of zeros, unless it goes on. Raises FileError."""
    try:
        if not goes_on:
            return np.lib.format.open_memmap(path, "w+", np.dtype(kind), shape)
        found = np.lib.format.open_memmap(path, "r+")
    except (OSError, ValueError) as error:
        raise FileError(
            f"{path}: the replay memory in it cannot be used ({error}); without it the agent cannot go on"
        ) from None
    if found.shape != shape or found.dtype != kind:
        raise FileError(
            f"{path}: expected {kind} {shape}, as this agent's replay is, got {found.dtype} {found.shape}"
        )
    return found


@lru_cache(maxsize=64)
def programs(step: Step, rules: Rules, packing: Packing) -> tuple[Callable, Callable]:
    """(store, learn), compiled: `(*packed, rows, drawn) -> (acting, moving, (head, steps), transitions)`, both of
    numbers for observations, and `(*packed, transitions) -> (acting, moving, studied)`."""

    def store(acting: Arrays, moving: Arrays, still: Arrays, rows: Rows, drawn: Any):
        agent = packing.unpack(Packed(acting, moving, still))
        head, e = agent.replay.head, rules.environments
        numbers = (head + jnp.arange(rules.rows))[:, None] * e + jnp.arange(e)  # (r, e)
        agent = stored(rules, agent, rows._replace(x=numbers[..., None].astype(jnp.int32)))
        batches = None
        if drawn is not None:
            places = draw(agent.replay, rules, drawn)
            batches = transitions_at(agent.replay, rules, agent.numbers["gamma"], *places)
        acting, moving, _ = packing.pack(agent)
        return acting, moving, (head, agent.steps), batches

    def learn(acting: Arrays, moving: Arrays, still: Arrays, batches: Transitions):
        agent = packing.unpack(Packed(acting, moving, still))
        batches = batches._replace(x=side_by_side(batches.x), after=side_by_side(batches.after))
        state, learned = learn_uniform(step, rules, agent.state, agent.target, batches)
        told = Studied(learned.loss.mean(), learned.q.mean(), jnp.int32(rules.gradient_steps))
        acting, moving, _ = packing.pack(agent._replace(state=state))
        return acting, moving, told

    options = compiler_options()
    return (
        jax.jit(store, donate_argnums=(0, 1), compiler_options=options),
        jax.jit(learn, donate_argnums=(0, 1), compiler_options=options),
    )


def side_by_side(x: jax.Array) -> jax.Array:
    """Observations (k, n, stack, ..., i) as the agent sees them, (k, n, ..., stack·i)."""
    x = jnp.moveaxis(x, 2, -2)  # (k, n, ..., stack, i)
    return x.reshape(*x.shape[:-2], -1)


class FromFile:
    """What a block does with its rows: they are written into the file, and θ learns from what is read there."""

    def __init__(self, step: Step, rules: Rules, packing: Packing, observations: Observations):
        self.store, self.learn = programs(step.structure(), rules.structure(), packing)
        self.observations = observations

    def __call__(self, packed: Packed, rows: Rows, drawn: Any, asked: Any) -> tuple[Packed, Studied, None]:
        acting, moving, found, batches = self.store(*packed, rows._replace(x=None), drawn)
        head, steps = jax.device_get(found)
        self.observations.write(int(head), np.asarray(rows.x), int(steps))
        studied = NOTHING
        if batches is not None:
            x, after = (self.observations.read(np.asarray(numbers)) for numbers in (batches.x, batches.after))
            batches = batches._replace(x=x, after=after)
            acting, moving, studied = self.learn(acting, moving, packed.still, batches)
        return Packed(acting, moving, packed.still), studied, None


class FilePath(HostPath):
    """Agents in Gymnasium's environments, whose replay is in a folder."""

    def __init__(self, step: Step, rules: Rules, title: str, make: Make, vector: str, folder: Path):
        super().__init__(step, rules, title, make, vector)
        self.folder = folder
        self.held: IO[bytes] | None = None

    def begin(self, agents: Sequence[Agent]) -> None:
        """Each agent at games of its own, and with a file of its own; those without a replay are for measuring."""
        files: list[Observations] = []
        if agents[0].replay is not None:
            self.held = lock(make_folder(self.folder))
            anew = [files_of(self.folder, m)[0] for m, agent in enumerate(agents) if not int(agent.replay.filled)]
            require_disk(self.folder, len(anew) * file_bytes(self.rules, self.game), anew)
            files = [
                Observations(self.folder, number, self.rules, self.game, agent)
                for number, agent in enumerate(agents)
            ]
            agents = [shortened(agent, file) for agent, file in zip(agents, files, strict=True)]
        super().begin(agents)
        for loop, file in zip(self.loops, files, strict=False):
            loop.learn = FromFile(self.step, self.rules, loop.packing, file)

    def close(self) -> None:
        """Ends the environments; the files stay, and a later fit goes on with them."""
        super().close()
        if self.held is not None:
            self.held.close()


def shortened(agent: Agent, file: Observations) -> Agent:
    """The agent without the rows that a run which went further has written over."""
    replay = agent.replay
    room = len(replay.rows.action) - int(replay.filled)
    written_over = max(0, file.lost(int(agent.steps)) - room)
    filled = max(0, int(replay.filled) - written_over)
    return agent._replace(replay=replay._replace(filled=np.int32(filled)))
