"""Examples from sets larger than memory: read in chunks whose size follows from a bound, in a known, mixed order.

    S = B ⌊(M − b) / (c B)⌋,   c = 5 r + 48

examples are a chunk, for a bound of M bytes, batches of B, examples of r bytes, and b bytes that reading a block
takes at most. Five chunks may be in memory at a time: the one that the device computes, the next one there, the
one that is being filled, and two that JAX has not let go yet; 48 bytes go to the order and weight of an example.
"""

import hashlib
import math
import mmap
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol

import numpy as np

from deltarule.data.block_order import (
    BLOCKS,
    Part,
    ShuffleQuality,
    held_out,
    in_order,
    part_of,
    permuted,
    shuffle_quality,
)
from deltarule.data.chunks import Chunk, Chunked
from deltarule.data.file_set import Files
from deltarule.data.memory import told
from deltarule.errors import SettingError

CHUNKS, BESIDE = 5, 48  # chunks that are in memory at a time; bytes beside an example
STREAM_ORDERS = ("permutation", "none")


class Blocks(Protocol):
    """Where a stream reads: examples in blocks that stand together, each read by itself.

    Attributes:
        files: those that are read.
        rows: (k,), how many examples each block has.
        file: (k,), the number of the file that each block is of.
        shape: (N, ...), that of all x together.
        target_bytes: of one example's target, at most.
        block_bytes: what reading one block takes at most.
    """

    @property
    def files(self) -> Files: ...

    @property
    def rows(self) -> np.ndarray: ...

    @property
    def file(self) -> np.ndarray: ...

    @property
    def shape(self) -> tuple[int, ...]: ...

    @property
    def target_bytes(self) -> int: ...

    @property
    def block_bytes(self) -> int: ...

    def read(self, block: int) -> tuple[np.ndarray, np.ndarray]: ...

    def name(self, block: int) -> str: ...


@dataclass(frozen=True, eq=False)
class Stream(Chunked):
    """Examples that are read as they are needed, in an order that is a pure function of seed, epoch and position.

    `model.fit(stream)` trains on it. `dr.stream` makes one.

    Args:
        source: where the examples are.
        blocks: (k,), the numbers of the blocks of the source that the stream reads.
        memory: bytes that chunks and the reading of blocks may take together.
        seed: the order of the examples follows from it, and which are held out.
        shard: (i, N), for process i of N: it reads its share of each chunk, and all processes together make the
            batches of a single one; N divides the batch size. `fit` sets it where several processes train as one.
    """

    source: Blocks
    blocks: np.ndarray
    memory: int
    seed: int = 0
    shard: tuple[int, int] = (0, 1)

    @property
    def rows(self) -> np.ndarray:
        """(k,), how many examples each block has."""
        return self.source.rows[self.blocks]

    @property
    def examples(self) -> int:
        """How many examples an epoch has, in all processes."""
        return int(self.rows.sum())

    @property
    def shape(self) -> tuple[int, ...]:
        """(N, ...), that of all x together."""
        return self.examples, *self.source.shape[1:]

    def chunk_rows(self, batch_size: int) -> int:
        """How many examples a chunk has, S; a whole number of batches.

        Raises:
            SettingError: the memory is too little for one batch, and what would be enough; or the processes do
                not divide the batch.
        """
        if batch_size % self.shard[1]:
            raise SettingError(f"stream: {self.shard[1]} processes do not divide a batch of {batch_size} examples")
        example = CHUNKS * (4 * math.prod(self.shape[1:]) + self.source.target_bytes) + BESIDE
        batches = (self.memory - self.source.block_bytes) // (example * batch_size)
        if batches < 1:
            least = self.source.block_bytes + example * batch_size
            raise SettingError(
                f"stream: memory = {told(self.memory)} is too little: reading a block takes "
                f"{told(self.source.block_bytes)}, and a batch of {batch_size} examples in {CHUNKS} chunks "
                f"{told(example * batch_size)}; the least possible is {least} bytes ({told(least)})"
            )
        return batch_size * min(batches, -(-self.examples // batch_size))

    def chunks(self, epoch: int, batch_size: int, order: str = "permutation", skip: int = 0) -> Iterator[Chunk]:
        """The chunks of an epoch from number `skip` on; what lies before that is not read.

        Raises:
            FileError, DataError: a file is damaged or has changed, or holds what is no number; the file is named.
        """
        blocks, size = self.blocks_of(epoch, order), self.chunk_rows(batch_size)
        ends = np.cumsum(self.source.rows[blocks])  # (k,)
        local = size // self.shard[1]
        at, kept = -1, None  # the block that was read last, which may reach into the next chunk
        for number in range(skip, -(-self.examples // size)):
            part, weight = self.part(epoch, number, batch_size, order), None
            if part.first == part.last:  # the last batch is too small for all processes
                one_before = np.zeros(1, np.int32)
                part, weight = part._replace(first=part.first - 1, order=one_before), np.zeros(1)
            first, last = number * size + part.first, number * size + part.last
            x = pages((local, *self.shape[1:]))
            y: Any = None  # until the first block tells its type
            places = np.empty_like(part.order)  # where the examples go, as they come
            places[part.order] = np.arange(len(places), dtype=np.int32)
            for block in range(int(np.searchsorted(ends, first, "right")), len(blocks)):
                start = int(ends[block - 1]) if block else 0
                if start >= last:
                    break
                if kept is None or block != at:
                    kept = None  # before the next is read
                    kept, at = self.source.read(int(blocks[block])), block
                if y is None:
                    y = np.empty((last - first, *kept[1].shape[1:]), kept[1].dtype)
                rows = slice(max(first - start, 0), last - start)
                to = places[max(start - first, 0) : int(ends[block]) - first]
                x[to], y[to] = kept[0][rows], kept[1][rows]
            examples = min(size, self.examples - number * size)
            yield Chunk(x, y, examples, part.steps, batch_size // self.shard[1], weight)
            del x, y

    def in_order(self, rows: int, devices: int = 1) -> Iterator[Chunk]:
        batch = max(min(rows, self.chunk_rows(devices)) // devices, 1) * devices
        return self.chunks(0, batch, "none" if self.shard[1] == 1 else "permutation")

    def part(self, epoch: int, chunk: int, batch_size: int, order: str) -> Part:
        """Which examples of a chunk this process reads, and their order (`block_order.Part`)."""
        size = self.chunk_rows(batch_size)
        examples = min(size, self.examples - chunk * size)
        if order == "none":
            return in_order(examples, batch_size)
        return part_of(self.seed, epoch, chunk, examples, batch_size, self.shard)

    def blocks_of(self, epoch: int, order: str = "permutation") -> np.ndarray:
        """(k,), the blocks in the order in which an epoch lays them behind each other; raises SettingError."""
        if order not in STREAM_ORDERS:
            raise SettingError(f"fit: the order of a stream is one of {', '.join(STREAM_ORDERS)}, got {order!r}")
        if order == "none":
            if self.shard[1] > 1:
                raise SettingError('fit: several processes share a stream in the order "permutation" alone')
            return self.blocks
        return self.blocks[permuted(self.seed, BLOCKS, epoch, len(self.blocks))]

    def positions(self, epoch: int, batch_size: int, order: str = "permutation") -> np.ndarray:
        """(n, 2), which example each position of an epoch has: its block and its row there; nothing is read."""
        blocks, size = self.blocks_of(epoch, order), self.chunk_rows(batch_size)
        rows = self.source.rows[blocks]
        of_block = np.repeat(blocks, rows)
        in_block = np.arange(self.examples) - np.repeat(np.cumsum(rows) - rows, rows)
        parts = [self.part(epoch, chunk, batch_size, order) for chunk in range(-(-self.examples // size))]
        at = np.concatenate([chunk * size + part.first + part.order for chunk, part in enumerate(parts)])
        return np.stack([of_block[at], in_block[at]], 1)

    def fingerprint(self) -> str:
        """A checksum of what examples and order follow from: files by name and size, blocks, settings."""
        files = self.source.files
        names = [(path.name, size) for path, (size, _) in zip(files.paths, files.stamps, strict=True)]
        told = (names, self.blocks.tolist(), self.rows.tolist(), self.memory, self.seed)
        return hashlib.sha256(repr(told).encode()).hexdigest()

    def shuffle_quality(self, batch_size: int = 64) -> ShuffleQuality:
        """How near the order of an epoch is to a permutation of all examples (`block_order.ShuffleQuality`).

        More memory, or smaller row groups, mix more blocks into a chunk.
        """
        return shuffle_quality(self.rows, self.chunk_rows(batch_size), batch_size)

    def divided(self, share: float, by: Literal["block", "file"] = "block") -> tuple["Stream", "Stream"]:
        """(a stream to train on, one that is held out): blocks or whole files, drawn by the seed.

        Args:
            share: of the examples that is held out, about: no block is divided.

        Raises:
            DataError: a share that leaves nothing on one side.
        """
        groups = self.blocks if by == "block" else self.source.file[self.blocks]  # (k,)
        held = held_out(self.rows, groups, share, self.seed)
        return replace(self, blocks=self.blocks[~held]), replace(self, blocks=self.blocks[held])


def pages(shape: tuple[int, ...]) -> np.ndarray:
    """Zeros, float32, in pages of their own: a CPU computes on them where they are, and they go when unused.

    What an allocator frees may stay with the process, which would then pass its bound; and a buffer that does not
    begin at a multiple of 64 bytes is copied by JAX.
    """
    memory = mmap.mmap(-1, 4 * math.prod(shape))
    return np.frombuffer(memory, np.float32).reshape(shape)
