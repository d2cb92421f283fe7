"""A table larger than memory as examples: its preprocessing is fitted in one pass, then every block is coded."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from deltarule.data.columns import ONE_HOT_LEVELS
from deltarule.data.facts import SAMPLE, ColumnFacts, GoalFacts
from deltarule.data.file_set import Files
from deltarule.data.number_columns import Table
from deltarule.data.table import Preprocessing
from deltarule.data.target import Target, Task, present, target_name
from deltarule.errors import DataError, FileError

TEXT = 100  # bytes that coding a row takes beside its numbers


@dataclass(frozen=True, eq=False)
class CodedTable:
    """The rows of a table that have a target, as a preprocessing codes them.

    Attributes:
        rows: (k,), how many of each block have a target.
    """

    table: Table
    preprocessing: Preprocessing
    rows: np.ndarray
    block_bytes: int = field(init=False)

    def __post_init__(self):
        each = 4 * self.preprocessing.width + self.target_bytes + TEXT
        object.__setattr__(self, "block_bytes", self.table.block_bytes + int(self.table.rows.max()) * each)

    @property
    def files(self) -> Files:
        return self.table.files

    @property
    def file(self) -> np.ndarray:
        return self.table.file

    @property
    def shape(self) -> tuple[int, int]:
        return int(self.rows.sum()), self.preprocessing.width

    @property
    def target_bytes(self) -> int:
        return 4

    def read(self, block: int) -> tuple[np.ndarray, np.ndarray]:
        """x float32 (n, i) and y of a block, as `Preprocessing` states; raises DataError, FileError."""
        frame = self.table.frame(block)
        try:
            x, _ = self.preprocessing.transform(frame, with_target=True)
            y = self.preprocessing.target(frame)
        except DataError as error:
            raise DataError(f"{self.name(block)}: {error}") from None
        if len(x) != self.rows[block]:
            raise FileError(f"{self.name(block)}: expected {self.rows[block]} rows with a target, got {len(x)}")
        return x, y

    def name(self, block: int) -> str:
        return self.table.name(block)


def fit_table(
    table: Table,
    training: np.ndarray,
    target: str | int,
    task: Task | None = None,
    seed: int = 0,
    memory: int = 1 << 29,
    show: Callable[[str], None] | None = None,
) -> CodedTable:
    """Learns how to code a table in one pass; the rules and the notes are those of `Preprocessing.fit`.

    Means, deviations, classes and levels are of every row, exactly; medians of a sample (`data.facts`), which is
    smaller where it would take more than a sixteenth of the memory.

    Args:
        training: (k,), True for the blocks to learn from; of the others, only the classes are taken.
        show: is called with a line about the progress.

    Raises:
        FileError, DataError: what is wrong with a file, or with the table.
    """
    name = target_name(list(table.schema), target)
    goal, columns = GoalFacts(name), {each: ColumnFacts(each) for each in table.schema if each != name}
    sample = min(SAMPLE, memory // (16 * 8 * len(table.schema)))
    share = min(1.0, sample / table.rows[training].sum())
    rows = np.zeros(len(table.rows), int)
    for block in range(len(rows)):
        frame = table.frame(block)
        try:
            rows[block] = goal.add(frame[name], bool(training[block]))
            if training[block]:
                frame = frame.filter(present(frame[name]))
                random = np.random.default_rng([seed, block])
                sampled = np.sort(random.permutation(len(frame))[: int(np.ceil(share * len(frame)))])
                for each, facts in columns.items():
                    facts.add(frame[each], sampled)
        except DataError as error:
            raise DataError(f"{table.name(block)}: {error}") from None
        if show is not None:
            show(f"looking at {block + 1:,} of {len(rows):,} blocks of the table")
    found, notes = Target.of(goal.facts(), task)
    fitted = {each: facts.fitted(ONE_HOT_LEVELS) for each, facts in columns.items()}
    if share < 1 and any(facts.filled for facts in columns.values()):
        notes.append(f"Missing numbers are filled in with medians of {sample:,} rows, drawn from all files.")
    return CodedTable(table, Preprocessing.of(found, fitted, notes), rows)
