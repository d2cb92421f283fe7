"""The replay memory: a ring of rows, each observation kept once, of a size known before."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from deltarule.dqn.draws import words
from deltarule.dqn.replay import Rows, append, bytes_of, empty, place
from deltarule.dqn.rules import Rules
from deltarule.dqn.transitions import beginnings, draw
from deltarule.errors import SettingError


def numbered(start, count, e):
    """Rows of which every number tells its place in time and its environment."""
    t = np.arange(start, start + count)[:, None] * 10 + np.arange(e)  # (r, e)
    x = t[..., None] + np.array([0.25, 0.5, 0.75])
    return Rows(*map(jnp.asarray, (x.astype(np.float32), t.astype(np.int32), t / 8.0, (t % 4).astype(np.uint8))))


def test_the_ring_keeps_the_newest_rows_in_the_order_of_time():
    replay, add = jax.tree.map(jnp.asarray, empty(6, 2, (3,), "float32")), jax.jit(append)
    for turn in range(5):
        replay = add(replay, numbered(2 * turn, 2, 2))
        newest = 2 * turn + 2
        filled = min(newest, 6)
        assert int(replay.filled) == filled
        replay = jax.device_get(replay)
        order = place(replay, np.arange(filled))
        expected = numbered(newest - filled, filled, 2)
        jax.tree.map(np.testing.assert_array_equal, jax.tree.map(lambda a, at=order: a[at], replay.rows), expected)


@pytest.mark.parametrize("kind", ["float32", "uint8", "int32"])
def test_the_bytes_are_those_of_the_arrays(kind):
    rows = empty(7, 3, (5, 2), kind).rows
    assert bytes_of(7, 3, (5, 2), kind) == sum(a.nbytes for a in rows)
    assert rows.x.dtype == kind


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"n_step": 3},
        {"stack": 3},
        {"n_step": 2, "stack": 2},
        {"sequence": 3, "burn_in": 2, "n_step": 2},
        {"sequence": 2, "stack": 3},
    ],
    ids=str,
)
def test_every_place_with_enough_rows_before_and_behind_it_is_drawn_and_no_other(settings):
    """The ring of 12 rows is filled in part, and is written over in part."""
    rules = Rules(capacity=24, every=2, environments=2, warm_up=0, **settings)
    behind = rules.n_step if not rules.sequence else rules.burn_in + rules.sequence + rules.n_step - 1
    drawn = jax.jit(
        lambda replay: (draw(replay, rules, words(jax.random.key(0), (4000,))), beginnings(replay, rules))
    )
    for rows in (8, 11, 20):
        filled = min(rows, 12)
        replay = empty(rules.ring, 2, (3,), "float32")
        (row, environment), begins = drawn(replay._replace(head=np.int32(rows % 12), filled=np.int32(filled)))
        there = range(rows - filled, rows)
        can_be = {
            (t % 12, e) for t in there for e in (0, 1) if t - rules.stack + 1 in there and t + behind in there
        }
        found, counts = np.unique(np.stack([row, environment], 1), axis=0, return_counts=True)
        assert {(int(r), int(e)) for r, e in found} == can_be
        assert int(begins) * 2 == len(can_be)
        expected = 4000 / len(can_be)
        assert ((counts - expected) ** 2 / expected).sum() < len(can_be) + 6 * np.sqrt(2 * len(can_be))  # χ²


@pytest.mark.parametrize(
    ("capacity", "environments", "every", "ring"), [(24, 2, 2, 12), (25, 2, 4, 14), (100, 1, 7, 105)]
)
def test_the_ring_is_the_capacity_made_a_multiple_of_what_is_written_at_once(capacity, environments, every, ring):
    rules = Rules(capacity=capacity, environments=environments, every=every)
    assert rules.ring == ring
    assert rules.ring % rules.rows == 0
    assert rules.ring * environments >= capacity


def test_a_capacity_in_which_nothing_could_be_drawn_is_refused():
    rules = Rules(capacity=24, every=2, environments=2, n_step=3, stack=2)
    assert rules.needed == 12
    with pytest.raises(SettingError, match="capacity 11 is too small; a gradient step needs at least 12 steps"):
        Rules(capacity=11, every=2, environments=2, n_step=3, stack=2)
