"""Where populations that are trained together stand: all that it takes to go on, and that a checkpoint holds."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from deltarule.errors import FileError
from deltarule.training.identity import computed, learned, plain
from deltarule.training.population import Cohort, Member
from deltarule.training.standing import shapes
from deltarule.training.state_file import fold
from deltarule.training.step import Batch


@dataclass
class Standing:
    """Where populations stand.

    Attributes:
        rung: how many rungs of halving are behind them.
        seconds: how long they have taken before they were begun again.
        finished: whether they ended.
        notes: sentences about the checkpoints.
    """

    populations: Sequence[Cohort]
    rung: int = 0
    seconds: float = 0.0
    finished: bool = False
    notes: list[str] = field(default_factory=list)
    inside: None = None  # they are written down between epochs alone
    good: bool = True  # a member that is lost keeps its last good parameters

    def tree(self) -> tuple[Any, ...]:
        """The members of each population, in their order."""
        return tuple(tuple(population.on_host()[0]) for population in self.populations)

    def header(self) -> dict[str, Any]:
        """All else, as plain JSON."""
        return {"rung": self.rung, "seconds": self.seconds, "finished": self.finished, "notes": self.notes}

    def adopt(self, arrays: dict[str, np.ndarray], header: dict[str, Any]) -> None:
        """Stands where a checkpoint does; raises as `training.standing.Standing.adopt` does."""
        found = [Member(*members) for members in fold(header["tree"], arrays)]
        held = [population.on_host() for population in self.populations]
        if shapes(found) != shapes([members for members, _ in held]):
            raise FileError(f"its arrays are not those of this version, but of {header['versions']}")
        for population, members, (_, rows) in zip(self.populations, found, held, strict=True):
            population.deal(members, rows)
        self.rung, self.seconds, self.finished = header["rung"], header["seconds"], header["finished"]
        self.notes[:0] = header["notes"]


def identity(
    populations: Sequence[Cohort], data: Batch, held_out: Batch | None, halving: float | None
) -> dict[str, Any]:
    """Everything that the numbers of populations follow from, as plain JSON."""
    groups = []
    for population in populations:
        members, rows = population.on_host()
        groups.append(
            {"models": population.size, "rows": rows and [side.shape for side in rows]}
            | computed(population.step.structure(), population.settings)
            | {"epochs": population.settings.epochs, "numbers": members.state.numbers, "key": members.state.key}
        )
    return plain({"halving": halving} | learned(data, held_out) | {"populations": groups})
