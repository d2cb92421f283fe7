"""The order of the examples: exact, uniform, and another one every epoch."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from deltarule.training.shuffle import in_order, permutation, with_replacement

KEY = jnp.array([0, 7], jnp.uint32)


def orders(n, count, over):
    """`count` permutations of n: of the first so many seeds, or of one seed's first so many epochs."""
    moving = np.arange(count, dtype=np.uint32)
    keys = np.stack([0 * moving, moving], axis=1) if over == "seeds" else np.tile(KEY, (count, 1))
    epochs = moving if over == "epochs" else 0 * moving
    return np.asarray(jax.jit(jax.vmap(lambda key, epoch: permutation(key, epoch, n)))(keys, epochs))


def uniform(counts):
    """Equal frequencies are not refuted; the seeds are fixed, so neither is this test by chance."""
    assert stats.chisquare(counts).pvalue > 1e-3


over_seeds_and_epochs = pytest.mark.parametrize("over", ["seeds", "epochs"])


@pytest.mark.parametrize("start", range(1, 201, 25))
def test_every_number_once_for_every_n(start):
    sizes = range(start, start + 25)
    made = jax.jit(lambda key: [permutation(key, 3, n) for n in sizes])(KEY)
    for n, order in zip(sizes, made, strict=True):
        assert sorted(order.tolist()) == list(range(n))


def test_every_number_once_for_many():
    order = jax.jit(lambda key: permutation(key, 0, 1_000_003))(KEY)
    np.testing.assert_array_equal(np.sort(order), np.arange(1_000_003))


@over_seeds_and_epochs
def test_all_permutations_of_five_are_as_likely(over):
    _, counts = np.unique(orders(5, 24_000, over), axis=0, return_counts=True)
    assert len(counts) == 120
    uniform(counts)


@over_seeds_and_epochs
def test_each_example_is_as_likely_at_every_place(over):
    made = orders(101, 20_200, over)
    for example in (0, 50, 100):
        uniform(np.bincount((made == example).argmax(1), minlength=101))


@over_seeds_and_epochs
def test_neighbours_are_as_likely_at_every_distance(over):
    made = orders(101, 2_000, over)
    distances = np.diff(made, axis=1) % 101
    uniform(np.bincount(distances.ravel(), minlength=101)[1:])


@over_seeds_and_epochs
def test_each_pair_is_as_likely_to_come_first(over):
    first, second = orders(12, 13_200, over)[:, :2].T
    counts = np.bincount(12 * first + second, minlength=144).reshape(12, 12)
    assert (np.diagonal(counts) == 0).all()
    uniform(counts[~np.eye(12, dtype=bool)])


def test_one_order_says_nothing_about_the_next():
    """The place of an example in two epochs in a row."""
    made = orders(64, 2_000, "epochs").argsort(1)
    assert abs(stats.pearsonr(made[:-1].ravel(), made[1:].ravel()).statistic) < 0.01


def test_the_same_key_and_epoch_give_the_same_order_and_others_another():
    order = permutation(KEY, 0, 101)
    np.testing.assert_array_equal(permutation(KEY, jnp.int32(0), 101), order)
    for key, epoch in ((KEY, 1), (KEY.at[0].set(1), 0), (KEY.at[1].set(8), 0)):
        assert not np.array_equal(permutation(key, epoch, 101), order)


def test_draws_with_replacement_are_in_range_uniform_and_new_each_epoch():
    made = jax.jit(jax.vmap(lambda epoch: with_replacement(KEY, epoch, 101)))(jnp.arange(200))
    uniform(np.bincount(made.ravel(), minlength=101))
    assert len(np.unique(made, axis=0)) == 200
    assert max(len(np.unique(draws)) for draws in made) < 101


def test_in_order_is_in_order():
    assert in_order(KEY, 5, 4).tolist() == [0, 1, 2, 3]
