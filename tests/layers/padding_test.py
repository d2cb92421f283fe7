"""Sequences that are padded: what each layer makes of a mask, and which refuse it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import deltarule as dr
from deltarule import layers
from deltarule.errors import ShapeError
from deltarule.inspect.case import Case
from deltarule.layers.layer import Container, Context, Layer, Memory

LENGTHS = [4, 1, 3]
MASK = jnp.arange(5) < jnp.asarray(LENGTHS)[:, None]  # (n, t)
HONOURED = [
    (dr.BatchNorm(), (3, 5, 2)),
    (dr.BatchNorm(scale=False), (3, 5, 2, 4)),
    (dr.BatchNorm(offset=False), (3, 5, 2)),
    (dr.BatchNormReLU(), (3, 5, 4)),
    (dr.GlobalAveragePool(), (3, 5, 2)),
    (dr.GlobalAveragePool(), (3, 5, 4, 2)),
    (dr.GlobalMaxPool(), (3, 5, 2)),
    (dr.GlobalMaxPool(), (3, 5, 4, 2)),
    (dr.Chain(dr.BatchNorm(), dr.Dense(3), dr.ReLU(), dr.GlobalAveragePool(), dr.BatchNorm()), (3, 5, 2)),
    (dr.Recompute(dr.Dense(3), dr.BatchNorm(), dr.Tanh()), (3, 5, 2)),
    (dr.Residual(dr.Chain(dr.LayerNorm(), dr.Recurrent(dr.GRU(2)))), (3, 5, 2)),
    (dr.Chain(dr.Bidirectional(dr.GRU(2), last=True), dr.BatchNorm()), (3, 5, 2)),
]
honoured = pytest.mark.parametrize(("layer", "shape"), HONOURED, ids=str)
PLAIN = [
    (kind, layer, shape)
    for kind in vars(layers).values()
    if isinstance(kind, type) and issubclass(kind, Layer) and not issubclass(kind, Container)
    for layer, shape in kind.examples()
    if len(shape) > 2
]

TAKES_A_MASK = (dr.BatchNorm, dr.BatchNormReLU, dr.GlobalAveragePool, dr.GlobalMaxPool, dr.Recurrent)


@pytest.fixture(autouse=True)
def in_float64():
    with jax.enable_x64(True):
        yield


def kept(y):
    """What of an output counts: its real steps, or all where it has none."""
    return jnp.where(MASK.reshape(3, 5, *[1] * (y.ndim - 2)), y, 0) if y.shape[:2] == MASK.shape else y


def passes(layer, params, x, dy, memory: Memory, mask=MASK):
    """(y, dx, dparams, memory) of a step on padded sequences."""
    y, saved = layer.forward(params, x, Context(jax.random.key(0), memory, mask=mask))
    return kept(y), *layer.backward(params, saved, kept(dy)), layer.remember(memory, saved)


@honoured
def test_backward_is_the_derivative_of_forward_under_a_mask(layer, shape):
    case = Case(layer, shape)
    memory = case.context.memory
    context = Context(jax.random.key(0), memory, mask=MASK)

    def forward(params, x):
        return layer.forward(params, x, context)[0]

    def backward(params, x, dy):
        return layer.backward(params, layer.forward(params, x, context)[1], dy)

    got = jax.jit(backward)(case.params, case.x, case.dy)  # dy of padding, too
    dparams, dx = jax.jit(lambda p, x, dy: jax.vjp(forward, p, x)[1](dy))(case.params, case.x, case.dy)
    close(got[0], dx)
    jax.tree.map(close, got[1], dparams)
    of_padding = np.asarray(passes(layer, case.params, case.x, case.dy, memory)[1])[~np.asarray(MASK)]
    assert not of_padding.any()


@honoured
def test_what_the_padding_holds_changes_nothing(layer, shape):
    case = Case(layer, shape)
    spoilt = jnp.where(MASK.reshape(3, 5, *[1] * (len(shape) - 2)), case.x, 1e3)
    results = [passes(layer, case.params, x, case.dy, case.context.memory) for x in (case.x, spoilt)]
    jax.tree.map(close, *results)
    advanced = [
        kept(layer.advance(case.params, x, Context(memory=case.context.memory, mask=MASK))[0])
        for x in (case.x, spoilt)
    ]
    jax.tree.map(close, *advanced)


@pytest.mark.parametrize("kind", [dr.BatchNorm, dr.BatchNormReLU])
@pytest.mark.parametrize("shape", [(3, 5, 2), (3, 5, 4, 2)], ids=str)
def test_batch_norm_of_padded_sequences_is_that_of_their_real_steps_in_one_batch(kind, shape):
    case, mask = Case(kind(), shape), np.asarray(MASK)
    memory = case.context.memory
    assert not kind().forward(case.params, case.x, Context(memory=memory, mask=MASK))[0][~mask].any()
    y, dx, dparams, moved = passes(kind(), case.params, case.x, case.dy, memory)
    rows = [np.asarray(a)[mask] for a in (case.x, case.dy)]  # (N, ...)
    expected = passes(kind(), case.params, *map(jnp.asarray, rows), memory, mask=None)
    close(y[mask], expected[0])
    close(dx[mask], expected[1])
    jax.tree.map(close, (dparams, moved), expected[2:])


def test_members_of_a_mapped_axis_with_padding_share_the_statistics_of_all_real_steps():
    whole, member = dr.BatchNorm(), dr.BatchNorm(axis_name="members")
    case = Case(whole, (4, 5, 2))
    mask = jnp.arange(5) < jnp.asarray([4, 1, 3, 3])[:, None]

    def both(layer, x, dy, mask):
        y, saved = layer.forward(case.params, x, Context(memory=case.context.memory, mask=mask))
        return y, layer.backward(case.params, saved, dy)[0]

    y, dx = both(whole, case.x, case.dy, mask)
    halves = (a.reshape(2, 2, *a.shape[1:]) for a in (case.x, case.dy, mask))
    y_s, dx_s = jax.vmap(lambda *a: both(member, *a), axis_name="members")(*halves)
    close(y_s.reshape(y.shape), y)
    close(dx_s.reshape(dx.shape), dx)


@pytest.mark.parametrize("layer", [dr.GlobalAveragePool(), dr.GlobalMaxPool()], ids=str)
def test_a_pool_over_all_of_time_is_that_of_each_sequence_by_itself(layer):
    x = -jnp.asarray(np.random.default_rng(0).uniform(1, 2, (3, 5, 4, 2)))  # below the padding's zeros
    x = jnp.where(MASK[..., None, None], x, 0)
    alone = [layer.predict({}, x[row : row + 1, :steps], {}) for row, steps in enumerate(LENGTHS)]
    close(layer.advance({}, x, Context(mask=MASK))[0], jnp.concatenate(alone))


def test_no_mask_is_left_behind_the_last_state_alone():
    net = dr.Chain(dr.Recurrent(dr.GRU(5), last=True), dr.Reshape(5, 1), dr.GlobalMaxPool())
    case = Case(net, (3, 5, 2))  # what is reshaped has the shape of the mask
    y, _ = net.forward(case.params, case.x, Context(mask=MASK))
    h, _ = net.layers[0].forward(case.params[0], case.x, Context(mask=MASK))
    close(y[:, 0], h.max(1))


@pytest.mark.parametrize(("kind", "layer", "shape"), PLAIN, ids=str)
def test_a_layer_takes_each_step_by_itself_or_refuses_padding(kind, layer, shape):
    """Outputs of the real steps stay, whatever stands behind them; or nothing is computed at all."""
    if layer.mixes_steps(shape) and kind not in TAKES_A_MASK:
        with pytest.raises(ShapeError, match=f"^{kind.__name__}: expected sequences without padding"):
            layer.padded(shape)
        return
    padded = layer.padded(shape)
    case = Case(layer, shape)
    mask = jnp.arange(shape[1]) < jnp.asarray([max(1, shape[1] - 1)] * shape[0])[:, None]
    spoilt = case.x.at[:, -1].set(0 if isinstance(layer, dr.Embedding) else 2.5) if shape[1] > 1 else case.x
    one, other = (
        layer.forward(case.params, x, Context(jax.random.key(0), case.context.memory, mask=mask))[0]
        for x in (case.x, spoilt)
    )
    assert padded == (one.shape[:2] == shape[:2] and not getattr(layer, "last", False))
    close(one[:, :-1] if padded and shape[1] > 1 else one, other[:, :-1] if padded and shape[1] > 1 else other)


@pytest.mark.parametrize(
    ("net", "shape", "path"),
    [
        (dr.Chain(dr.Dense(3), dr.Convolution(2, 3), dr.GlobalMaxPool()), (3, 5, 2), (1,)),
        (dr.Chain(dr.Dense(3), dr.Branch(dr.Identity(), dr.Convolution(2, 3))), (3, 5, 2), (1, 1)),
        (dr.Residual(dr.Chain(dr.Tanh(), dr.Convolution(2, 3))), (3, 5, 2), (0, 1)),
        (dr.Chain(dr.Flatten(), dr.Dense(3)), (3, 5, 2), (0,)),
        (dr.Chain(dr.Dense(3), dr.GroupNorm(1)), (3, 5, 2), (1,)),
        (dr.Chain(dr.TimeDistributed(dr.BatchNorm())), (3, 5, 2), (0,)),
        (dr.Chain(dr.Reshape(2, 5)), (3, 5, 2), (0,)),
        (dr.Chain(dr.Dense(3)), (3, 5), (0,)),
        (dr.Chain(dr.BatchNorm()), (3, 5), (0,)),
        (dr.Chain(dr.LayerNorm(axes=2)), (3, 5, 2), (0,)),
        (dr.Chain(dr.Softmax(axis=1)), (3, 5, 2), (0,)),
    ],
    ids=str,
)
def test_a_layer_that_would_count_the_padding_is_refused_by_its_path(net, shape, path):
    with pytest.raises(ShapeError, match=r"without padding.*behind Recurrent\(..., last=True\)") as caught:
        net.padded(shape)
    assert caught.value.path == path


def test_behind_the_last_state_alone_every_layer_goes():
    net = dr.Chain(dr.Recurrent(dr.GRU(5), last=True), dr.Reshape(5, 1), dr.Convolution(2, 3), dr.Flatten())
    assert not net.padded((3, 5, 2))
    assert dr.Chain(dr.Embedding(4, 3), dr.Reshape(5, 3, 1), dr.Reshape(5, 3), dr.Dense(2)).padded((3, 5))


def close(got, expected):
    np.testing.assert_allclose(got, expected, rtol=1e-10, atol=1e-12)
