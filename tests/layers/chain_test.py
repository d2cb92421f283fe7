import jax
import jax.numpy as jnp
import numpy as np
import pytest

from deltarule.errors import ShapeError
from deltarule.layers import Chain, Columns, Convolution, Dense, Flatten, ReLU, Reshape, Sigmoid, Softmax, Tanh
from deltarule.layers.layer import Context
from layers.reference import agree_with_torch, forward

NESTED = Chain(Dense(6), Chain(ReLU(), Chain(Reshape(2, 3), Dense(4)), Flatten()), Dense(3))


@pytest.mark.torch
def test_a_nested_chain_is_the_sequence_of_torch(torch):
    def network(x, params):
        (first, (_, (_, inner), _), last), linear = params, torch.nn.functional.linear
        h = torch.relu(linear(x, first["W"].T, first["b"])).reshape(-1, 2, 3)
        h = linear(h, inner["W"].T, inner["b"]).reshape(-1, 8)
        return linear(h, last["W"].T, last["b"])

    agree_with_torch(NESTED, network, (7, 5))


def test_nesting_changes_the_tuples_and_not_the_numbers():
    flat = Chain(Dense(6), ReLU(), Reshape(2, 3), Dense(4), Flatten(), Dense(3))
    first, (_, (_, inner), _), last = params = NESTED.init(np.random.default_rng(0), (7, 5))
    x = np.random.default_rng(1).normal(size=(7, 5)).astype(np.float32)
    np.testing.assert_array_equal(forward(NESTED, x, params), forward(flat, x, (first, {}, {}, inner, {}, last)))


def test_an_empty_chain_is_the_identity():
    x, dy = jnp.ones((7, 5)), jnp.full((7, 5), 3.0)
    assert Chain().shape((7, 5)) == (7, 5)
    assert Chain().init(np.random.default_rng(0), (7, 5)) == Chain().memory((7, 5)) == ()
    y, saved = Chain().forward((), x, Context())
    assert y is x
    assert Chain().backward((), saved, dy) == (dy, ())


IMAGES, ROWS = (3, 6, 5, 2), (7, 2)


@pytest.mark.parametrize(
    ("layers", "shape", "taken"),
    [
        (
            (Convolution(4, 3), ReLU(), ReLU(), Convolution(3, 3, bias=False), ReLU(), Convolution(2, 1)),
            IMAGES,
            [(0, True), (2, False), (3, True), (5, False)],
        ),
        ((Dense(4), ReLU(), Dense(5, bias=False), ReLU(), Dense(3)), ROWS, [(0, True), (2, True), (4, False)]),
        ((Convolution(4, 3), ReLU(), Dense(5), ReLU()), IMAGES, [(0, True), (2, True)]),
        ((Convolution(4, 3), ReLU(), Dense(5)), IMAGES, [(0, True), (2, False)]),
        ((Tanh(), ReLU(), Dense(4), ReLU(), Tanh()), ROWS, [(0, False), (1, False), (2, True), (4, False)]),
        (
            (Dense(4), ReLU(), ReLU(), Dense(3), ReLU(), Dense(3)),
            IMAGES,
            [(0, True), (2, False), (3, True), (5, False)],
        ),
    ],
)
def test_relu_taken_along_changes_neither_the_numbers_nor_what_is_kept(layers, shape, taken):
    x = jnp.asarray(np.random.default_rng(1).normal(size=shape), jnp.float32)
    assert [(place, takes) for place, _, takes in Chain(*layers).passes] == taken
    params = Chain(*layers).init(np.random.default_rng(0), x.shape)
    y, saved = Chain(*layers).forward(params, x, Context())
    dy = jnp.asarray(np.random.default_rng(2).normal(size=y.shape), jnp.float32)
    got = y, saved, Chain(*layers).backward(params, saved, dy)

    h, kept = x, []
    for layer, p in zip(layers, params, strict=True):
        h, own = layer.forward(p, h, Context())
        kept.append(own)
    dh, dparams = dy, []
    for layer, p, own in reversed(list(zip(layers, params, kept, strict=True))):
        dh, dp = layer.backward(p, own, dh)
        dparams.append(dp)
    expected = h, tuple(kept), (dh, tuple(reversed(dparams)))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5), got, expected)


def test_a_derivative_is_masked_once_for_each_relu():
    net, x = Chain(Dense(4), ReLU(), Dense(5), ReLU(), Dense(3)), jnp.ones((7, 2))
    params = net.init(np.random.default_rng(0), x.shape)
    y, saved = net.forward(params, x, Context())
    assert str(jax.make_jaxpr(net.backward)(params, saved, y)).count(" gt ") == 2  # y > 0


@pytest.mark.parametrize(
    ("network", "path", "message"),
    [
        (Chain(Dense(4), Softmax(axis=2)), (1,), r"^layer 1, Softmax: .* 2 .*\(7, 4\)"),
        (Chain(Dense(4), Chain(Columns(0, 5))), (1, 0), r"^layer 1\.0, Columns\(0, 5\): .* 5 .*\(7, 4\)"),
        (
            Chain(Chain(Tanh(), Chain(Tanh(), Reshape(2, 2)))),
            (0, 1, 1),
            r"^layer 0\.1\.1, .* 4 .* 5.*\(7, 5\)",
        ),
    ],
    ids=["flat", "nested", "thrice"],
)
def test_an_error_leads_to_its_layer(network, path, message):
    for ask in (network.shape, network.cost, lambda x: network.init(np.random.default_rng(0), x)):
        with pytest.raises(ShapeError, match=message) as caught:
            ask((7, 5))
        assert caught.value.path == path


@pytest.mark.parametrize(("layer", "slope"), [(Tanh(), lambda h: 1 - h**2), (Sigmoid(), lambda h: h * (1 - h))])
def test_the_gradients_of_two_hidden_layers_line_by_line(float64, layer, slope):
    """f = W³ H² + b³ and ρ = (y − f)², for one example x in column convention, in the order of the theory."""
    network = Chain(Dense(4), layer, Dense(3), layer, Dense(1))
    rng = np.random.default_rng(0)
    params = tuple(
        {name: jnp.asarray(rng.normal(size=a.shape)) for name, a in p.items()} for p in network.init(rng, (1, 5))
    )
    x, y = rng.normal(size=(5, 1)), rng.normal()
    (W1, b1), (W2, b2), (W3, b3) = ((np.asarray(p["W"]).T, np.asarray(p["b"])[:, None]) for p in params if p)

    H1 = np.asarray(forward(layer, W1 @ x + b1))
    H2 = np.asarray(forward(layer, W2 @ H1 + b2))
    f = W3 @ H2 + b3
    d4 = 2 * (f - y)  # ∂ρ/∂f
    db3, dW3 = d4, d4 @ H2.T
    d3 = W3.T @ d4 * slope(H2)
    db2, dW2 = d3, d3 @ H1.T
    d2 = W2.T @ d3 * slope(H1)
    db1, dW1 = d2, d2 @ x.T

    ours, saved = network.forward(params, jnp.asarray(x.T), Context())
    np.testing.assert_allclose(ours, f, rtol=1e-13)
    dx, dparams = network.backward(params, saved, 2 * (ours - y))
    for got, dW, db in zip(dparams[::2], (dW1, dW2, dW3), (db1, db2, db3), strict=True):
        np.testing.assert_allclose(got["W"].T, dW, rtol=1e-12)
        np.testing.assert_allclose(got["b"][:, None], db, rtol=1e-12)
    np.testing.assert_allclose(dx.T, W1.T @ d2, rtol=1e-12)
