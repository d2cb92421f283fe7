"""An epoch on arrays that can be cut between any two minibatches, so that a run can be written down inside it.

    for k = first, ..., last − 1:   state ← step(state, minibatch k)

One compiled program takes the minibatches from `first` up to `last`, two numbers that it is given. So no bit of a
step depends on where an epoch is cut, and a segment may last as long as time wants it to.
"""

import functools
import sys
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from deltarule.kernels.shares import whole
from deltarule.training.epoch import (
    compiler_options,
    equal_groups,
    equal_step,
    exact_step,
    laid,
    mean_loss,
)
from deltarule.training.place import After, Epoch, Place
from deltarule.training.shuffle import ORDERS
from deltarule.training.step import Batch, Report, State, Step
from deltarule.training.windows import Window, carried_step, window_groups, windows_step

LASTS = 0.5  # seconds, below which the next segment is twice as long


@functools.lru_cache(maxsize=64)
def segment_program(step: Step, batch_size: int, order: str, window: Window | None) -> tuple[Callable, Callable]:
    """The compiled `(state, groups, reports, data, first, last) -> (state, groups, reports, mean loss)`.

    The groups of examples are k of one size and a smaller last one or None; they are chosen where `first` is 0.
    Where `last` is k the state is that after the epoch. The other function that is given back is
    `(state, data) -> (groups, reports)` of zeros, with which an epoch begins.
    """
    split, one = taken(step, batch_size, window)

    def choose(state, data):
        return split(data, ORDERS[order](state.key, state.epoch, len(data.x)))

    def blank(state, data):
        groups = jax.eval_shape(choose, state, data)
        group = jax.tree.map(lambda a: jax.ShapeDtypeStruct(a.shape[1:], a.dtype), groups[0])
        report = jax.eval_shape(one, data, state, group)[1]
        reports = jax.tree.map(lambda a: np.zeros((count(groups), *a.shape), a.dtype), report)
        return jax.device_put((jax.tree.map(lambda a: np.zeros(a.shape, a.dtype), groups), reports))

    @functools.partial(jax.jit, compiler_options=compiler_options())
    def segment(state, groups, reports, data, first, last):
        groups = jax.lax.cond(first == 0, lambda: choose(state, data), lambda: groups)

        def body(k, carry):
            state, reports = carry
            group = jax.tree.map(lambda a: jax.lax.dynamic_index_in_dim(a, k, keepdims=False), groups[0])
            state, report = one(data, state, group)
            put = functools.partial(jax.lax.dynamic_update_index_in_dim, index=k, axis=0)
            return state, jax.tree.map(put, reports, report)

        state, reports = jax.lax.fori_loop(first, last, body, (state, reports))

        def finish():
            after, told = state, jax.tree.map(jnp.ravel, reports)
            if groups[1] is not None:
                after, report = one(data, state, groups[1])
                told = jax.tree.map(jnp.append, told, report)
            return after._replace(epoch=after.epoch + 1), mean_loss(told)

        def go_on():
            return state, jnp.zeros((), jnp.result_type(reports.loss, reports.weight))

        state, loss = jax.lax.cond(last == count(groups), finish, go_on)
        return state, groups, whole(reports), loss

    return segment, blank


def count(groups: Any) -> int:
    """How many groups of one size there are."""
    return len(jax.tree.leaves(groups[0])[0])


def taken(step: Step, size: int, window: Window | None) -> tuple[Callable, Callable]:
    """An epoch's groups, (data, rows) -> (groups, rest), and its step, (data, state, group) -> (state, report)."""
    if window is not None:
        one = functools.partial(windows_step, carried_step(step, window), window)
        return lambda data, rows: (window_groups(rows, size), None), one

    def exact(data, rows):
        full, groups = len(rows) - len(rows) % size, laid(data, rows)
        whole_ones = jax.tree.map(lambda a: a[:full].reshape(-1, size, *a.shape[1:]), groups)
        return whole_ones, jax.tree.map(lambda a: a[full:], groups) if full < len(rows) else None

    def equal(data, rows):
        return equal_groups(step, data, rows, size), None

    def equal_one(data, state, group):
        group, total = group
        state, (value, skipped) = equal_step(step, state, data, group)
        return state, Report(value, total, skipped)

    if step.net.mixes_examples:
        return exact, lambda data, state, group: exact_step(step, state, data, group)
    return equal, equal_one


def in_segments(step: Step, batch_size: int, order: str, window: Window | None, every: int | None) -> Epoch:
    """An epoch in segments of `every` groups; None makes each long enough to last half a second or more.

    Several processes, whose clocks differ, then take an epoch as one segment.
    """
    segment, blank = segment_program(step, batch_size, order, window)
    length, zeros = every or (1 if jax.process_count() == 1 else sys.maxsize), None

    def epoch(state: State, data: Batch, place: Place | None, after: After | None) -> tuple[State, jax.Array]:
        nonlocal length, zeros
        groups, reports = zeros = zeros or blank(state, data)
        done, k = 0, count(groups)
        if place is not None:
            _, groups, reports, _ = segment(state, groups, reports, data, 0, 0)  # no step, but the groups
            done, reports = place.segments, filled(reports, place.reports)
        while True:
            start, until = time.perf_counter(), min(done + length, k)
            state, groups, reports, loss = segment(state, groups, reports, data, done, until)
            if until == k:
                return state, loss
            done, told = until, first(jax.device_get(reports), until)
            if every is None and time.perf_counter() - start < LASTS:
                length *= 2
            if after is not None:
                after(state, Place(done, told))

    return epoch


def first(reports: Report, done: int) -> Report:
    """What the steps of the first groups reported."""
    return jax.tree.map(lambda a: a[:done], reports)


def filled(zeros: Report, reports: Report) -> Report:
    """The reports of an epoch (k, ...), of which there are those of the groups that are done."""

    def put(zeros, reports):
        return np.concatenate([reports, np.asarray(zeros)[len(reports) :]])

    return jax.tree.map(put, zeros, reports)
