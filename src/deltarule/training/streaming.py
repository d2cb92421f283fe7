"""An epoch over examples that are read in chunks: one compiled program takes each, while the next one is read.

The batches are those of an epoch in memory, in the order that `data.block_order` states: all are full but the last
one of the epoch. One thread reads a chunk and puts it on the device, while the device computes the one before.

Of every minibatch each device has its share, and each process reads the shares of its own devices alone.
"""

import functools
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import NamedSharding

from deltarule.data.chunks import Chunk, Chunked
from deltarule.data.stream import Stream
from deltarule.kernels.shares import TIME_MAJOR, WHOLE, whole
from deltarule.training.epoch import compiler_options, mean_loss
from deltarule.training.place import After, Epoch, Place
from deltarule.training.step import Batch, Report, State, Step

T = TypeVar("T")


@functools.lru_cache(maxsize=64)
def stream_program(step: Step, batch_size: int, order: str = "permutation") -> Epoch:
    """`(state, stream, place, after) -> (state, loss)` of an epoch over a stream's chunks; each is a segment.

    All chunks of a stream have one shape and run as many steps as they hold, so one program is compiled for all of
    them. Where a layer mixes the examples of a batch, a last batch that is smaller is a second one; else it is
    filled up with examples of weight 0, which change nothing.
    """
    last = last_batch_program(step)

    def epoch(
        state: State, stream: Chunked, place: Place | None = None, after: After | None = None
    ) -> tuple[State, jax.Array]:
        done = 0 if place is None else place.segments
        reports = [] if place is None else [place.reports]
        stream, sharding = shared(stream, order)
        chunks = stream.chunks(int(state.epoch), batch_size, order, skip=done)
        for count, steps, data in ahead(on_device(step, chunks, sharding)):
            rest = count % data.x.shape[1] if step.net.mixes_examples else 0
            full = np.int32(steps - (rest > 0))
            state, told = chunk_program(step)(state, data, full)
            reports.append(jax.tree.map(lambda a, n=full: a[:n], jax.device_get(told)))
            if rest:
                state, told = last(state, data, full, rest)
                reports.append(jax.tree.map(np.atleast_1d, jax.device_get(told)))
            del data  # so that its memory is free for the next
            done += 1
            if after is not None:
                after(state, Place(done, joined(reports)))
        return state._replace(epoch=state.epoch + 1), mean_loss(joined(reports))

    return epoch


@functools.lru_cache(maxsize=64)
def chunk_program(step: Step) -> Callable:
    """The compiled `(state, data, steps) -> (state, reports)` over the first batches of a chunk (k, n, ...).

    The examples lie in the order of the batches: taking them one by one in the loop costs as much as the step of a
    small network, since XLA's CPU backend gathers few rows slowly.
    """

    @functools.partial(jax.jit, compiler_options=compiler_options())
    def chunk(state: State, data: Batch, steps: jax.Array) -> tuple[State, Report]:
        share, total = jax.vmap(step.loss.shares)(data.target, data.weight)  # (k, n), (k,)
        groups = data._replace(weight=share)
        _, loss, skipped = jax.eval_shape(step.move, state, jax.tree.map(lambda a: a[0], groups))
        told = jax.tree.map(lambda a: jnp.zeros((len(share), *a.shape), a.dtype), (loss, skipped))

        def one(k, carry):
            state, told = carry
            batch = jax.tree.map(lambda a: jax.lax.dynamic_index_in_dim(a, k, keepdims=False), groups)
            state, *figures = step.move(state, batch)
            return state, jax.tree.map(lambda all, one: all.at[k].set(one), told, tuple(figures))

        state, (losses, skipped) = jax.lax.fori_loop(0, steps, one, (state, told))
        return state, Report(losses, whole(total), skipped)

    return chunk


@functools.lru_cache(maxsize=64)
def last_batch_program(step: Step) -> Callable:
    """The compiled `(state, data, k, rows) -> (state, report)` of one step on some rows of batch k of a chunk."""

    @functools.partial(jax.jit, static_argnums=3, compiler_options=compiler_options())
    def last(state: State, data: Batch, k: jax.Array, rows: int) -> tuple[State, Report]:
        return step(state, jax.tree.map(lambda a: jax.lax.dynamic_index_in_dim(a, k, keepdims=False)[:rows], data))

    return last


def shared(stream: Chunked, order: str = "permutation") -> tuple[Chunked, NamedSharding | None]:
    """(what this process reads, where its chunks (k, n, ...) lie) for the devices that `devices.over` has set.

    Batches that are made outside, and a stream in the order "none", are whole in each of several processes.
    """
    mesh, processes = jax.sharding.get_mesh(), jax.process_count()
    if mesh.empty:
        return stream, None
    if not isinstance(stream, Stream) or (order == "none" and processes > 1):
        return stream, NamedSharding(mesh, WHOLE)
    return replace(stream, shard=(jax.process_index(), processes)), NamedSharding(mesh, TIME_MAJOR)


def on_device(
    step: Step, chunks: Iterable[Chunk], sharding: NamedSharding | None
) -> Iterator[tuple[int, int, Batch]]:
    """(examples, steps, the examples (k, n, ...) on the device) of each chunk; the host keeps nothing."""
    for x, y, count, steps, size, given in chunks:
        target = step.loss.prepare(y, step.net.shape((len(y), *x.shape[1:])))
        target = np.concatenate([target, np.zeros((len(x) - len(y), *target.shape[1:]), target.dtype)])
        weight = np.zeros(len(x), np.float32)
        weight[: len(y)] = 1 if given is None else given
        batch = Batch(*(a.reshape(-1, size, *a.shape[1:]) for a in (x, target, weight)))  # type: ignore[arg-type]
        data = jax.make_array_from_process_local_data(sharding, batch) if sharding else jax.device_put(batch)
        del x, y, target, batch
        yield count, steps, jax.block_until_ready(data)
        del data


def ahead(items: Iterable[T]) -> Iterator[T]:
    """The items, each made in one thread while the one before is worked on."""
    source = iter(items)
    with ThreadPoolExecutor(1, "deltarule-reader") as pool:
        waiting = pool.submit(next, source, None)
        while (item := waiting.result()) is not None:
            waiting = pool.submit(next, source, None)
            yield item
            del item


def joined(reports: list[Report]) -> Report:
    """The reports of one step after the other."""
    return jax.tree.map(lambda *parts: np.concatenate(parts), *reports)
