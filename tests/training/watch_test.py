"""What is watched: every figure against autodiff or NumPy, and a run without it is as it was."""

import json
from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from contract_test import EXAMPLES, case
from deltarule.errors import SettingError
from deltarule.layers import (
    GRU,
    LSTM,
    BatchNorm,
    Branch,
    Chain,
    Convolution,
    Dense,
    Dropout,
    Embedding,
    Flatten,
    LayerNorm,
    Recompute,
    Recurrent,
    ReLU,
    Residual,
    Sigmoid,
    Tanh,
    TimeDistributed,
)
from deltarule.layers.layer import Context, inner_layers
from deltarule.loading import load
from deltarule.losses import SquaredError
from deltarule.model import Model
from deltarule.optimizers import SGD, RMSProp
from deltarule.training.epoch import epoch_program
from deltarule.training.figures import FLAT, noise
from deltarule.training.precision import Scale
from deltarule.training.step import Batch, Step
from deltarule.training.watch import WATCHES, Watch, chosen
from training.problem import close, fresh

ALONE = [
    (layer, shape)
    for layer, shape in EXAMPLES
    if not inner_layers(layer) and not layer.mixes_examples and not layer.draws and layer.cost(shape).parameters
]
ALONE += [(Dense(9), (3, 2, 8)), (Embedding(9, 4), (5, 3))]  # rows that are few beside the parameters


def figures(step, state, batch, *, steps=1, names=None):
    """The row of figures of one step from `state`, as `fit` tells it of an epoch."""
    watch = Watch.of(step, chosen(names or ("all",), step.net, state.params), state, batch.x.shape)
    state = state._replace(watched=watch.zeros)
    for _ in range(steps):
        state, _ = jax.jit(watch.step)(state, batch)
    return watch.row(*jax.device_get(watch.sums(state)))


def problem(net, x, weight=None, seed=0, **options):
    """(step, state, batch) in float64."""
    rng = np.random.default_rng(seed)
    step = Step(net, SquaredError(), options.pop("optimizer", SGD(0.125)), **options)
    x = jnp.asarray(rng.normal(size=x)) if isinstance(x, tuple) else x
    y = net.shape(x.shape)
    target = rng.normal(size=y)
    weight = rng.uniform(0.5, 2, len(x)) if weight is None else weight
    return step, fresh(step, x.shape, seed), Batch(x, jnp.asarray(target), jnp.asarray(weight))


def example_gradients(step, state, batch):
    """[(the parameters' gradient of Σ_n w_n ℓ_n for example n alone)], by autodiff, (n, ...) each."""
    share, _ = step.loss.shares(batch.target, batch.weight)

    def loss(params, one):
        x, target, weight, mask = jax.tree.map(lambda a: a[None], one)
        y, _ = step.net.forward(params, x, Context(memory=state.memory, mask=mask))
        return step.loss(y, target, weight)[0]

    one = (batch.x, batch.target, share, batch.mask)
    return jax.jit(jax.vmap(jax.grad(loss), (None, 0)))(state.params, one)


def norms(tree, n):
    """(n,), over all parameters of a tree of (n, ...)."""
    return np.sqrt(sum((np.asarray(leaf).reshape(n, -1) ** 2).sum(1) for leaf in jax.tree.leaves(tree)))


def sizes(params):
    """(l,), ‖θ^l‖ of each layer that learns."""
    return [
        np.sqrt(sum((np.asarray(d) ** 2).sum() for d in part.values())) for part in layers_with_parameters(params)
    ]


def layers_with_parameters(tree):
    """The dicts of a tree of parameters that hold any, in order."""
    return [part for part in jax.tree.leaves(tree, is_leaf=lambda t: isinstance(t, dict)) if part]


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize(("layer", "shape"), ALONE, ids=str)
def test_the_norms_of_examples_are_those_of_their_own_gradients(layer, shape):
    tried = case(layer, shape)
    params, x, context, dy = tried.params, tried.x, tried.context, tried.dy

    def both(params, x, dy, memory):
        def output(params, x, dy, memory):
            y, _ = layer.forward(params, x[None], Context(memory=jax.tree.map(lambda a: a[None], memory)))
            return jnp.vdot(y, dy)

        gradients = jax.vmap(jax.grad(output), (None, 0, 0, 0))(params, x, dy, memory)
        rows = [a[:, None] for a in (x, dy)]
        here = Context(memory=jax.tree.map(lambda a: a[:, None], memory))
        return layer.example_norms(params, *rows, here), gradients

    got, gradients = jax.jit(both)(params, x, dy, context.memory)
    np.testing.assert_allclose(got, norms(gradients, shape[0]) ** 2, rtol=1e-10)


NETS = {
    "nested": (Chain(Dense(4), Recompute(Tanh(), Dense(3)), Sigmoid(), Dense(2)), (6, 5)),
    "side by side": (
        Chain(Branch(Dense(3), Chain(Dense(2), Tanh())), Residual(Dense(4)), LayerNorm(), Dense(2)),
        (6, 5),
    ),
    "in time": (Chain(Recurrent(GRU(3)), Dense(4), Tanh(), Recurrent(LSTM(3), last=True), Dense(2)), (4, 3, 2)),
    "folded time": (Chain(TimeDistributed(Chain(Dense(3), Tanh(), LayerNorm())), Flatten(), Dense(2)), (4, 3, 2)),
    "images": (Chain(Convolution(3, 2), ReLU(), Dropout(0.3), Flatten(), Dense(2)), (4, 3, 4, 2)),
}


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("parts", [1, 2])
def test_of_one_step_in_three_the_figures_are_the_means_over_these_steps(parts):
    net, x = NETS["images"]
    step, state, batch = problem(net, x, optimizer=RMSProp(0.01), micro_batches=parts)
    watch = Watch.of(step, chosen(["all"], Chain(*net.layers[:2]), state.params), state, batch.x.shape, every=3)
    assert "update" in watch.layers
    state = state._replace(watched=watch.zeros, step=jnp.int32(5))  # the first, and those of number 6, 9 and 12
    plain, told = state._replace(watched=None), []
    for k in range(5, 13):
        if k in (5, 6, 9, 12):
            once = Watch.of(step, tuple(watch.layers), plain, batch.x.shape)
            moved, _ = jax.jit(once.step)(plain._replace(watched=once.zeros), batch)
            told.append(moved.watched)
        state, _ = jax.jit(watch.step)(state, batch)
        plain, _ = jax.jit(step)(plain, batch)
    jax.tree.map(lambda a, *each: np.testing.assert_allclose(a, sum(each), rtol=1e-9), state.watched, *told)
    close(state.params, plain.params, 1e-12)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("name", NETS)
def test_gradients_of_the_network_and_of_its_examples_are_those_by_autodiff(name):
    net, x = NETS[name]
    if net.draws:
        net = Chain(*(layer for layer in net.layers if not layer.draws))
    step, state, batch = problem(net, x, weight=[1, 0, *range(1, x[0] - 1)])
    row, n = figures(step, state, batch, names=("gradient", "example_norms", "noise")), x[0]
    each = example_gradients(step, state, batch)
    layers = layers_with_parameters(each)
    whole = sizes(jax.tree.map(lambda d: d.sum(0), each))
    np.testing.assert_allclose(list(row["gradient"].values()), whole, rtol=1e-10)
    expected = [norms(layer, n).sum() for layer in layers] + [norms(each, n).sum()]
    np.testing.assert_allclose(list(row["example_norms"].values()), expected, rtol=1e-10)
    assert list(row["example_norms"])[:-1] == list(row["gradient"])

    p = np.asarray(batch.weight / batch.weight.sum())
    counted, q = p > 0, (p**2).sum()
    mean_square = (norms(each, n)[counted] ** 2 / p[counted]).sum()
    of_mean = (np.square(whole)).sum()
    variance = (mean_square - of_mean) / (1 - q)
    signal = of_mean - q * variance
    assert row["noise"] == (pytest.approx(variance / signal, rel=1e-8) if signal > 0 else None)


def test_noise_is_unbiased():
    """Of random gradients with a known mean and covariance, in batches whose weights differ, and sum up to 2."""
    rng, p = np.random.default_rng(0), np.array([0.1, 0.2, 0.3, 0.4])
    mean, deviation = np.array([1.0, -2.0, 0.5]), np.array([2.0, 0.5, 1.0])
    g = mean + deviation * rng.normal(size=(40_000, 4, 3))  # (batch, n, i)
    parts = p[:, None] * g  # of the batch's gradient
    squares = ((parts**2).sum(2) / (2 * p)).sum(1)
    of_mean = (parts.sum(1) ** 2).sum(1)
    variance, signal = jax.vmap(noise, (None, 0, 0))(jnp.asarray(2 * p), squares, of_mean).mean(0)
    assert variance == pytest.approx((deviation**2).sum(), rel=0.02)
    assert signal == pytest.approx((mean**2).sum(), rel=0.02)


@pytest.mark.usefixtures("float64")
def test_delta_is_the_derivative_with_respect_to_each_output():
    net = Chain(Dense(4), Tanh(), Residual(Chain(Dense(3), Sigmoid())), Dense(2))
    step, state, batch = problem(net, (6, 5))
    share, _ = step.loss.shares(batch.target, batch.weight)
    W, _, ((inner, _), past), last = state.params

    def loss(added):
        h = jnp.tanh(batch.x @ W["W"] + W["b"] + added[0]) + added[1]
        f = jax.nn.sigmoid(h @ inner["W"] + inner["b"] + added[2]) + added[3]
        y = (f + h @ past["W"] + added[4]) @ last["W"] + last["b"] + added[5]
        return step.loss(y, batch.target, share)[0]

    shapes = [(6, 4), (6, 4), (6, 3), (6, 3), (6, 3), (6, 2)]
    expected = [jnp.linalg.norm(d) for d in jax.jit(jax.grad(loss))([jnp.zeros(shape) for shape in shapes])]
    row = figures(step, state, batch, names=("delta",))["delta"]
    assert list(row) == [
        "layer 0 (Dense)",
        "layer 1 (Tanh)",
        "layer 2.0.0 (Dense)",
        "layer 2.0.1 (Sigmoid)",
        "layer 2.1 (Dense)",
        "layer 3 (Dense)",
    ]
    np.testing.assert_allclose(list(row.values()), expected, rtol=1e-10)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("micro_batches", [1, 3])
def test_updates_and_means_over_steps_are_recomputed(micro_batches):
    net = Chain(Dense(4), Tanh(), Dense(2))
    step, state, batch = problem(net, (7, 5), optimizer=RMSProp(0.01), micro_batches=micro_batches)
    row = figures(step, state, batch, steps=3)
    plain = replace(step, micro_batches=1)
    moves, deltas = [], []
    for _ in range(3):
        deltas.append(list(figures(plain, state, batch, names=("delta",))["delta"].values()))
        after, _ = jax.jit(plain)(state, batch)
        moves.append(sizes(jax.tree.map(jnp.subtract, after.params, state.params)))
        state = after
    np.testing.assert_allclose(list(row["update"].values()), np.mean(moves, 0) / sizes(state.params), rtol=1e-8)
    np.testing.assert_allclose(list(row["delta"].values()), np.mean(deltas, 0), rtol=1e-8)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("micro_batches", [1, 2])
def test_saturated_and_dead_are_shares_of_what_counts(micro_batches):
    """The examples of weight 0 would saturate every unit, and wake every dead one."""
    x = np.array([[-9.0, 1, 4.2], [-1, -2, 7], [-3, -2, 3], [50, 60, 70]])
    net = Chain(Dense(3, bias=False), Branch(ReLU(), Sigmoid(), Tanh()))
    step, state, batch = problem(net, jnp.asarray(x), weight=[1, 2, 1, 0], micro_batches=micro_batches)
    state = state._replace(params=({"W": jnp.eye(3)}, state.params[1]))
    row, x = figures(step, state, batch, names=("saturated", "dead")), x[:3]
    s = 1 / (1 + np.exp(-x))
    flat = [(s * (1 - s) < FLAT).mean(), (1 - np.tanh(x) ** 2 < FLAT).mean()]
    assert row["saturated"] == pytest.approx(
        dict(zip(("layer 1.1 (Sigmoid)", "layer 1.2 (Tanh)"), flat, strict=True))
    )
    assert 0 < flat[0] < flat[1] < 1
    assert row["dead"] == {
        "layer 1.0 (ReLU)": pytest.approx(1 / 3),
        "layer 1.1 (Sigmoid)": 0,
        "layer 1.2 (Tanh)": 0,
    }


@pytest.mark.usefixtures("float64")
def test_padded_time_steps_are_no_examples():
    """Behind a sequence's end there are numbers that would saturate every unit."""
    x = np.full((3, 4, 2), 50.0)
    lengths = np.array([2, 4, 1])
    mask = np.arange(4) < lengths[:, None]  # (n, t)
    x[mask] = np.random.default_rng(0).normal(0, 3, (lengths.sum(), 2))
    net = Chain(Branch(Tanh(), TimeDistributed(Tanh())), Recurrent(GRU(3), last=True), Tanh(), Dense(2))
    step, state, batch = problem(net, jnp.asarray(x), weight=[1, 1, 1])
    row = figures(step, state, batch._replace(mask=jnp.asarray(mask)), names=("saturated",))["saturated"]
    flat = (1 - np.tanh(x[mask]) ** 2 < FLAT).mean()
    assert 0 < flat < 0.6
    assert list(row.values()) == pytest.approx([flat, flat, 0])


def test_an_epoch_whose_last_batch_is_filled_up_has_the_mean_over_its_steps(float64):
    net = Chain(Dense(4), Tanh(), Dense(2))
    step, state, data = problem(net, (7, 3))
    watch = Watch.of(step, chosen(["all"], net, state.params), state, data.x.shape)
    program = epoch_program(watch.step.structure(), 3, "none")
    after, _ = program(state._replace(watched=watch.zeros), data)
    row = watch.row(*jax.device_get(watch.sums(after)))
    alone = []
    for rows in (slice(3), slice(3, 6), slice(6, 7)):
        batch = jax.tree.map(lambda a, rows=rows: a[rows], data)
        alone.append(figures(step, state, batch, names=("delta", "gradient", "dead", "example_norms")))
        state, _ = jax.jit(step)(state, batch)
    for name in alone[0]:
        means = {layer: np.mean([each[name][layer] for each in alone]) for layer in alone[0][name]}
        assert row[name] == pytest.approx(means, rel=1e-10), name


def test_a_step_without_a_watch_is_the_program_that_it_was_and_one_with_it_moves_alike(float64):
    net = Chain(Dense(4), ReLU(), Dense(2))
    step, state, batch = problem(net, (6, 3), optimizer=RMSProp(0.01))

    def written_out(state, batch):
        share, total = step.loss.shares(batch.target, batch.weight)
        y, saved = net.forward(state.params, batch.x, step.context(state))
        value, dy = step.loss(y, batch.target, share)
        _, dparams = net.backward(state.params, saved, dy)
        rates = step.optimizer.rates(state.numbers, state.step)
        params, slots = step.optimizer.update(dparams, state.slots, state.params, rates)
        return state._replace(params=params, slots=slots, step=state.step + 1), (value, total, None)

    assert str(jax.make_jaxpr(step)(state, batch)) == str(jax.make_jaxpr(written_out)(state, batch))
    watch = Watch.of(step, chosen(["all"], net, state.params), state, batch.x.shape)
    plain, report = jax.jit(step)(state, batch)
    watched, same = jax.jit(watch.step)(state._replace(watched=watch.zeros), batch)
    close((watched._replace(watched=None), same), (plain, report), rtol=1e-14)


def fit(net, x=(12, 3), y=None, model=None, **settings):
    """(model, history) of two epochs in float32."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=x).astype(np.float32)
    y = rng.normal(size=net.shape(x.shape)) if y is None else y
    model = model or Model(net, SquaredError(), SGD(0.05))
    return model, model.fit(x, y, **{"epochs": 2, "batch_size": 4} | settings)


def test_fit_tells_in_rows_history_callbacks_and_the_saved_file(tmp_path, capsys):
    rows = []
    net = Chain(Dense(4), Sigmoid(), Dense(2))
    model, history = fit(net, watch="all", callbacks=[rows.append], progress=True)
    assert json.loads(json.dumps(rows)) == [{**row} for row in history.rows]
    assert set(rows[0]["watch"]) == set(WATCHES)
    assert "watch" not in capsys.readouterr().err
    gradient = history.watch("gradient")
    assert list(gradient) == ["layer 0 (Dense)", "layer 2 (Dense)"]
    assert gradient["layer 2 (Dense)"].shape == history.watch("noise").shape == (2,)
    model.save(tmp_path / "model.safetensors")
    again = load(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(
        again.history.watch("delta")["layer 1 (Sigmoid)"], history.watch("delta")["layer 1 (Sigmoid)"]
    )
    with pytest.raises(SettingError, match=r"'update' was not watched in this run, but nothing; fit\(..., watch="):
        fit(net)[1].watch("update")
    assert "watch" not in model.fit(np.ones((4, 3)), np.ones((4, 2)), epochs=1).rows[0]


def test_what_is_watched_does_not_move_the_run():
    net = Chain(Dense(4), Dropout(0.5), Sigmoid(), BatchNorm(), Dense(2))
    plain, watched = fit(net, patience=1)[1], fit(net, patience=1, watch="all")[1]
    np.testing.assert_allclose(watched["loss"], plain["loss"], rtol=1e-6)
    close(watched.state, plain.state, rtol=1e-6)
    assert list(watched.rows[0]["watch"]) == ["delta", "gradient", "saturated", "dead", "update"]


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_half_precision_is_told_without_its_scale(precision):
    net = Chain(Dense(4), Tanh(), Dense(2))
    step, state, batch = problem(net, (6, 3), micro_batches=2)
    full = figures(step, state, batch)
    scale = Scale(jnp.float32(256), jnp.int32(0), jnp.int32(0)) if precision == "float16" else None
    half = figures(replace(step, precision=precision), state._replace(scale=scale), batch)
    for name in WATCHES:
        assert half[name] == pytest.approx(full[name], rel=0.05), name


def test_a_step_that_float16_skips_is_left_out():
    net = Chain(Dense(4), Tanh(), Dense(2))
    step, state, batch = problem(net, (6, 3), precision="float16", optimizer=SGD(1e-9))
    batch = batch._replace(target=100 * batch.target)
    expected = figures(step, state._replace(scale=Scale(jnp.float32(1), jnp.int32(0), jnp.int32(0))), batch)
    watch = Watch.of(step, chosen(["all"], net, state.params), state, batch.x.shape)
    state = state._replace(watched=watch.zeros, scale=Scale(jnp.float32(2.0**14), jnp.int32(0), jnp.int32(0)))
    advance = jax.jit(watch.step)
    for _ in range(12):
        state, _ = advance(state, batch)
    assert 0 < state.scale.skipped < 12
    assert state.watched["steps"] == 12 - state.scale.skipped
    assert watch.row(*jax.device_get(watch.sums(state)))["gradient"] == pytest.approx(
        expected["gradient"], rel=1e-2
    )


def test_each_epoch_is_told_by_itself():
    net = Chain(Dense(4), Sigmoid(), Dense(2))
    both = fit(net, watch="all")[1]
    model, first = fit(net, watch="all", epochs=1)
    second = fit(net, model=model, watch="all", epochs=1)[1]
    for told, alone in zip(both.rows, (*first.rows, *second.rows), strict=True):
        for name in ("delta", "gradient", "update", "example_norms"):
            assert told["watch"][name] == pytest.approx(alone["watch"][name], rel=1e-4), name


def test_windows_count_each_step_and_none_that_is_idle():
    net = Chain(Recurrent(GRU(4)), Dense(2))
    x, y = (6, 8, 3), np.random.default_rng(1).normal(size=(6, 8, 2))
    short = fit(net, x, y, window=2, watch="all", lengths=[2] * 6)[1].rows[0]["watch"]
    rng = np.random.default_rng(0)
    whole = Model(net, SquaredError(), SGD(0.05))
    history = whole.fit(rng.normal(size=x)[:, :2], y[:, :2], epochs=2, batch_size=4, watch="all")
    for name in ("delta", "gradient", "example_norms"):
        assert short[name] == pytest.approx(history.rows[0]["watch"][name], rel=1e-4), name


@dataclass(frozen=True)
class DropConnect(Dense):
    """A layer that draws which of its weights are there."""

    draws = True


@pytest.mark.parametrize(
    ("net", "watch", "message"),
    [
        (Dense(2), ["gradeint"], "nothing to watch is called 'gradeint'; did you mean 'gradient'?"),
        (Dense(2), "colour", "nothing to watch is called 'colour'; expected 'all', or some of delta, gradient, "),
        (
            Chain(Dense(2), ReLU()),
            ["saturated"],
            "'saturated' cannot be watched: the network has no activation that",
        ),
        (Dense(2), ["dead"], "'dead' cannot be watched: the network has no activation, such as ReLU"),
        (
            Chain(Dense(2), BatchNorm()),
            ["noise"],
            "'noise' cannot be watched: BatchNorm mixes the examples of a batch",
        ),
        (Chain(DropConnect(2)), ["example_norms"], "DropConnect draws random numbers for its parameters"),
        (Chain(Tanh()), ["gradient"], "'gradient' cannot be watched: the network has no parameters"),
    ],
)
def test_what_cannot_be_watched_is_an_error(net, watch, message):
    with pytest.raises(SettingError) as error:
        fit(net, watch=watch)
    assert message in str(error.value)


def test_all_is_what_applies_to_a_network():
    net, some = Chain(Dense(3), BatchNorm(), ReLU()), {"W": np.ones(1)}
    assert chosen(["all"], net, some) == ("delta", "gradient", "dead", "update")
    assert chosen(["all"], Tanh(), {}) == ("delta", "saturated", "dead")
    assert chosen((), net, some) == ()
    assert chosen(["update", "delta"], net, some) == ("delta", "update")


def test_fit_watches_the_first_step_of_an_epoch_and_each_whose_number_its_setting_divides():
    told = []
    for every, epochs in ((1, 1), (2, 1), (7, 2)):
        x, y = np.random.default_rng(0).normal(size=(2, 12, 3)).astype(np.float32)
        model = Model(Chain(Dense(4), Tanh(), Dense(3)), loss=SquaredError(), optimizer=SGD(0.1), seed=0)
        history = model.fit(x, y, epochs=epochs, batch_size=4, order="none", watch="delta", watch_every=every)
        told.append(history.watch("delta")["layer 0 (Dense)"])
    assert told[0][0] != told[1][0] != told[2][0]
    assert np.isfinite(told[2]).all()
    assert (told[2] > 0).all()
