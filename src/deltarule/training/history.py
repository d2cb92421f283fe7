"""What happened in a run: a row of figures an epoch."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from deltarule.displayed import Displayed
from deltarule.errors import SettingError
from deltarule.training.devices import Placement
from deltarule.training.step import State

Row = dict[str, Any]
ALL = "all epochs"


@dataclass
class History(Displayed):
    """What happened: one row of figures an epoch, and why the run ended.

    In float16 a row has the scale after the epoch, and the number of steps skipped so far in the run; where
    something is watched it has the figures of each layer in row["watch"]. Notes are sentences about checkpoints
    that were damaged, or that could not be written.
    """

    shown_by = "inspect.display.of_history"

    rows: list[Row] = field(default_factory=list)
    best_epoch: int = 0
    ended: str = ALL
    placement: Placement | None = field(default=None, compare=False)  # what lay where
    state: State | None = field(default=None, repr=False, compare=False)  # after the last good epoch
    notes: list[str] = field(default_factory=list)

    def __getitem__(self, name: str) -> list[Any]:
        """One figure over the epochs, such as history["loss"]."""
        return [row[name] for row in self.rows]

    def watch(self, name: str) -> Any:
        """What was watched over the epochs: an array for each layer, or, of the network's noise, one array.

        NaN stands for a noise scale that could not be told.

        Raises:
            SettingError: nothing of this name was watched.
        """
        told = [row.get("watch", {}) for row in self.rows]
        known = list(told[0]) if told else []
        if name not in known:
            raise SettingError(
                f"history: {name!r} was not watched in this run, but {', '.join(known) or 'nothing'}; "
                f"fit(..., watch=[{name!r}]) does"
            )
        first = told[0][name]
        if not isinstance(first, dict):
            return np.array([epoch[name] for epoch in told], float)
        return {layer: np.array([epoch[name][layer] for epoch in told]) for layer in first}
