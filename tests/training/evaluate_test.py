"""Predictions and evaluation: every row once, whatever their number, in few programs."""

import jax
import numpy as np
import pytest

import deltarule as dr
from deltarule.errors import ShapeError
from deltarule.layers.layer import Context
from deltarule.losses import SoftmaxCrossEntropy, SquaredError
from deltarule.training import evaluate
from training.problem import NET, batch, close, fresh, rows, step


@pytest.fixture
def small_blocks(monkeypatch):
    """Sixteen rows at a time; programs made with another size are forgotten before and after."""
    monkeypatch.setattr(evaluate, "ROWS", 16)
    evaluate.evaluation_program.cache_clear()
    yield
    evaluate.evaluation_program.cache_clear()


@pytest.mark.parametrize("n", [1, 7, 16, 17, 40])
@pytest.mark.usefixtures("small_blocks")
def test_every_row_is_predicted(n):
    state, data = fresh(step()), batch(40)
    loss = SoftmaxCrossEntropy()
    got = evaluate.predict(NET, loss, state.params, state.memory, np.asarray(data.x[:n]), "float32")
    expected = loss.predict(NET.predict(state.params, data.x, state.memory))
    close(got, expected[:n], rtol=1e-6)


def test_blocks_of_many_sizes_share_few_programs():
    state, loss = fresh(step()), SquaredError()
    program = evaluate.prediction_program(NET, loss, "float32")
    program.clear_cache()
    for n in range(1, 70):
        evaluate.predict(NET, loss, state.params, state.memory, np.zeros((n, 4), np.float32), "float32")
    assert program._cache_size() == 5  # 8, 16, 32, 64, 128 rows


@pytest.mark.parametrize("n", [10, 16, 40])
@pytest.mark.usefixtures("float64", "small_blocks")
def test_loss_and_metric_are_those_of_all_rows_at_once(n):
    state, data, loss = fresh(step()), batch(n), SquaredError()
    got = evaluate.evaluation_program(NET, loss, "float32")(state.params, state.memory, data)
    y = NET.predict(state.params, data.x, state.memory)
    value = jax.jit(loss.__call__)(y, data.target, data.weight / data.weight.sum())[0]
    close(got, (value, jax.jit(loss.metric)(y, data.target, data.weight)))


@pytest.mark.usefixtures("float64")
def test_weight_two_is_the_example_twice():
    state, data = fresh(step()), batch(10)
    ones = data._replace(weight=np.ones(10))
    heavy = ones._replace(weight=np.array([2.0] + [1.0] * 9))
    program = evaluate.evaluation_program(NET, SquaredError(), "float32")
    got = program(state.params, state.memory, heavy)
    close(got, program(state.params, state.memory, rows(ones, [0, *range(10)])))


def remembering(sequences=5):
    """A model whose state of each sequence is carried on, and what it was trained on."""
    x = np.random.default_rng(0).normal(size=(sequences, 4, 2)).astype(np.float32)
    net = dr.Chain(dr.Recurrent(dr.GRU(3), carry=True), dr.Dense(1))
    model = dr.Model(net, loss=SquaredError(), optimizer=dr.SGD(0.01))
    model.fit(x, x[..., :1], epochs=2, batch_size=sequences)
    return model, x


def test_sequences_whose_states_are_carried_are_predicted_as_many_as_were_trained_on():
    model, x = remembering()
    expected, _ = model.net.advance(model.state.params, x, Context(memory=model.state.memory))
    close(model.predict(x), expected, rtol=1e-5)
    with pytest.raises(ShapeError, match=r"that of 5 sequences, and the input has 3; go on with the same"):
        model.predict(x[:3])


@pytest.mark.usefixtures("small_blocks")
def test_more_of_them_than_a_block_holds_stay_together():
    model, x = remembering(20)
    assert model.predict(x).shape == (20, 4, 1)
    assert model.evaluate(x, x[..., :1])["loss"] > 0
