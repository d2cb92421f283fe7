"""A gradient step: its target by plain and Double Q-learning, its gradient by autodiff of the objective."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from deltarule.dqn.agent_state import Target
from deltarule.dqn.learn import gradient_step, learn_uniform, targets
from deltarule.dqn.rules import Rules
from deltarule.dqn.transitions import Transitions
from deltarule.layers import BatchNorm, Chain, Dense, Dueling, Tanh
from deltarule.layers.layer import Context
from deltarule.losses import Huber, SquaredError
from deltarule.optimizers import SGD
from deltarule.training.step import Step

NET = Chain(Dense(5), Tanh(), Dense(4), Dueling())


@pytest.fixture(autouse=True)
def in_float64():
    with jax.enable_x64(True):
        yield


def drawn(seed, net=NET, shape=(7,), kind=np.float64):
    """(params, a target network, transitions of 6 numbers seen)."""
    rng = np.random.default_rng(seed)
    params, old = (jax.tree.map(lambda a: rng.normal(size=a.shape), net.init(rng, (1, 6))) for _ in range(2))
    weight = rng.uniform(0.2, 1, shape)
    weight[..., 2] = 0
    seen = [rng.normal(size=(*shape, 6)) if kind == np.float64 else rng.integers(0, 256, (*shape, 6), kind)] * 2
    seen[1] = seen[1][..., ::-1]
    batch = Transitions(
        x=seen[0],
        action=rng.integers(0, net.shape((1, 6))[1], shape),
        gain=rng.normal(size=shape),
        after=seen[1],
        discount=np.where(rng.random(shape) < 0.3, 0.0, 0.9),
        weight=weight,
    )
    return jax.tree.map(jnp.asarray, (params, Target(old, net.memory((1, 6))), batch))


def start(step, params):
    state = step.init((1, 6), 0)
    return jax.tree.map(jnp.asarray, state._replace(params=params))


def q(params, x):
    """The network's equations in numpy."""
    h = np.tanh(np.asarray(x) @ params[0]["W"] + params[0]["b"])
    v = h @ params[2]["W"] + params[2]["b"]
    return v[:, :1] + v[:, 1:] - v[:, 1:].mean(1, keepdims=True)


def test_plain_and_double_targets_are_those_of_numpy():
    params, old, batch = drawn(0)
    step = Step(NET, Huber(), SGD(1.0))
    n = np.arange(7)
    theirs, ours = q(old.params, batch.after), q(params, batch.after)
    plain = batch.gain + batch.discount * theirs.max(1)
    double = batch.gain + batch.discount * theirs[n, ours.argmax(1)]
    state = start(step, params)
    np.testing.assert_allclose(targets(step, Rules(), state, old, batch), plain, rtol=1e-12)
    np.testing.assert_allclose(targets(step, Rules(double=True), state, old, batch), double, rtol=1e-12)
    differ = theirs.argmax(1) != ours.argmax(1)
    assert (differ & (np.asarray(batch.discount) > 0)).sum() >= 2
    assert np.abs(plain - double).max() > 0.1
    assert (double <= plain).all()


def test_a_target_network_goes_by_the_running_statistics_it_had():
    """Double's choice goes by those of now."""
    net = Chain(Dense(5), BatchNorm(), Tanh(), Dense(4), Dueling())
    params, old, batch = drawn(4, net)
    rng = np.random.default_rng(5)
    now, then = (
        ((), {"mean": rng.normal(size=5), "variance": rng.uniform(0.2, 3, 5)}, (), (), ()) for _ in range(2)
    )
    step = Step(net, Huber(), SGD(1.0))
    state, target = start(step, params)._replace(memory=now), old._replace(memory=then)

    def q(params, memory):
        h = np.asarray(batch.after) @ params[0]["W"] + params[0].get("b", 0)
        h = (h - memory[1]["mean"]) / np.sqrt(memory[1]["variance"] + net.layers[1].epsilon)
        h = np.tanh(h * params[1]["gamma"] + params[1]["beta"]) @ params[3]["W"] + params[3]["b"]
        return h[:, :1] + h[:, 1:] - h[:, 1:].mean(1, keepdims=True)

    theirs, ours = q(old.params, then), q(params, now)
    double = batch.gain + batch.discount * theirs[np.arange(7), ours.argmax(1)]
    plain = batch.gain + batch.discount * theirs.max(1)
    np.testing.assert_allclose(targets(step, Rules(), state, target, batch), plain, rtol=1e-10)
    np.testing.assert_allclose(targets(step, Rules(double=True), state, target, batch), double, rtol=1e-10)
    moved, _ = gradient_step(step, state, batch, plain)
    assert (np.asarray(moved.memory[1]["mean"]) != now[1]["mean"]).all()


def test_bytes_of_pictures_become_numbers_from_0_to_1():
    params, old, batch = drawn(0, kind=np.uint8)
    found = targets(Step(NET, Huber(), SGD(1.0)), Rules(), start(Step(NET, Huber(), SGD(1.0)), params), old, batch)
    expected = batch.gain + batch.discount * q(old.params, np.asarray(batch.after) / 255).max(1)
    np.testing.assert_allclose(found, expected, rtol=1e-5)  # divided in float32


@pytest.mark.parametrize(("loss", "double"), [(Huber(0.7), True), (SquaredError(), False)], ids=str)
def test_the_gradient_is_autodiffs_with_the_target_a_constant(loss, double):
    params, old, batch = drawn(1)
    step, rules = Step(NET, loss, SGD(1.0)), Rules(double=double)
    state = start(step, params)

    def objective(params):
        y = jax.lax.stop_gradient(targets(step, rules, state._replace(params=params), old, batch))
        out, _ = NET.forward(params, batch.x, Context())
        error = jnp.take_along_axis(out, batch.action[:, None], 1)[:, 0] - y
        c = getattr(loss, "threshold", None)
        each = error**2
        if c is not None:
            each = jnp.where(jnp.abs(error) > c, c * (jnp.abs(error) - c / 2), each / 2)
        return (batch.weight * each).sum() / batch.weight.sum()

    y = targets(step, rules, state, old, batch)
    moved, learned = jax.jit(lambda *given: gradient_step(step, *given))(state, batch, y)
    dparams = jax.tree.map(np.subtract, state.params, moved.params)  # the learning rate is 1
    value, expected = jax.jit(jax.value_and_grad(objective))(params)
    np.testing.assert_allclose(learned.loss, value, rtol=1e-12)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-13), dparams, expected)
    chosen = q(params, batch.x)[np.arange(7), batch.action]
    np.testing.assert_allclose(learned.q, np.average(chosen, weights=batch.weight), rtol=1e-12)
    np.testing.assert_allclose(learned.error, chosen - y, rtol=1e-12)


def test_a_derivative_through_the_target_would_be_another():
    """Were θ⁻ the network itself: the residual gradient, which is not taken."""
    params, _, batch = drawn(1)
    step = Step(NET, SquaredError(), SGD(1.0))
    state = start(step, params)
    y = targets(step, Rules(), state, Target(params, state.memory), batch)
    moved, _ = gradient_step(step, state, batch, y)
    dparams = jax.tree.map(jnp.subtract, params, moved.params)

    def residual(params):
        y = targets(step, Rules(), state, Target(params, state.memory), batch)
        out = NET.predict(params, batch.x, ((), (), (), ()))
        error = jnp.take_along_axis(out, batch.action[:, None], 1)[:, 0] - y
        return (batch.weight * error**2).sum() / batch.weight.sum()

    others = jax.tree.map(jnp.subtract, dparams, jax.grad(residual)(params))
    assert max(float(jnp.abs(a).max()) for a in jax.tree.leaves(others)) > 0.1


@pytest.mark.parametrize("double", [False, True])
def test_gradient_steps_in_a_row_are_each_from_where_the_last_came(double):
    params, old, batches = drawn(2, shape=(3, 7))
    step, rules = Step(NET, Huber(), SGD(1.0)), Rules(double=double, gradient_steps=3)
    state = start(step, params)
    found, learned = learn_uniform(step, rules, state, old, batches)
    losses = []
    for k in range(3):
        batch = jax.tree.map(lambda a, k=k: a[k], batches)
        state, told = gradient_step(step, state, batch, targets(step, rules, state, old, batch))
        losses.append(told.loss)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-10), found.params, state.params)
    np.testing.assert_allclose(learned.loss, losses, rtol=1e-10)
    assert int(found.step) == 3


def test_a_batch_of_last_observations_alone_moves_nothing():
    params, old, batch = drawn(3)
    step = Step(NET, Huber(), SGD(1.0))
    state = start(step, params)
    nothing = batch._replace(weight=0 * batch.weight)
    moved, learned = gradient_step(step, state, nothing, targets(step, Rules(), state, old, nothing))
    jax.tree.map(np.testing.assert_array_equal, moved.params, state.params)
    assert float(learned.loss) == 0
