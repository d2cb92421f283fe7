"""Where a run stands: all that it takes to go on, and all that a checkpoint holds."""

import json
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh

from deltarule.errors import FileError
from deltarule.layers.layer import Params
from deltarule.training.devices import placed
from deltarule.training.history import ALL, History, Row
from deltarule.training.place import Place
from deltarule.training.state_file import fold
from deltarule.training.step import State


@dataclass
class Standing:
    """Where a run stands.

    Attributes:
        restore: whether the best state is to be restored.
        state: after the last finished epoch.
        best: the state of the best epoch, `best_loss` its loss.
        inside: the state and the place in the epoch that goes on; None before its first segment is done.
        seconds: how long the run has taken before it was begun again.
        finished: whether it ended.
    """

    restore: bool
    history: History
    state: State
    best: State
    best_loss: float = float("inf")
    inside: tuple[State, Place] | None = None
    seconds: float = 0.0
    finished: bool = False

    @property
    def notes(self) -> list[str]:
        """Sentences about its checkpoints."""
        return self.history.notes

    @property
    def good(self) -> bool:
        """Whether every parameter is a number."""
        return finite((self.inside[0] if self.inside else self.state).params)

    def epochs(self, most: int) -> range:
        """The epochs that are still to come, of `most` in all."""
        if self.finished and self.history.ended != ALL:
            return range(0)
        to_come = range(len(self.history.rows) + 1, most + 1)
        self.finished = self.finished and not to_come
        return to_come

    def place(self, mesh: Mesh | None) -> None:
        """Its arrays lie on every device."""
        self.state, self.best, self.inside = placed((self.state, self.best, self.inside), mesh)

    def close_epoch(self, state: State, row: Row) -> None:
        """An epoch is finished, with this state after it and this row of figures."""
        self.state, self.inside, history = state, None, self.history
        history.rows.append(row)
        history.state = state
        watched = row.get("validation_loss", row["loss"])
        if np.isnan(watched):  # the worst there is
            watched = float("inf")
        if watched < self.best_loss or not history.best_epoch:
            self.best, self.best_loss, history.best_epoch = state, watched, row["epoch"]

    def tree(self) -> dict[str, Any]:
        """Its arrays: the states, the best one where it is to be restored, and the rows, as JSON in bytes."""
        rows = np.frombuffer(json.dumps(self.history.rows).encode(), np.uint8)  # a header has a largest size
        best = self.best if self.restore else None
        return {"state": self.state, "inside": self.inside, "best": best, "rows": rows}

    def header(self) -> dict[str, Any]:
        """All else, as plain JSON."""
        history = self.history
        return {
            "best_epoch": history.best_epoch,
            "ended": history.ended,
            "notes": history.notes,
            "best_loss": self.best_loss,
            "seconds": self.seconds,
            "finished": self.finished,
        }

    def adopt(self, arrays: dict[str, np.ndarray], header: dict[str, Any]) -> None:
        """Stands where a checkpoint does.

        Raises:
            FileError: arrays of other shapes than those of the state that it has.
            LookupError, TypeError, AttributeError, ValueError: no such checkpoint.
        """
        tree, history = fold(header["tree"], arrays), self.history
        state, best = jax.device_put((tree["state"], tree["best"]))
        if shapes(state) != shapes(self.state):
            raise FileError(f"its arrays are not those of this version, but of {header['versions']}")
        if tree["inside"] is not None:
            inside, place = tree["inside"]
            self.inside = jax.device_put(inside), place
        self.state, self.best = state, state if best is None else best
        history.rows[:] = json.loads(tree["rows"].tobytes())
        history.best_epoch, history.ended = header["best_epoch"], header["ended"]
        history.notes[:0] = header["notes"]
        history.state = state if history.rows else None
        self.best_loss, self.seconds, self.finished = header["best_loss"], header["seconds"], header["finished"]


def finite(params: Params) -> bool:
    """Whether every parameter is a number."""
    return all(np.isfinite(leaf).all() for leaf in jax.device_get(jax.tree.leaves(params)))


def shapes(tree: Any) -> Any:
    """The structure of a tree, and the shape and type of each of its arrays."""
    leaves, structure = jax.tree.flatten(tree)
    return structure, [(leaf.shape, leaf.dtype) for leaf in leaves]
