"""Truncated back-propagation through time: against the full one, against autodiff, and its bookkeeping."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import deltarule as dr
from deltarule.errors import DivergedError, SettingError, ShapeError
from deltarule.layers.layer import Context
from deltarule.training.step import Batch, Step
from deltarule.training.windows import Window, begin, carried_step, through_windows, windows_program

NET = dr.Chain(dr.Recurrent(dr.LSTM(4)), dr.Dropout(0.0), dr.Recurrent(dr.GRU(3)), dr.Dense(2))
RATE = float(np.float32(0.1))
STEP = Step(NET, dr.SquaredError(), dr.SGD(RATE))


def series(n=5, steps=12, seed=0):
    """x (n, t, 3) and what is to be predicted at each step, (n, t, 2)."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, steps, 3))
    return x, np.tanh(np.cumsum(x[..., :2], axis=1))


def batch(n=5, steps=12, **more):
    x, y = series(n, steps)
    return Batch(jnp.asarray(x), jnp.asarray(y), jnp.ones((n, steps)), **more)


def wide(state):
    """The state in float64."""
    return jax.tree.map(lambda a: np.asarray(a, np.float64) if a.dtype == np.float32 else a, state)


def through(window, data, step=STEP):
    """(parameters, losses, memory) after a pass through the windows of a batch."""
    carried = carried_step(step, Window.of(window))
    state = begin(carried, wide(step.init(data.x.shape, 0)), data.x.shape)
    every = jnp.arange(len(data.x)), jnp.ones(len(data.x), bool)
    return jax.jit(lambda s, data: through_windows(carried, s, data, *every, Window.of(window)))(wide(state), data)


def moved(params, gradient):
    """The parameters after a step."""
    return jax.tree.map(lambda p, d: np.subtract(p, RATE * np.asarray(d)), params, gradient)


def apart(a, b):
    return max(float(np.abs(np.subtract(p, q)).max()) for p, q in zip(*map(jax.tree.leaves, (a, b)), strict=True))


def test_a_window_as_long_as_the_sequence_is_the_whole_of_time():
    with jax.enable_x64(True):
        data = batch()
        full, report = jax.jit(STEP)(wide(STEP.init(data.x.shape, 0)), data)
        state, reports = through(12, data)
        assert apart(full.params, state.params) <= 1e-12
        assert abs(reports.loss[0] - report.loss) <= 1e-12


def test_each_window_is_a_step_whose_state_before_is_a_constant():
    with jax.enable_x64(True):
        data = batch()
        params = wide(STEP.init(data.x.shape, 0)).params
        memory = wide(carried_step(STEP, Window.of(5)).net.memory(data.x.shape))
        net = carried_step(STEP, Window.of(5)).net

        @jax.jit
        @functools.partial(jax.grad, has_aux=True)
        def gradient_of(params, memory, x, target):
            y, saved = net.forward(params, x, Context(jax.random.key(0), memory))
            return jnp.mean((y - target) ** 2), net.remember(memory, saved)

        for part in (slice(0, 5), slice(5, 10), slice(10, 12)):
            gradient, memory = gradient_of(params, memory, data.x[:, part], data.target[:, part])
            params = moved(params, gradient)
        state, reports = through(5, data)
        assert apart(params, state.params) <= 1e-12
        assert reports.weight.tolist() == [25, 25, 10]


def test_windows_that_overlap_count_each_prediction_once_and_reach_further_back():
    with jax.enable_x64(True):
        data = batch()
        params = wide(STEP.init(data.x.shape, 0)).params

        def loss(params, first, start, new):
            carried = carried_step(STEP, Window.of((3, 7))).net
            part = slice(start, new + 3)
            y, saved = carried.forward(params, data.x[:, part], Context(jax.random.key(0), first))
            counted = slice(new - start, new - start + 3)
            error = y[:, counted] - data.target[:, new : new + 3]
            return jnp.mean(error**2), carried.remember(first, saved)

        @jax.jit
        def onward(params, memory, x):
            return plain.remember(memory, plain.forward(params, x, Context(jax.random.key(0), memory))[1])

        plain = carried_step(STEP, Window.of(3)).net
        memory = wide(plain.memory(data.x.shape))
        for new in range(0, 12, 3):
            start = max(new - 4, 0)
            gradient = jax.jit(jax.grad(loss, has_aux=True), static_argnums=(2, 3))(params, memory, start, new)[0]
            ahead = max(new + 3 - 4, 0) - start  # the next window begins so many steps behind this one
            if ahead:
                memory = onward(params, memory, data.x[:, start : start + ahead])
            params = moved(params, gradient)
        state, reports = through((3, 7), data)
        assert apart(params, state.params) <= 1e-12
        assert reports.weight.tolist() == [15, 15, 15, 15]


def test_sequences_of_different_lengths_are_those_sequences_one_by_one():
    with jax.enable_x64(True):
        lengths = [12, 3, 7]
        mask = jnp.arange(12) < jnp.asarray(lengths)[:, None]
        together = batch(3, 12, mask=mask)._replace(weight=mask.astype(jnp.float64))
        spoilt = together._replace(x=jnp.where(mask[..., None], together.x, 1e3))
        state, reports = through(4, spoilt)
        assert reports.weight.tolist() == [11, 7, 4]

        params = wide(STEP.init(together.x.shape, 0)).params
        net = carried_step(STEP, Window.of(4)).net
        memories = [wide(net.memory((1, 12, 3))) for _ in lengths]
        for k in range(3):
            total = reports.weight[k]

            def loss(params, k=k, total=total, memories=memories):
                value, after = 0.0, []
                for row, (length, memory) in enumerate(zip(lengths, memories, strict=True)):
                    part = slice(4 * k, min(4 * k + 4, length))
                    if part.start >= part.stop:
                        after.append(memory)
                        continue
                    x, target = together.x[row : row + 1, part], together.target[row : row + 1, part]
                    y, saved = net.forward(params, x, Context(jax.random.key(0), memory))
                    value += ((y - target) ** 2).sum() / 2 / total
                    after.append(net.remember(memory, saved))
                return value, after

            gradient, memories = jax.jit(jax.grad(loss, has_aux=True))(params)
            params = moved(params, gradient)
        assert apart(params, state.params) <= 1e-12


def test_a_window_in_which_nothing_is_left_is_no_step():
    with jax.enable_x64(True):
        mask = jnp.arange(12) < jnp.asarray([[3], [4], [2], [4], [1]])
        data = batch(mask=mask)._replace(weight=mask.astype(jnp.float64))
        step = Step(NET, dr.SquaredError(), dr.SGD(0.1, momentum=0.9), l2=dr.L2(0.1))
        one, _ = through(4, jax.tree.map(lambda a: a[:, :4], data), step)
        all_, reports = through(4, data, step)
        assert apart(one.params, all_.params) == 0
        assert int(all_.step) == 1
        assert reports.weight.tolist() == [14, 0, 0]


def test_a_start_in_the_middle_of_a_window_forgets_what_was_before():
    with jax.enable_x64(True):
        starts = jnp.zeros((5, 12), bool).at[:, 6].set(True)
        changed = batch(starts=starts)
        changed = changed._replace(x=changed.x.at[:, :6].add(1.0), weight=changed.weight.at[:, :6].set(0))
        same = batch(starts=starts)._replace(weight=changed.weight)
        assert apart(through(12, changed)[0].params, through(12, same)[0].params) <= 1e-12
        no_start = changed._replace(starts=None)
        assert apart(through(12, no_start)[0].params, through(12, same)[0].params) > 1e-4


def test_an_epoch_starts_every_group_of_sequences_at_zero_and_leaves_the_model_without_a_state():
    x, y = (a.astype(np.float32) for a in series(7))
    data = jax.device_put(Batch(x, y, np.ones(7, np.float32)))
    program = windows_program(STEP.structure(), 3, "none", Window.of(4))
    state = jax.device_put(STEP.init(x.shape, 0))
    whole, loss = program(state, data)
    by_hand, losses = state, []
    carried = carried_step(STEP, Window.of(4))
    group = jax.jit(lambda s, rows: through_windows(carried, s, data, rows, rows >= 0, Window.of(4)))
    for rows in (np.arange(3), np.arange(3, 6), np.array([6])):
        start = begin(carried, by_hand, (len(rows), *x.shape[1:]))
        after, reports = group(start, rows)
        by_hand = after._replace(memory=by_hand.memory)
        losses += [(float(reports.loss[k]), float(reports.weight[k])) for k in range(3)]
    assert apart(whole.params, by_hand.params) <= 1e-5
    assert float(loss) == pytest.approx(sum(a * w for a, w in losses) / sum(w for _, w in losses), rel=1e-5)
    assert jax.tree.structure(whole.memory) == jax.tree.structure(state.memory)
    assert int(whole.step) == 9


def test_running_statistics_move_while_states_are_carried():
    net = dr.Chain(dr.Recurrent(dr.GRU(3)), dr.BatchNorm(), dr.Dense(2))
    x, y = series(6)
    model = dr.Model(net, loss=dr.SquaredError(), optimizer=dr.SGD(0.01))
    model.fit(x, y, epochs=2, batch_size=3, window=4)
    assert model.state is not None
    assert float(np.abs(model.state.memory[1]["mean"]).max()) > 0
    assert model.state.memory[0] == {}


def test_a_layer_that_carries_its_state_already_is_read_in_windows_like_any_other():
    x, y = series(6)
    losses = []
    for carry in (False, True):
        net = dr.Chain(dr.Recurrent(dr.GRU(3), carry=carry), dr.Dense(2))
        model = dr.Model(net, loss=dr.SquaredError(), optimizer=dr.SGD(0.01))
        losses.append(model.fit(x, y, epochs=2, batch_size=3, window=4)["loss"])
    assert losses[0] == losses[1]


def test_memory_of_a_step_does_not_depend_on_the_length():
    def peak(steps):
        x, y = (a.astype(np.float32) for a in series(4, steps))
        program = windows_program(STEP.structure(), 4, "none", Window.of(8))
        state, data = STEP.init(x.shape, 0), Batch(x, y, np.ones(4, np.float32))
        return program.lower(state, data).compile().memory_analysis().temp_size_in_bytes

    assert peak(512) <= 1.1 * peak(64)


class Chunks:
    """A source of sequences cut in two, and how often it was read."""

    def __init__(self, x, y, cut):
        self.x, self.y, self.cut = x, y, cut
        self.chunk_shape, self.examples = x[:, :cut].shape, y[..., 0].size

    def epoch(self, number):
        yield self.x[:, : self.cut], self.y[:, : self.cut]
        yield self.x[:, self.cut :], self.y[:, self.cut :]


def fresh():
    return dr.Model(NET, loss=dr.SquaredError(), optimizer=dr.Adam(1e-2))


def test_a_source_in_chunks_is_the_whole_sequence():
    x, y = series()
    chunked, whole = fresh(), fresh()
    got = chunked.fit(Chunks(x, y, 8), epochs=3, window=4)["loss"]
    expected = whole.fit(x, y, epochs=3, window=4, batch_size=5, order="none")["loss"]
    np.testing.assert_allclose(got, expected, rtol=1e-5)
    np.testing.assert_allclose(chunked.predict(x), whole.predict(x), atol=1e-5)


def test_a_source_whose_sequences_change_is_refused():
    x, y = series()
    source = Chunks(x, y, 8)
    source.epoch = lambda number: iter([(x[:, :8], y[:, :8]), (x[:3, 8:], y[:3, 8:])])
    with pytest.raises(ShapeError, match=r"chunks of 5 sequences.*got 3"):
        fresh().fit(source, epochs=1, window=4)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"window": 13}, r"window of 13 steps is longer than the 12.*window=12"),
        ({"window": 0}, r"at least 1.*got 0"),
        ({"window": 2.5}, r"whole number τ.*got 2.5"),
        ({"window": (8, 4)}, r"1 ≤ k1 ≤ k2, got \(8, 4\)"),
        ({"window": 4, "micro_batches": 2}, "micro_batches do not go with a window"),
    ],
)
def test_a_window_that_cannot_be_is_refused(settings, message):
    with pytest.raises(SettingError, match=message):
        fresh().fit(*series(), epochs=1, **settings)


def test_a_window_needs_a_recurrent_layer_and_a_prediction_for_each_step():
    x, y = series()
    with pytest.raises(SettingError, match="this one has none"):
        dr.Model(dr.Dense(2), loss=dr.SquaredError()).fit(x, y, window=4)
    last = dr.Chain(dr.Recurrent(dr.GRU(3), last=True), dr.Dense(2))
    with pytest.raises(ShapeError, match=r"gives \(5, 2\) for \(5, 12, 3\); choose last=False"):
        dr.Model(last, loss=dr.SquaredError()).fit(x, y[:, -1], window=4)
    reversed_ = dr.Chain(dr.Bidirectional(dr.GRU(3)), dr.Dense(2))
    with pytest.raises(SettingError, match="reading forward"):
        dr.Model(reversed_, loss=dr.SquaredError()).fit(x, y, window=4)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "a source is read in windows"),
        ({"window": (2, 4)}, "end to end"),
        ({"window": 4, "batch_size": 3}, "5 sequences side by side"),
        ({"window": 4, "validation": 0.2}, r"validation=\(x, y\)"),
        ({"window": 4, "sample_weight": np.ones(5)}, "go with arrays"),
    ],
)
def test_settings_that_a_source_does_not_take_are_refused(settings, message):
    with pytest.raises(SettingError, match=message):
        fresh().fit(Chunks(*series(), 8), epochs=1, **settings)


def test_no_targets_and_no_source_is_refused():
    with pytest.raises(SettingError, match="expected targets y; or as x batches"):
        fresh().fit(series()[0])


def test_a_run_that_is_lost_says_what_to_try_and_keeps_the_model():
    x, y = series()
    model = dr.Model(NET, loss=dr.SquaredError(), optimizer=dr.SGD(1e30))
    with pytest.raises(DivergedError, match=r"lost in epoch \d.*clip_norm=1.0"):
        model.fit(x, 1e18 * y, epochs=3, window=4)
    assert model.state is None or np.isfinite(model.predict(x)).all()


# --- layers that mix the examples of a batch ---

RISING = np.arange(5)[:, None, None] * 10 + np.random.default_rng(3).normal(size=(5, 4, 2))  # row k about 10 k
MIXING = dr.Chain(dr.BatchNorm(momentum=0.0), dr.Recurrent(dr.SimpleRNN(2)), dr.Dense(1))


def last_statistics(x, tmp_path=None, **settings):
    """(mean, variance) of the last step's BatchNorm."""
    model = dr.Model(MIXING, loss=dr.SquaredError(), optimizer=dr.SGD(0.01))
    checkpoint = {} if tmp_path is None else {"checkpoint": dr.Checkpoints(tmp_path / "run", every_steps=1)}
    model.fit(x, x[..., :1] / 50, epochs=1, order="none", **checkpoint, **settings)
    return model.state.memory[0]["mean"], model.state.memory[0]["variance"], model


@pytest.mark.parametrize("in_segments", [False, True], ids=["one_program", "segments"])
def test_rows_that_fill_up_the_last_group_are_not_in_the_statistics_of_a_batch(in_segments, tmp_path):
    mean, variance, _ = last_statistics(RISING, tmp_path if in_segments else None, window=4, batch_size=4)
    np.testing.assert_allclose(mean, RISING[4].mean(0), rtol=1e-5)
    np.testing.assert_allclose(variance, RISING[4].var(0), rtol=1e-4)


@pytest.mark.parametrize(("window", "seen"), [(3, 1), ((3, 4), 2), ((2, 3), 3)])
def test_steps_that_fill_up_the_last_window_are_not_in_the_statistics_of_a_batch(window, seen):
    mean, variance, _ = last_statistics(RISING, window=window, batch_size=5)
    np.testing.assert_allclose(mean, RISING[:, -seen:].mean((0, 1)), rtol=1e-5)
    np.testing.assert_allclose(variance, RISING[:, -seen:].var((0, 1)), rtol=1e-4)


def test_a_group_that_is_not_full_is_trained_on_as_if_it_were_the_whole():
    """The last step's loss and gradient of the filled group are those of its one sequence by itself."""
    with jax.enable_x64(True):
        step = Step(MIXING, dr.SquaredError(), dr.SGD(RATE))
        x, carried = jnp.asarray(RISING), carried_step(step, Window.of(2))
        data = Batch(x, x[..., :1] / 50, jnp.ones((5, 4)))

        def after(rows, counts):
            rows = jnp.asarray(rows)
            start = begin(carried, wide(step.init(x.shape, 0)), (len(rows), *x.shape[1:]))
            return jax.jit(lambda s: through_windows(carried, s, data, rows, jnp.asarray(counts), Window.of(2)))(
                start
            )

        (filled, told), (alone, expected) = after([4, 0, 0], [True, False, False]), after([4], [True])
        assert apart(filled.params, alone.params) <= 1e-12
        assert apart(filled.memory[0], alone.memory[0]) <= 1e-12
        np.testing.assert_allclose(told.loss, expected.loss, rtol=1e-12)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"window": 3}, r"^layer 0, Convolution: expected sequences without padding.*fill a last window"),
        ({"window": (2, 4)}, r"^layer 0, Convolution"),
    ],
)
def test_a_layer_that_would_take_the_filling_of_a_window_for_steps_is_refused(settings, message):
    net = dr.Chain(dr.Convolution(2, 3), dr.Recurrent(dr.GRU(3)), dr.Dense(1))
    model = dr.Model(net, loss=dr.SquaredError())
    with pytest.raises(ShapeError, match=message):
        model.fit(RISING, RISING[..., :1], epochs=1, **settings)
    model.fit(RISING, RISING[..., :1], epochs=1, window=2)


def test_a_layer_inside_each_step_that_mixes_examples_takes_no_filled_group():
    net = dr.Chain(dr.TimeDistributed(dr.BatchNorm()), dr.Recurrent(dr.GRU(3)), dr.Dense(1))
    model = dr.Model(net, loss=dr.SquaredError())
    with pytest.raises(ShapeError, match=r"^layer 0, TimeDistributed: .*mixes their steps or examples"):
        model.fit(RISING, RISING[..., :1], epochs=1, window=2, batch_size=4)
    model.fit(RISING, RISING[..., :1], epochs=1, window=2, batch_size=5)
