"""Examples that are not in memory at once: they come in chunks, in the order in which they are trained on."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np


class Chunk(NamedTuple):
    """Examples that are trained on between two readings, batch behind batch.

    Attributes:
        x: (S, ...), zeros behind the last example.
        y: (n, ...), n at most S.
        examples: n, or what the parts of all processes come to together.
        steps: how many batches that is.
        size: examples of a batch in this process, a divisor of S; the last batch may have fewer.
        weight: (n,), how much each example counts; None stands for 1.
    """

    x: np.ndarray
    y: np.ndarray
    examples: int
    steps: int
    size: int
    weight: np.ndarray | None = None


class Chunked:
    """What `fit` and `evaluate` take without y: a stream, or minibatches that are made outside."""

    @property
    def examples(self) -> int | None:
        """How many examples an epoch has, if that is known."""
        raise NotImplementedError

    @property
    def shape(self) -> tuple[int, ...]:
        """(n, ...), of n examples together."""
        raise NotImplementedError

    def chunks(self, epoch: int, batch_size: int, order: str = "permutation", skip: int = 0) -> Iterator[Chunk]:
        """The chunks of an epoch from number `skip` on."""
        raise NotImplementedError

    def in_order(self, rows: int, devices: int = 1) -> Iterator[Chunk]:
        """All examples once, in one process as they lie, in batches of about `rows` for so many devices."""
        raise NotImplementedError
