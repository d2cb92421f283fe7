"""The order of a stream: every example once, the same for any number of processes, and how well it is mixed."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deltarule.data.block_order import held_out, part_of, permuted, shuffle_quality
from deltarule.errors import DataError


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 200), st.sampled_from([1, 2, 4, 12]), st.sampled_from([1, 2, 4]), st.integers(0, 2**64 - 1))
def test_processes_together_make_the_batches_of_one(examples, half, processes, seed):
    size = half * processes
    whole = part_of(seed, 1, 2, examples, size)
    assert sorted(whole.order) == list(range(examples))
    parts = [part_of(seed, 1, 2, examples, size, (index, processes)) for index in range(processes)]
    edges = [parts[0].first, *(part.last for part in parts)]
    assert edges[0] == 0
    assert edges[-1] == examples
    assert [part.first for part in parts[1:]] == edges[1:-1]  # each reads what stands together
    assert {part.steps for part in parts} == {whole.steps}
    for step in range(whole.steps):
        together = [part.first + part.order[step * half : (step + 1) * half] for part in parts]
        assert np.concatenate(together).tolist() == whole.order[step * size : (step + 1) * size].tolist()


def test_the_order_is_another_in_every_epoch_and_chunk_and_for_every_seed():
    orders = {part_of(*which, 64, 8).order.tobytes() for which in ((0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1))}
    assert len(orders) == 4
    assert part_of(0, 0, 0, 64, 8).order.tolist() == part_of(0, 0, 0, 64, 8).order.tolist()


def batch_means(labels, rows, chunk, size, epochs):
    """The mean label of every full batch, in the order of a stream of blocks of so many rows."""
    starts, means = np.cumsum(rows) - rows, []
    for epoch in range(epochs):
        blocks = permuted(0, 1, epoch, len(rows))
        laid = np.concatenate([np.arange(starts[b], starts[b] + rows[b]) for b in blocks])
        for number in range(len(laid) // chunk):
            part = part_of(0, epoch, number, chunk, size)
            means += list(
                labels[laid[number * chunk : (number + 1) * chunk][part.order]].reshape(-1, size).mean(1)
            )
    return np.array(means)


def times_a_permutation(labels, rows, chunk, size, epochs=12):
    """How many times the variance that a permutation of the whole set gives."""
    n = len(labels)
    best = labels.var() / size * (n - size) / (n - 1)
    return ((batch_means(labels, rows, chunk, size, epochs) - labels.mean()) ** 2).mean() / best


def test_labels_in_no_order_vary_from_batch_to_batch_as_in_a_permutation():
    labels, rows = np.random.default_rng(0).normal(size=12800), np.full(128, 100)
    assert times_a_permutation(labels, rows, 1600, 32) == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("mixed", [8, 32, 128])
def test_labels_of_a_sorted_set_vary_no_more_than_is_told(mixed):
    """The worst there is: each block holds one label. The told bound is near what is measured."""
    labels, rows = np.repeat(np.random.default_rng(0).normal(size=128), 100), np.full(128, 100)
    told = shuffle_quality(rows, mixed * 100, 32)
    assert told.blocks == mixed
    measured = times_a_permutation(labels, rows, mixed * 100, 32)
    assert measured <= 1.15 * told.worst_variance  # the mean of few chunks is uncertain
    assert measured >= 0.6 * told.worst_variance - 1


def test_two_of_a_batch_are_of_one_block_as_often_as_is_told():
    rows, size = np.full(128, 100), 32
    told = shuffle_quality(rows, 1600, size)
    part = part_of(0, 0, 0, 1600, size)
    blocks = part.order.reshape(-1, size) // 100  # (k, n)
    pairs = (blocks[:, :, None] == blocks[:, None, :]).mean((1, 2))
    assert pairs.mean() == pytest.approx(told.same_block, abs=0.02)
    assert told.same_block_at_best == pytest.approx(1 / 128, rel=1e-3)


def test_a_share_of_blocks_is_held_out():
    rows = np.random.default_rng(0).integers(50, 150, 60)
    held = held_out(rows, np.arange(60), 0.25, seed=4)
    assert rows[held].sum() / rows.sum() == pytest.approx(0.25, abs=0.03)
    assert (held == held_out(rows, np.arange(60), 0.25, seed=4)).all()
    assert (held != held_out(rows, np.arange(60), 0.25, seed=5)).any()


@pytest.mark.parametrize(("share", "groups"), [(0.0, 5), (1.0, 5), (1.5, 5), (0.5, 1)])
def test_a_share_that_leaves_nothing_on_one_side_is_refused(share, groups):
    with pytest.raises(DataError, match="leaves data on both sides"):
        held_out(np.full(10, 3), np.arange(10) * groups // 10, share, 0)
