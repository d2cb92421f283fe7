"""A member of a population is what it would be alone, whatever becomes of the others."""

import jax
import numpy as np
import pytest

import deltarule as dr
from deltarule.training.population import DROPPED, LOST, Population, Rows, begun
from deltarule.training.run import Settings, run
from deltarule.training.step import Batch, Step

RATES = (1e-3, 3e-3, 1e-2, 3e-2, 0.1)
DENSE = dr.Chain(dr.Dense(16), dr.ReLU(), dr.Dropout(0.3), dr.Dense(3))
NORMALISED = dr.Chain(dr.Dense(16), dr.BatchNorm(), dr.Tanh(), dr.Dense(3))
IMAGES = dr.Chain(dr.Reshape(4, 3, 1), dr.Convolution(4, 3), dr.ReLU(), dr.Flatten(), dr.Dense(3))


def examples(n: int, seed: int = 0) -> Batch:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 12)).astype(np.float32)
    return Batch(x, (x[:, :3] + rng.normal(size=(n, 3))).argmax(1).astype(np.int32), np.ones(n, np.float32))


def members(net, optimizer=dr.Adam, **settings):
    """(steps, states) that differ in learning rate, L2 and seed."""
    steps = [
        Step(net, dr.SoftmaxCrossEntropy(), optimizer(rate), dr.L2(1e-3 * (i + 1)), **settings)
        for i, rate in enumerate(RATES)
    ]
    return steps, [step.init((1, 12), seed) for seed, step in enumerate(steps)]


def assert_same_bits(tree, other):
    for a, b in zip(*map(jax.tree.leaves, (tree, other)), strict=True):
        np.testing.assert_array_equal(np.asarray(a), np.asarray(b))


def assert_equal(member, alone):
    """The same bits in every parameter; figures agree to rounding, since they are summed in another loop."""
    (state, history), (other, expected) = member, alone
    for a, b in zip(
        *map(jax.tree.leaves, ((state.params, state.memory), (other.params, other.memory))), strict=True
    ):
        np.testing.assert_array_equal(np.asarray(a), np.asarray(b))
    assert (history.best_epoch, history.ended) == (expected.best_epoch, expected.ended)
    for name in ("loss", "validation_loss", "validation_accuracy"):
        np.testing.assert_allclose(history[name], expected[name], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("net", [DENSE, NORMALISED, IMAGES], ids=["dense", "normalised", "images"])
def test_a_member_is_bit_equal_to_its_run_alone(net):
    steps, states = members(net)
    data, validation, settings = examples(100), examples(30, 1), Settings(epochs=7, batch_size=32, patience=2)
    population = Population(steps[0], begun(states, settings), data, validation, settings)
    population.advance(3)
    population.advance(7)
    for step, state, found in zip(steps, states, population.results(), strict=True):
        assert_equal(found, run(step, state, data, validation, settings))


def test_float16_and_its_scale_move_as_alone():
    steps, states = members(DENSE, clip_norm=1.0, precision="float16")
    data, settings = examples(64), Settings(epochs=3, batch_size=16)
    population = Population(steps[0], begun(states, settings), data, None, settings)
    population.advance(3)
    for step, state, (found, _) in zip(steps, states, population.results(), strict=True):
        alone, _ = run(step, state, data, None, settings)
        assert_same_bits(found, alone)


def test_windows_of_a_recurrent_network_move_as_alone():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(10, 12, 2)).astype(np.float32)
    data = Batch(x, x.sum(-1, keepdims=True), np.ones(10, np.float32))
    net = dr.Chain(dr.Recurrent(dr.GRU(3)), dr.Dense(1))
    steps = [Step(net, dr.SquaredError(), dr.SGD(rate)) for rate in RATES]
    states = [step.init(x.shape, seed) for seed, step in enumerate(steps)]
    settings = Settings(epochs=2, batch_size=4, window=5)
    population = Population(steps[0], begun(states, settings), data, None, settings)
    population.advance(2)
    for step, state, (found, _) in zip(steps, states, population.results(), strict=True):
        alone, _ = run(step, state, data, None, settings)
        assert_same_bits(found.params, alone.params)


def test_each_member_may_have_its_own_examples():
    steps, states = members(DENSE)
    data, settings = examples(60), Settings(epochs=2, batch_size=16)
    orders = np.stack([np.random.default_rng(i).permutation(60) for i in range(len(steps))]).astype(np.int32)
    rows = Rows(orders[:, :45], orders[:, 45:])
    population = Population(steps[0], begun(states, settings), data, None, settings, rows)
    population.advance(2)
    for step, state, order, found in zip(steps, states, orders, population.results(), strict=True):
        training, held_out = (jax.tree.map(lambda a, r=r: a[r], data) for r in (order[:45], order[45:]))
        assert_equal(found, run(step, state, training, held_out, settings))


def test_a_member_that_is_lost_keeps_its_last_good_parameters_and_the_others_go_on():
    steps, states = members(dr.Chain(dr.Dense(8), dr.Dense(3)), optimizer=dr.SGD)
    states[2].numbers["learning_rate"] = jax.tree.map(
        lambda _: np.float32(1e30), states[0].numbers["learning_rate"]
    )
    data, validation, settings = examples(64), examples(30, 1), Settings(epochs=4, batch_size=16)
    population = Population(steps[0], begun(states, settings), data, validation, settings)
    population.advance(4)
    assert population.ended.tolist() == [0, 0, LOST, 0, 0]
    results = population.results()
    state, history = results[2]
    assert history.ended == "its loss was lost"
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(state.params))
    assert_equal(results[3], run(steps[3], states[3], data, validation, settings))


def test_dropped_members_stay_and_the_others_are_what_they_were():
    steps, states = members(DENSE)
    data, validation, settings = examples(100), examples(30, 1), Settings(epochs=6, batch_size=32)
    population = Population(steps[0], begun(states, settings), data, validation, settings)
    population.advance(2)
    population.drop(np.array([True, False, True, False, False]))
    population.advance(6)
    assert population.ended.tolist() == [DROPPED, 0, DROPPED, 0, 0]
    results = population.results()
    assert [len(history.rows) for _, history in results] == [2, 6, 2, 6, 6]
    assert results[0][1].ended == "others were better"
    for m in (1, 3, 4):
        assert_equal(results[m], run(steps[m], states[m], data, validation, settings))


def test_two_rounds_compile_one_program(caplog):
    steps, states = members(dr.Chain(dr.Dense(7), dr.Dense(3)))
    settings = Settings(epochs=9, batch_size=16)
    population = Population(steps[0], begun(states, settings), examples(40), None, settings)
    with jax.log_compiles():
        for until in (1, 3, 9):
            population.advance(until)
            population.drop(population.figures[:, 0, 0] > 1e9)
    compiled = [
        record for record in caplog.records if "Finished XLA compilation of jit(share)" in record.getMessage()
    ]
    assert len(compiled) == 1
