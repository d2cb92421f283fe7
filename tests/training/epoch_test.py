"""The epoch: its steps, the smaller one at its end, and that equal settings share one program."""

from dataclasses import dataclass

import jax
import numpy as np
import pytest

from deltarule.layers import Chain, Dense, Identity
from deltarule.optimizers import SGD, Adam
from deltarule.training.epoch import epoch_program
from deltarule.training.shuffle import ORDERS
from training.problem import NET, RATE, batch, close, fresh, rows, step


@dataclass(frozen=True)
class Centred(Identity):
    """Each example less the mean of its batch: an example more or less would be seen."""

    mixes_examples = True

    def forward(self, params, x, context):
        return x - x.mean(0), ()

    def backward(self, params, saved, dy):
        return dy - dy.mean(0), {}


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("n", [8, 10])
@pytest.mark.parametrize("net", [NET, Chain(Dense(3), Centred(), Dense(2))], ids=["apart", "mixed"])
@pytest.mark.usefixtures("float64")
def test_an_epoch_is_its_steps_made_by_hand(order, n, net):
    """Ten examples in batches of four: steps of 4, 4 and 2."""
    ours, data = step(net, optimizer=Adam(RATE)), batch(n)
    state = expected = fresh(ours)
    got, loss = epoch_program(ours, 4, order)(state, data)

    advance, reports = jax.jit(ours), []
    chosen = np.asarray(ORDERS[order](state.key, state.epoch, n))
    for start in range(0, n, 4):
        expected, report = advance(expected, rows(data, chosen[start : start + 4]))
        reports.append((report.loss, report.weight))
    close(got, expected._replace(epoch=expected.epoch + 1), rtol=1e-10)
    losses, weights = np.array(reports).T
    np.testing.assert_allclose(loss, (losses * weights).sum() / weights.sum(), rtol=1e-10)


def test_a_second_epoch_has_another_order():
    ours, data = step(), batch()
    program = epoch_program(ours, 4, "permutation")
    state = fresh(ours)
    first = program(state, data)[0]
    again = program(state._replace(epoch=state.epoch + 1), data)[0]
    assert not np.array_equal(first.params[0]["W"], again.params[0]["W"])


def test_equal_settings_share_one_program():
    assert epoch_program(step(), 4, "none") is epoch_program(step(), 4, "none")
    assert epoch_program(step(), 4, "none") is not epoch_program(step(), 5, "none")


def test_other_numbers_in_the_state_do_not_compile_again():
    ours, data = step(optimizer=SGD(0.5)), batch()
    program, state = epoch_program(ours, 3, "permutation"), fresh(ours)
    for rate in (0.5, 0.25):
        numbers = {**state.numbers, "learning_rate": {"rate": np.float32(rate)}}
        state = program(state._replace(numbers=numbers), data)[0]
    assert program._cache_size() == 1
