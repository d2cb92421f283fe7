"""Minibatches that are made outside, such as a PyTorch DataLoader's: several in a row are a chunk."""

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from deltarule.data.arrays import as_features, as_weights, check_same_length
from deltarule.data.chunks import Chunk, Chunked
from deltarule.errors import DataError, SettingError, ShapeError

STEPS, BYTES = 64, 2**24  # of a chunk, at most
TARGETS = ("y", "label", "labels", "target", "targets")  # names of what is predicted, in a batch that has names


class Minibatch(NamedTuple):
    """x (n, ...), y (n, ...), and weights (n,) or None."""

    x: np.ndarray
    y: np.ndarray
    weight: np.ndarray | None


class Batches(Chunked):
    """Minibatches in the order and in the sizes in which they come.

    Args:
        source: what gives (x, y), (x, y, weight) or {"x": x, "y": y}, anew in each epoch: a DataLoader, a list, or
            a function of no arguments that gives an iterator. An iterator itself lasts for one epoch.

    Raises:
        SettingError: there is no batch in it.
        DataError: a batch of another form.

    >>> found = Batches([(np.zeros((4, 3)), np.zeros(4)), (np.zeros((2, 3)), np.zeros(2))])
    >>> found.shape, [chunk.examples for chunk in found.chunks(0)]
    ((4, 3), [6])
    """

    def __init__(self, source: Iterable[Any] | Callable[[], Iterable[Any]]):
        self.source = source
        self.passed = False
        self.begun: Iterator[Minibatch] | None = self.minibatches()
        first = next(self.begun, None)
        if first is None:
            raise SettingError("fit: expected batches (x, y), but there is none in what was given as x")
        self.begun = itertools.chain([first], self.begun)
        self.first = first.x.shape

    @property
    def examples(self) -> int | None:
        try:
            return len(self.source.dataset)  # type: ignore[union-attr]
        except (AttributeError, TypeError):
            return None

    @property
    def shape(self) -> tuple[int, ...]:
        return self.first

    def minibatches(self) -> Iterator[Minibatch]:
        """One pass through the source.

        Raises:
            SettingError: an iterator that has been passed through.
            DataError, ShapeError: what a batch holds does not fit; the batch's number is told.
        """
        given = self.source() if callable(self.source) else self.source
        if not hasattr(given, "__iter__"):
            raise SettingError(
                "fit: expected a function that gives an iterator of batches (x, y), but what it gave is of the "
                f"type {type(given).__name__}; let it yield them"
            )
        if iter(given) is given and not callable(self.source):
            if self.passed:
                raise SettingError(
                    "fit: an iterator of batches lasts for one epoch; give what can be passed through again: a "
                    "DataLoader, a list, or a function that gives an iterator"
                )
            self.passed = True
        for number, batch in enumerate(given):
            try:
                yield minibatch(batch)
            except (DataError, ShapeError) as error:
                raise type(error)(f"batch {number}: {error}") from None

    def chunks(
        self, epoch: int, batch_size: int = 0, order: str = "permutation", skip: int = 0
    ) -> Iterator[Chunk]:
        """The chunks of a pass; batches of one size are laid side by side, as many as `STEPS` and `BYTES` allow.

        `batch_size` and `order` are the source's own. What is skipped is read.
        """
        begun, self.begun = self.begun or self.minibatches(), None
        yield from itertools.islice(self.joined(begun), skip, None)

    def in_order(self, rows: int, devices: int = 1) -> Iterator[Chunk]:
        return self.chunks(0)

    def joined(self, minibatches: Iterator[Minibatch]) -> Iterator[Chunk]:
        """A chunk ends where it is full, behind a batch that is smaller, and before one that is larger."""
        held: list[Minibatch] = []
        for each in minibatches:
            if each.x.shape[1:] != self.first[1:]:
                raise ShapeError(
                    f"x: expected batches of examples of shape {self.first[1:]}, as in the first, got "
                    f"{each.x.shape[1:]}"
                )
            if held and len(each.x) > len(held[0].x):
                yield chunk_of(held)
                held = []
            held.append(each)
            if len(each.x) < len(held[0].x) or len(held) == most_steps(held[0].x):
                yield chunk_of(held)
                held = []
        if held:
            yield chunk_of(held)


def most_steps(x: np.ndarray) -> int:
    """How many batches such as x (n, ...) make a chunk."""
    return max(1, min(STEPS, BYTES // x.nbytes))


def chunk_of(batches: list[Minibatch]) -> Chunk:
    """Batches of one size, of which the last may be smaller, as a chunk that has room for `most_steps`."""
    size, x, examples = len(batches[0].x), batches[0].x, sum(len(each.x) for each in batches)
    room = np.zeros((size * most_steps(x), *x.shape[1:]), np.float32)  # (S, ...)
    np.concatenate([each.x for each in batches], out=room[:examples])
    weight = None
    if any(each.weight is not None for each in batches):
        ones = (np.ones(len(each.x), np.float32) if each.weight is None else each.weight for each in batches)
        weight = np.concatenate(list(ones))
    return Chunk(room, np.concatenate([each.y for each in batches]), examples, len(batches), size, weight)


def minibatch(batch: Any) -> Minibatch:
    """x, y and weights of what an iterable gives; arrays and tensors of any library.

    Raises:
        DataError: it is neither (x, y), nor (x, y, weight), nor names of which one is a target's.
        ShapeError: x, y and weights differ in length.
    """
    parts = named_parts(batch) if isinstance(batch, Mapping) else batch
    if not (isinstance(parts, (tuple, list)) and len(parts) in (2, 3) and all(hasattr(p, "shape") for p in parts)):
        told = f"{len(batch)} parts" if isinstance(batch, (tuple, list)) else type(batch).__name__
        raise DataError(f"expected arrays (x, y) or (x, y, weight), got {told}")
    x, y, *weight = (np.asarray(part) for part in parts)
    features = as_features(x)
    if y.ndim == 0:
        raise ShapeError(f"y: expected one target for each of {len(x)} examples, got a single number")
    check_same_length(features, y)
    return Minibatch(features, y, as_weights(weight[0], len(x)) if weight else None)


def named_parts(batch: Mapping[str, Any]) -> tuple[Any, ...]:
    """(x, y) of a batch with names: y by one of `TARGETS`, x the other one, or several numbers side by side."""
    targets = [name for name in TARGETS if name in batch]
    others = [name for name in batch if name not in TARGETS]
    if len(targets) != 1 or not others:
        raise DataError(
            f"expected one of the names {', '.join(TARGETS)} and one other at least, got "
            f"{', '.join(map(str, batch))}; give (x, y) in place of names"
        )
    columns = [np.asarray(batch[name]) for name in others]
    if len(columns) == 1:
        return columns[0], batch[targets[0]]
    for name, column in zip(others, columns, strict=True):
        if column.ndim != 1:
            raise DataError(f"{name}: expected a number for each example, beside {others[0]}, got {column.shape}")
    return np.stack(columns, 1), batch[targets[0]]  # (n, i)


def is_batches(x: Any) -> bool:
    """Whether x gives batches: an iterable of them, or a function; no array, frame, text or list of numbers.

    >>> is_batches([(np.zeros((4, 3)), np.zeros(4))]), is_batches([[1, 2], [3, 4]]), is_batches(np.zeros((4, 3)))
    (True, False, False)
    """
    if isinstance(x, list):
        first = x[0] if x else None
        parts = first.values() if isinstance(first, Mapping) else first
        return (
            isinstance(parts, Iterable) and not hasattr(parts, "ndim") and any(hasattr(p, "ndim") for p in parts)
        )
    if hasattr(x, "__array__") or isinstance(x, (str, bytes, tuple, Mapping)):
        return False
    return callable(x) or hasattr(x, "__iter__")
