"""A table in many files, larger than memory, as a stream of examples; and a model of a table, applied to one."""

import glob
from pathlib import Path
from typing import Any

import numpy as np

from deltarule.data.block_order import held_out
from deltarule.data.delimited import listed
from deltarule.data.file_set import TABLES, is_table, table_files
from deltarule.data.memory import as_bytes, told
from deltarule.data.open_stream import open_table
from deltarule.data.stream import Stream
from deltarule.data.table import Preprocessing
from deltarule.data.table_stream import CodedTable, fit_table
from deltarule.data.target import Target, present
from deltarule.errors import DataError
from deltarule.experiment.network import table_network
from deltarule.experiment.prepared import Examples, Prepared
from deltarule.experiment.reading import Reading
from deltarule.job import Job, refuse_others
from deltarule.model import Model

MEMORY = "512 MB"  # where a job says nothing
SAMPLE = 4096  # held-out rows that the report looks at
METRICS = {"classification": "accuracy", "regression": "r2"}


def is_set(data: str, memory: str | None = None) -> bool:
    """Whether a table is read as a stream: a folder or a pattern of tables, or one file with a memory."""
    path = Path(data)
    if path.is_dir():
        return any(map(is_table, path.iterdir()))
    pattern = not path.exists() and glob.has_magic(data)
    return pattern or (memory is not None and path.suffix.lower() in TABLES)


def prepare(job: Job, progress: bool | None) -> Prepared:
    """The tables of a job as streams, of blocks to train on and of blocks that are held out.

    Raises:
        FileError, DataError, SettingError: what is wrong with the files, the tables or the settings.
    """
    refuse_others(job, "set")
    memory = as_bytes(MEMORY if job.memory is None else job.memory)
    table = open_table(table_files(job.data), memory)
    blocks = np.arange(len(table.rows))
    held = held_out(table.rows, blocks, job.validation, job.seed)
    task = job.task if job.task in ("classification", "regression") else None
    with Reading(progress) as reading:
        source = fit_table(table, ~held, job.target, task, job.seed, memory, reading.show)
    full = source.rows > 0
    training, validation = (Stream(source, blocks[each & full], memory, job.seed) for each in (~held, held))
    if not validation.examples:
        raise DataError(f"{job.data}: no row that is held out has a target. Hold out more, or fill the target in.")
    size = min(32, training.examples) if job.batch_size is None else job.batch_size
    quality = training.shuffle_quality(size)
    examples, rows = sample(source, validation.blocks)
    preparation = source.preprocessing
    return Prepared(
        preparation,
        table_network(preparation, job),
        training,
        examples,
        (
            *preparation.notes,
            f"{len(table.files.paths)} files are read in chunks of {training.chunk_rows(size):,} rows, within "
            f"{told(memory)}; each chunk mixes {quality.blocks:g} of {quality.of} blocks of rows.",
            f"{validation.examples:,} rows are held out, in blocks; the report shows {len(examples[0]):,}.",
        ),
        rows=rows,
        stream=validation,
    )


def sample(source: CodedTable, blocks: np.ndarray) -> tuple[Examples, Any]:
    """(x, y and weights, the rows as they came) of at most SAMPLE rows, as many from each of a few blocks."""
    import polars as pl

    few = blocks[:: max(1, len(blocks) // 8)][:8]
    each = -(-SAMPLE // len(few))
    frames = []
    for block in few:
        frame = source.table.frame(int(block))
        frames.append(frame.filter(present(frame[source.preprocessing.target_name])).head(each))
    frame = pl.concat(frames, how="vertical_relaxed")
    x, _ = source.preprocessing.transform(frame, with_target=True)
    return (x, source.preprocessing.target(frame), np.ones(len(x), np.float32)), frame


def known(preparation: Preprocessing, data: str) -> Stream:
    """The rows of a set of tables that have a target, as a model's preprocessing codes them.

    Raises:
        FileError, DataError: what is wrong with the files, or the target is not in them.
    """
    table, name = open_table(table_files(data), as_bytes(MEMORY)), preparation.target_name
    if name not in table.schema:
        raise DataError(
            f"{data}: expected the target column {name!r}, as in training, but the columns are "
            f"{listed(table.schema, 50)}. Add it, or ask for predictions only."
        )
    targets = (table.frame(block, [name])[name] for block in range(len(table.rows)))
    rows = np.array([present(target).sum() for target in targets])
    if not rows.any():
        raise DataError(f"{data}: expected rows with the target {name!r}, but every row lacks one.")
    return Stream(CodedTable(table, preparation, rows), np.flatnonzero(rows), as_bytes(MEMORY))


def outputs(model: Model, preparation: Preprocessing, data: str) -> np.ndarray:
    """What the model gives for every row of a set of tables, (n, k), of which a block is coded at a time."""
    table, found = open_table(table_files(data), as_bytes(MEMORY)), []
    for block in range(len(table.rows)):
        try:
            found.append(model.predict(preparation.transform(table.frame(block))[0]))
        except DataError as error:
            raise DataError(f"{table.name(block)}: {error}") from None
    return np.concatenate(found)


def measure(model: Model, goal: Target, found: Stream) -> dict[str, Any]:
    """The task, its metric and the loss on a stream, and for numbers their error in the unit of the data."""
    measured = model.evaluate(found)
    metric = METRICS[goal.task]
    result = {"task": goal.task, "metric": metric, metric: measured[metric], "loss": measured["loss"]}
    if goal.task == "regression":  # whose loss is the mean of squares, standardised
        result["root_mean_squared_error"] = goal.deviation * float(np.sqrt(measured["loss"]))
    return result
