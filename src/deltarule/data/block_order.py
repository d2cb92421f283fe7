"""The order of the examples of a stream, as a pure function of seed, epoch and position.

An epoch lays the blocks of a set one behind the other, in an order drawn by (seed, epoch), and cuts that row of
examples into chunks. A chunk of s batches of B is cut once more, into B lanes of s examples that stand together,
and each lane is permuted by (seed, epoch, chunk):

    batch k of the chunk = { lane_l[π_l(k)] : l = 1 … B }

So a batch has one example of each lane, which is as stratified as a draw can be, and all blocks of the chunk are
in each of its batches by their share. Process i of N takes the lanes iB/N … (i+1)B/N: it reads a part of the chunk
that stands together, a share of 1/N, and all processes together make the very batches of a single one.
"""

from typing import NamedTuple

import numpy as np

from deltarule.errors import DataError

BLOCKS, LANES, HELD_OUT, FILES = 1, 2, 3, 4  # what randomness is for


class Part(NamedTuple):
    """What one process does in a chunk: it reads the examples `first` to `last`, and takes them in this order.

    Attributes:
        order: (last - first,), positions behind `first`, batch after batch.
        steps: how many batches the chunk has in all processes.
    """

    first: int
    last: int
    order: np.ndarray
    steps: int


def permuted(seed: int, purpose: int, number: int, count: int) -> np.ndarray:
    """A permutation (count,) of 0 ... count−1, a pure function of its arguments."""
    return np.random.default_rng([seed, purpose, number]).permutation(count)


def part_of(
    seed: int, epoch: int, chunk: int, examples: int, batch_size: int, shard: tuple[int, int] = (0, 1)
) -> Part:
    """The part of process `shard` = (i, N) in a chunk of so many examples, N a divisor of the batch size.

    The last batch may lack examples; the lanes behind it have one less each.

    >>> whole = part_of(0, 0, 0, 12, batch_size=4)
    >>> halves = [part_of(0, 0, 0, 12, 4, (i, 2)) for i in range(2)]
    >>> [part[:2] for part in halves]
    [(0, 6), (6, 12)]
    >>> both = [(part.first + part.order).reshape(3, 2) for part in halves]
    >>> bool((np.hstack(both) == whole.order.reshape(3, 4)).all())
    True
    """
    index, count = shard
    steps = -(-examples // batch_size)
    full = examples - (steps - 1) * batch_size  # lanes that have an example in the last batch
    starts = np.minimum(np.arange(batch_size + 1) * steps, full + np.arange(batch_size + 1) * (steps - 1))
    random = np.random.default_rng([seed, LANES, epoch, chunk])
    lanes = np.full((batch_size, steps), examples, np.int32)  # (l, s)
    lanes[:full] = np.arange(steps)
    lanes[full:, : steps - 1] = np.arange(steps - 1)
    random.permuted(lanes[:full], axis=1, out=lanes[:full])
    random.permuted(lanes[full:, : steps - 1], axis=1, out=lanes[full:, : steps - 1])
    lower, upper = batch_size * index // count, batch_size * (index + 1) // count
    first, last = int(starts[lower]), int(starts[upper])
    lanes += (starts[:-1, None] - first).astype(np.int32)
    order = lanes[lower:upper].T.ravel()  # (s l,)
    return Part(first, last, order[order < last - first], steps)


def in_order(examples: int, batch_size: int) -> Part:
    """All examples of a chunk as they come."""
    return Part(0, examples, np.arange(examples, dtype=np.int32), -(-examples // batch_size))


def held_out(rows: np.ndarray, groups: np.ndarray, share: float, seed: int) -> np.ndarray:
    """Which blocks of so many rows (k,) are held out, bool (k,): groups of them, drawn until the share is full.

    Raises:
        DataError: a share that leaves nothing on one side.

    >>> held_out(np.full(10, 7), np.arange(10), 0.2, seed=0).sum()
    np.int64(2)
    """
    names, group = np.unique(groups, return_inverse=True)
    sizes, drawn = np.bincount(group, rows), permuted(seed, HELD_OUT, 0, len(names))
    count = int(np.argmin(np.abs(np.cumsum(sizes[drawn]) - share * rows.sum()))) + 1
    if not 0 < share < 1 or count >= len(names):
        raise DataError(
            f"stream: expected a share to hold out that leaves data on both sides, but got {share} of "
            f"{len(names)} blocks or files. Use 0.2 to hold out a fifth, or bring more data."
        )
    return np.isin(group, drawn[:count])


class ShuffleQuality(NamedTuple):
    """How near the order of a stream is to a permutation of the whole set, for batches of one size.

    Attributes:
        blocks: how many blocks a chunk mixes.
        of: how many blocks there are.
        same_block: the chance that two examples of a batch are of one block, and `same_block_at_best` in a
            permutation of the whole set.
        worst_variance: at most how many times as much a batch's mean label varies as in such a permutation. That
            is of labels that are the same all over a block; labels in no order give 1, whatever the blocks.
    """

    blocks: float
    of: int
    same_block: float
    same_block_at_best: float
    worst_variance: float


def shuffle_quality(rows: np.ndarray, chunk: int, batch_size: int) -> ShuffleQuality:
    """The quality for blocks of so many rows (k,), in chunks of so many examples.

    K blocks of M, drawn without replacement, have a mean of variance σ²/K (M − K)/(M − 1); a batch of B from a
    permutation has σ²/B. What a batch adds to its chunk's mean is at most that of the lanes that hold two blocks.

    >>> shuffle_quality(np.full(100, 50), chunk=1000, batch_size=50)
    ShuffleQuality(blocks=20.0, of=100, same_block=0.05, same_block_at_best=0.01, worst_variance=2.4202)
    """
    examples, count = int(rows.sum()), len(rows)
    chunk = min(chunk, examples)
    best = float(((rows / examples) ** 2).sum())
    mixed = min(1 / best * chunk / examples, count)
    same = max(1 / mixed, best) if mixed > 1 else 1.0
    between = batch_size / max(mixed, 1) * (1 - mixed / count) * count / max(count - 1, 1)
    return ShuffleQuality(
        round(mixed, 2),
        count,
        round(same, 6),
        round(best, 6),
        round(max(between, 0) + min(1, mixed / batch_size), 4),
    )
