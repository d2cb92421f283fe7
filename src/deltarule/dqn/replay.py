"""The replay memory: what the agent saw and did, in a ring of rows, each observation kept once.

A row is one step of the loop in each of e environments: what was seen, what was done there, and what it gave. An
episode ends with a row of its own for its last observation, in which nothing is done:

    x     x_0  x_1  x_2  x_3  | x_0 ...
    a     a_0  a_1  a_2   ·
    r     r_1  r_2  r_3   ·
    ends   0    0   1|2   3         1: x_3 is terminal, 2: the episode was cut off there, 3: it is the last

so that x_{t+1} lies in the next row, whatever comes between, and a step that was cut off has the observation that
it led to. This is the order in which Gymnasium's vector environments give them (NEXT_STEP).
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from deltarule.data.memory import available_memory, told
from deltarule.errors import SettingError
from deltarule.layers.layer import Shape

Array = Any  # of JAX in a program, of NumPy on the host
RUNS, TERMINAL, TRUNCATED, LAST = np.arange(4, dtype=np.uint8)


class Rows(NamedTuple):
    """Rows (r, e, ...) in the order of time."""

    x: Array
    action: Array
    reward: Array
    ends: Array


class Replay(NamedTuple):
    """A ring of c rows; `head` is the next to be written, `filled` how many have been, c at most."""

    rows: Rows
    head: Array
    filled: Array

    @property
    def capacity(self) -> int:
        return self.rows.action.shape[0]


def empty_rows(count: int, environments: int, observation: Shape, kind: str) -> Rows:
    """Rows of zeros, on the host."""
    size = count, environments
    return Rows(
        np.zeros((*size, *observation), kind),
        np.zeros(size, np.int32),
        np.zeros(size, np.float32),
        np.zeros(size, np.uint8),
    )


def empty(capacity: int, environments: int, observation: Shape, kind: str) -> Replay:
    """A ring without rows, on the host."""
    return Replay(empty_rows(capacity, environments, observation, kind), np.int32(0), np.int32(0))


def bytes_of(capacity: int, environments: int, observation: Shape, kind: str) -> int:
    """How many bytes a ring takes, before it is made.

    >>> bytes_of(1_000_000, 1, (84, 84), "uint8")
    7065000000
    """
    row = int(np.prod(observation)) * np.dtype(kind).itemsize + 4 + 4 + 1
    return capacity * environments * row


def append(replay: Replay, rows: Rows) -> Replay:
    """The ring with rows written over the oldest; their number divides its capacity."""
    count, capacity = len(rows.action), replay.capacity
    written = jax.tree.map(
        lambda ring, new: jax.lax.dynamic_update_slice_in_dim(ring, new, replay.head, 0), replay.rows, rows
    )
    return Replay(written, (replay.head + count) % capacity, jnp.minimum(replay.filled + count, capacity))


def place(replay: Replay, age: jax.Array) -> jax.Array:
    """Where in the ring the row is that is `age` rows younger than the oldest."""
    return (replay.head - replay.filled + age) % replay.capacity


def require_memory(wanted: int) -> None:
    """Raises SettingError where rings would take more bytes than there are."""
    available = available_memory()
    if available is not None and wanted > available:
        raise SettingError(
            f"dqn: the replay memory takes {told(wanted)}, and {told(available)} are free; choose a smaller "
            "capacity, or a replay_folder, which keeps it on disk"
        )
