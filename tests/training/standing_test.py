"""Which epoch is the best, where a loss is NaN; and that a part without any weight is no judge of it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import deltarule as dr
from deltarule.errors import DataError
from deltarule.training.history import History
from deltarule.training.population import Population, Rows, after, begun
from deltarule.training.run import Settings, run
from deltarule.training.standing import Standing
from training.problem import batch, fresh, step

NAN = float("nan")
LOSSES = [
    ([NAN, 0.5, 0.4, 0.6], 3, 0.4),
    ([NAN, NAN], 1, float("inf")),
    ([0.5, NAN, 0.6], 1, 0.5),
]
every_course = pytest.mark.parametrize(("losses", "best_epoch", "best_loss"), LOSSES)


@every_course
def test_a_loss_that_is_nan_is_worse_than_any_number(losses, best_epoch, best_loss):
    state = fresh(step())
    at = Standing(True, History(), state, state)
    for epoch, loss in enumerate(losses, 1):
        at.close_epoch(state._replace(epoch=epoch), {"epoch": epoch, "loss": 1.0, "validation_loss": loss})
    assert (at.history.best_epoch, at.best.epoch, at.best_loss) == (best_epoch, best_epoch, best_loss)


@every_course
def test_a_member_of_a_population_judges_as_a_run_does(losses, best_epoch, best_loss):
    state = fresh(step())
    settings = Settings(epochs=4, batch_size=4, restore_best=True)
    member = jax.tree.map(lambda a: jnp.asarray(a)[0], begun([state], settings))
    for loss in losses:
        member = after(member, state, jnp.array([1.0, loss, 0.0]), jnp.int32(4))
    assert (int(member.best_epoch), float(member.best_loss)) == (best_epoch, np.float32(best_loss))


def weightless(n, seed=0):
    return batch(n, seed)._replace(weight=jnp.zeros(n))


def test_a_part_of_which_all_weights_are_zero_is_refused():
    ours, settings = step(), Settings(epochs=1, batch_size=4)
    with pytest.raises(DataError, match=r"^fit: held-out examples: expected .* weight above 0, but all 6 have 0"):
        run(ours, fresh(ours), batch(), weightless(6), settings)
    with pytest.raises(DataError, match=r"^fit: training examples: expected .* all 10 have 0"):
        run(ours, fresh(ours), weightless(10), None, settings)
    with pytest.raises(DataError, match=r"^fit: held-out examples: .* all 6 have 0"):
        Population(ours, begun([fresh(ours)], settings), batch(), weightless(6), settings)


def test_each_members_own_held_out_rows_have_a_weight():
    ours, settings = step(), Settings(epochs=1, batch_size=4)
    data = batch()._replace(weight=jnp.ones(10).at[:5].set(0))
    pairs = [(np.arange(5, 10), np.arange(5)), (np.arange(5), np.arange(5, 10))]
    rows = Rows(*(np.stack(side).astype(np.int32) for side in zip(*pairs, strict=True)))
    with pytest.raises(DataError, match=r"^fit: held-out examples: .* all 5 have 0"):
        Population(ours, begun([fresh(ours)] * 2, settings), data, None, settings, rows)


def test_a_share_that_is_held_out_without_weight_is_refused_in_a_fit():
    x = np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32)
    y, weight = (x.sum(1) > 0).astype(int), np.eye(20)[0]  # whichever part has the one that counts
    net = dr.Chain(dr.Dense(4), dr.Tanh(), dr.Dense(2))
    model = dr.Model(net, loss=dr.SoftmaxCrossEntropy(), optimizer=dr.SGD(0.1))
    with pytest.raises(DataError, match=r"fit: (held-out|training) examples: expected an example with a weight"):
        model.fit(x, y, epochs=1, validation=0.25, sample_weight=weight, patience=2)
