import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from deltarule.errors import SettingError, ShapeError
from deltarule.layers import (
    GRU,
    LSTM,
    Bidirectional,
    Chain,
    Dense,
    Recompute,
    Recurrent,
    Residual,
    SimpleRNN,
    TimeDistributed,
)
from deltarule.layers.layer import Context
from layers.own_cell import MinimalGatedUnit

pytestmark = pytest.mark.usefixtures("float64")


def case(layer, shape, seed=0):
    """Parameters, x and a cotangent, all random."""
    rng = np.random.default_rng(seed)
    params = jax.tree.map(lambda a: rng.normal(size=a.shape), layer.init(rng, shape))
    return params, rng.normal(size=shape), rng.normal(size=layer.shape(shape))


def passes(layer, params, x, dy, context=None):
    """(y, dx, dparams) of one pass forward and back."""
    context = context or Context()
    return compiled(layer)(params, x, dy, context.memory, context.mask, context.starts)


@functools.cache
def compiled(layer):
    @jax.jit
    def both(params, x, dy, memory, mask, starts):
        y, saved = layer.forward(params, x, Context(memory=memory, mask=mask, starts=starts))
        return y, *layer.backward(params, saved, dy)

    return both


def close(got, expected, bound=1e-12):
    assert jax.tree.structure(got) == jax.tree.structure(expected)
    for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=bound * max(1, float(np.abs(b).max())))


def one_by_one(layer, params, x, dy, pieces):
    """The same as `passes`, each piece (example, its steps) read by itself; a layer with `last` gives one number.

    Outputs and dx are zero where no piece is.
    """
    y, dx, sums = np.zeros(dy.shape), np.zeros(x.shape), jax.tree.map(np.zeros_like, params)
    for example, steps in pieces:
        place = (example,) if dy.ndim == 2 else (example, steps)
        alone_dy = dy[place][None]
        alone_y, alone_dx, dparams = passes(layer, params, x[example, steps][None], alone_dy)
        y[place], dx[example, steps] = alone_y[0], alone_dx[0]
        sums = jax.tree.map(np.add, sums, dparams)
    return y, dx, sums


EVERY_STEP = [
    Recurrent(SimpleRNN(4)),
    Recurrent(GRU(4)),
    Recurrent(LSTM(4, peephole=True), reverse=True),
    Recurrent(MinimalGatedUnit(4), reverse=True),
    Chain(Residual(Recurrent(GRU(5, "before"), reverse=True)), Recurrent(SimpleRNN(3, "relu"))),
    Chain(Bidirectional(GRU(3)), TimeDistributed(Dense(2)), Recurrent(LSTM(4))),
    Recompute(Recurrent(LSTM(4)), Dense(3), Recurrent(GRU(3), reverse=True)),
]
LAST_STEP = [
    Recurrent(LSTM(4, peephole=True), last=True),
    Chain(Recurrent(SimpleRNN(4)), Recurrent(GRU(3, "before"), reverse=True, last=True)),
    Chain(Bidirectional(GRU(3)), Bidirectional(LSTM(2), last=True)),
]


@pytest.mark.parametrize("layer", EVERY_STEP, ids=str)
def test_sequences_in_one_row_are_those_sequences_one_by_one(layer):
    """Rows of sequences end to end, with padding before, between and behind them, and inside one of them.

    Padding and its δ are random numbers, and change nothing.
    """
    params, x, dy = case(layer, (3, 5, 6))
    pieces = [(0, [0, 1]), (0, [2]), (0, [3, 4]), (1, [1, 2]), (1, [4]), (2, [0, 2])]
    mask, starts = np.zeros((2, 3, 5), bool)
    for example, steps in pieces:
        mask[example, steps] = starts[example, steps[0]] = True
    context = Context(mask=jnp.asarray(mask), starts=jnp.asarray(starts))
    close(passes(layer, params, x, dy, context), one_by_one(layer, params, x, dy, pieces))


@pytest.mark.parametrize("layer", LAST_STEP, ids=str)
def test_the_last_states_of_padded_sequences_are_those_of_the_sequences_one_by_one(layer):
    """The last of them is padding alone."""
    params, x, dy = case(layer, (4, 6, 5))
    mask = jnp.arange(6) < jnp.asarray([6, 2, 2, 0])[:, None]
    pieces = [(0, np.arange(6)), (1, [0, 1]), (2, [0, 1])]
    close(passes(layer, params, x, dy, Context(mask=mask)), one_by_one(layer, params, x, dy, pieces))


def test_the_last_state_is_that_of_the_last_sequence_in_a_row():
    layer = Recurrent(LSTM(4), last=True)
    params, x, dy = case(layer, (2, 6, 5))
    starts = jnp.asarray([[1, 0, 0, 1, 0, 0], [1, 0, 0, 0, 0, 1]], bool)
    expected = one_by_one(layer, params, x, dy, [(0, [3, 4, 5]), (1, [5])])
    close(passes(layer, params, x, dy, Context(starts=starts)), expected)


@pytest.mark.parametrize(
    "layer", [Recurrent(LSTM(4, peephole=True), carry=True), Recurrent(GRU(4), last=True, carry=True)], ids=str
)
def test_the_derivative_is_that_by_autodiff_with_flags_and_a_carried_state(layer):
    params, x, dy = case(layer, (3, 6, 5))
    rng = np.random.default_rng(1)
    memory = jax.tree.map(lambda a: jnp.asarray(rng.normal(size=a.shape)), layer.memory(x.shape))
    mask, starts = (jnp.asarray(rng.random((3, 6)) < share) for share in (0.7, 0.3))
    context = Context(memory=memory, mask=mask, starts=starts)
    y, vjp = jax.vjp(jax.jit(lambda params, x: layer.forward(params, x, context)[0]), params, x)
    dparams, dx = vjp(dy)
    close(passes(layer, params, x, dy, context), (y, dx, dparams))


STATEFUL = Chain(Recurrent(LSTM(4, peephole=True), carry=True), Dense(3), Recurrent(GRU(2), carry=True))


@pytest.mark.parametrize("layer", [STATEFUL, Recompute(*STATEFUL.layers)], ids=["chain", "recompute"])
def test_windows_with_a_carried_state_are_one_long_sequence(layer):
    """By steps of training and by `advance`; the third window begins with padding and a new sequence."""
    params, x, _ = case(layer, (3, 9, 5))
    mask, starts = np.ones((3, 9), bool), np.zeros((3, 9), bool)
    mask[1, 5:7], starts[2, 6] = False, True
    context = Context(mask=jnp.asarray(mask), starts=jnp.asarray(starts))
    whole, _ = jax.jit(lambda params, x: layer.advance(params, x, context))(params, x)
    learned = advanced = jax.tree.map(jnp.float64, layer.memory(x.shape))

    @jax.jit
    def read(params, x, mask, starts, learned, advanced):
        y, saved = layer.forward(params, x, Context(memory=learned, mask=mask, starts=starts))
        ahead, advanced = layer.advance(params, x, Context(memory=advanced, mask=mask, starts=starts))
        return y, ahead, layer.remember(learned, saved), advanced

    for window in (slice(0, 3), slice(3, 6), slice(6, 9)):
        here = x[:, window], mask[:, window], starts[:, window]
        y, ahead, learned, advanced = read(params, *here, learned, advanced)
        close((y, ahead), (whole[:, window],) * 2)
    close(learned, advanced)


def test_the_derivative_stops_where_the_window_begins():
    layer = STATEFUL
    params, x, dy = case(layer, (3, 7, 5))
    fresh = jax.tree.map(jnp.float64, layer.memory(x.shape))
    _, memory = jax.jit(lambda x: layer.advance(params, x, Context(memory=fresh)))(x[:, :4])
    _, dx, dparams = passes(layer, params, x[:, 4:], dy[:, 4:], Context(memory=memory))

    def truncated(params, x):
        _, moved = layer.advance(params, x[:, :4], Context(memory=fresh))
        return layer.forward(params, x[:, 4:], Context(memory=jax.lax.stop_gradient(moved)))[0]

    expected_params, expected_x = jax.vjp(jax.jit(truncated), params, x)[1](dy[:, 4:])
    close((np.pad(dx, ((0, 0), (4, 0), (0, 0))), dparams), (expected_x, expected_params))


def test_the_memory_keeps_its_own_precision():
    layer = Recurrent(LSTM(4), carry=True)
    params, x, _ = case(layer, (3, 2, 5))
    y, moved = layer.advance(params, x, Context(memory=layer.memory(x.shape)))
    assert y.dtype == jnp.float64
    assert [(state.shape, state.dtype) for state in moved] == [((3, 4), jnp.float32)] * 2


def test_without_carry_every_batch_begins_at_zero():
    layer = Recurrent(GRU(4))
    params, x, _ = case(layer, (3, 2, 5))
    assert layer.memory(x.shape) == {}
    y, moved = layer.advance(params, x, Context(memory={}))
    assert moved == {}
    close(layer.advance(params, x, Context(memory=moved))[0], y)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((LSTM,), r"^Recurrent: expected a cell such as LSTM\(64\), got <class .*LSTM'>"),
        ((Dense(3),), r"^Recurrent: expected a cell .* got Dense"),
        ((GRU(3), True, False, True), r"^Recurrent\(GRU\(3\)\): carry goes with reading forward"),
    ],
)
def test_what_cannot_be_read_with_is_refused(arguments, message):
    with pytest.raises(SettingError, match=message):
        Recurrent(*arguments)
    if len(arguments) == 1:
        with pytest.raises(SettingError, match=message):
            Bidirectional(*arguments)


@pytest.mark.parametrize("shape", [(7, 5), (7, 0, 5), (7, 2, 3, 5)], ids=str)
def test_what_is_no_sequence_is_refused(shape):
    net = Chain(Dense(5), Recurrent(LSTM(3)))
    message = rf"^layer 1, Recurrent\(LSTM\(3\)\): expected .* \(n, t, i\) .* got \({shape[0]}, .*\(n, t, 1\)"
    for ask in (net.shape, net.cost, lambda x: net.init(np.random.default_rng(0), x)):
        with pytest.raises(ShapeError, match=message):
            ask(shape)
    layer = Recurrent(LSTM(3))
    with pytest.raises(ShapeError, match=message.replace("layer 1, ", "")):
        layer.forward(layer.init(np.random.default_rng(0), (2, 3, 5)), jnp.zeros(shape), Context())


@pytest.mark.parametrize("name", ["mask", "starts"])
def test_flags_of_another_length_are_refused(name):
    net = Chain(Dense(2), Recurrent(LSTM(3)))
    params, x, _ = case(net, (3, 4, 5))
    with pytest.raises(ShapeError, match=rf"^layer 1, .* expected {name} .* \(3, 4\), got \(3, 5\)") as caught:
        net.forward(params, x, Context(**{name: jnp.ones((3, 5), bool)}))
    assert caught.value.path == (1,)


def test_a_state_of_other_sequences_is_refused():
    net = Chain(Dense(2), Recurrent(LSTM(3), carry=True))
    params, x, _ = case(net, (3, 4, 5))
    with pytest.raises(
        ShapeError, match=r"^layer 1, .* state is that of 7 .* input has 3; .*memory\(\(3, 4, 2\)\)"
    ):
        net.advance(params, x, Context(memory=net.memory((7, 4, 5))))


def test_weights_set_the_type_of_what_they_meet():
    layer = Recurrent(LSTM(4))
    params, x, dy = case(layer, (3, 2, 5))
    half = jax.tree.map(lambda a: a.astype(jnp.bfloat16), params)
    types = jax.tree.map(lambda a: a.dtype.name, passes(layer, half, x, dy))
    assert set(jax.tree.leaves(types)) == {"bfloat16"}
