"""A lost loss: which epoch, step and layer are named, and that the last good parameters are kept."""

from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
import pytest

from deltarule.errors import DivergedError
from deltarule.layers import Branch, Chain, Dense, Identity, ReLU, Residual, Tanh
from deltarule.losses import SquaredError
from deltarule.model import Model
from deltarule.optimizers import SGD


@dataclass(frozen=True)
class Reciprocal(Identity):
    """1 / x, which a zero in its input makes infinite."""

    def forward(self, params, x, context):
        return 1 / x, x

    def backward(self, params, saved, dy):
        return -dy / saved**2, {}


@dataclass(frozen=True)
class LostDelta(Identity):
    """The identity, but for a backward that a zero in its input spoils."""

    def forward(self, params, x, context):
        return x, x

    def backward(self, params, saved, dy):
        return dy + 0 / saved, {}


def data(zero_at=7):
    """Twelve positive examples, one of which is zero."""
    rng = np.random.default_rng(0)
    x = rng.uniform(0.5, 1.5, (12, 3)).astype(np.float32)
    x[zero_at] = 0
    return x, x.sum(1)


def message(net, zero_at=7, rate=0.01, **options):
    model = Model(net, SquaredError(), SGD(rate))
    with pytest.raises(DivergedError) as lost:
        model.fit(*data(zero_at), epochs=3, batch_size=4, order="none", **options)
    return str(lost.value)


@pytest.mark.parametrize(("zero_at", "step"), [(0, 1), (7, 2), (11, 3)])
def test_the_step_and_the_layer_that_overflowed_are_named(zero_at, step):
    told = message(Chain(ReLU(), ReLU(), Reciprocal(), Dense(1)), zero_at)
    assert f"epoch 1, step {step} of it: the output of layer 2 (Reciprocal) overflowed first" in told
    assert "smaller learning rate" in told


def test_a_step_in_the_remainder_is_named():
    model = Model(Chain(Reciprocal(), Dense(1)), SquaredError(), SGD(0.01))
    with pytest.raises(DivergedError, match=r"epoch 1, step 3 of it: the output of layer 0 \(Reciprocal\)"):
        model.fit(*data(11), epochs=2, batch_size=5, order="none")


def test_a_lone_layer_is_named():
    x, _ = data()
    with pytest.raises(DivergedError, match=r"the output of layer 0 \(Reciprocal\) overflowed first"):
        Model(Reciprocal(), SquaredError()).fit(x, x, epochs=1, batch_size=4)


def test_layers_inside_containers_are_named_by_their_path():
    net = Chain(Branch(Identity(), Chain(ReLU(), Reciprocal())), Residual(Dense(6)), Dense(1))
    assert "the output of layer 0.1.1 (Reciprocal) overflowed first" in message(net)


def test_the_layer_whose_backward_lost_delta_is_named():
    told = message(Chain(Dense(3, bias=False), Tanh(), LostDelta(), Dense(1)))
    assert "epoch 1, step 2" in told
    assert "layer 2 (LostDelta)" in told


def test_micro_batches_are_no_hindrance():
    told = message(Chain(ReLU(), Reciprocal(), Dense(1)), micro_batches=2)
    assert "step 2 of it: the output of layer 1 (Reciprocal)" in told


def test_an_exploding_rate_names_the_first_layer_that_overflows():
    told = message(Chain(Dense(4), ReLU(), Dense(1)), rate=1e30)
    assert "epoch 1, step 2 of it: the output of layer " in told
    assert "(Dense) overflowed first" in told


def test_the_model_keeps_its_last_good_parameters_and_can_go_on():
    x, y = data()
    model = Model(Chain(Dense(4), Tanh(), Dense(1)), SquaredError(), SGD(0.05))
    model.fit(x, y, epochs=2, batch_size=4)
    before = model.predict(x)
    model.optimizer = SGD(1e30)
    with pytest.raises(DivergedError, match="keeps its parameters from before"):
        model.fit(x, y, epochs=2, batch_size=4)
    np.testing.assert_array_equal(model.predict(x), before)
    model.optimizer = SGD(0.05)
    assert model.fit(x, y, epochs=2, batch_size=4)["loss"][-1] < 10


def test_a_run_that_diverges_later_keeps_the_epoch_before():
    """The rate is harmless until the parameters are large: |1 − 2 α x²| is 3 at x = 1, α = 2."""
    x = np.ones((4, 1), np.float32)
    model = Model(Dense(1, bias=False), SquaredError(), SGD(2.0))
    with pytest.raises(DivergedError, match=r"epoch \d+, step 1 of it"):
        model.fit(x, x, epochs=200, batch_size=4)
    rows = len(model.history.rows)
    assert 20 < rows < 200
    assert model.history["loss"] == sorted(model.history["loss"])
    assert jnp.isfinite(model.state.params["W"]).all()
    assert np.isfinite(model.predict(x)).all()
