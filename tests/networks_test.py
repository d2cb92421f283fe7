"""Published networks and blocks: their shapes, their parameters as published, and what they keep."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import deltarule as dr
from deltarule import blocks, networks
from deltarule.layers.layer import Context


def derivative_error(net, x_shape):
    """The largest relative difference between backward and autodiff, in float64."""
    rng = np.random.default_rng(0)
    params = jax.tree.map(lambda a: rng.normal(size=a.shape) / 4, net.init(rng, x_shape))
    x, context = rng.normal(size=x_shape), Context(jax.random.key(0), net.memory(x_shape))
    dy = rng.normal(size=net.shape(x_shape))

    @jax.jit
    def both(params, x, dy):
        _, vjp = jax.vjp(lambda p, x: net.forward(p, x, context)[0], params, x)
        return vjp(dy), net.backward(params, net.forward(params, x, context)[1], dy)[::-1]

    expected, got = map(jax.tree.leaves, both(params, x, dy))
    scale = max(np.abs(leaf).max() for leaf in expected)
    return max(np.abs(np.subtract(a, b)).max() for a, b in zip(got, expected, strict=True)) / scale


@pytest.mark.parametrize("block", [blocks.basic, blocks.preactivation])
@pytest.mark.parametrize("project", [False, True])
def test_a_block_is_differentiated_rightly(block, project, float64):
    net = block(6, stride=2, project=True) if project else block(4)
    assert derivative_error(net, (3, 6, 5, 4)) <= 1e-10


@pytest.mark.parametrize("block", [blocks.basic, blocks.preactivation])
def test_a_block_is_its_published_form(block, float64):
    """The same sums as the chain that the paper's figure shows, with γ and β where it has them."""
    x_shape, rng = (3, 6, 5, 4), np.random.default_rng(0)
    net = block(4)
    params = jax.tree.map(lambda a: jnp.asarray(rng.normal(size=a.shape)), net.init(rng, x_shape))
    x, leaves = jnp.asarray(rng.normal(size=x_shape)), jax.tree.leaves(params)
    K = [leaf for leaf in leaves if leaf.ndim == 4]
    scales = [
        {"beta": b, "gamma": g}
        for b, g in zip(*[iter(leaf for leaf in leaves if leaf.ndim == 1)] * 2, strict=True)
    ]

    def convolve(h, K):
        return blocks.convolution(4).forward({"K": K}, h, Context())[0]

    def norm(h, p):
        return dr.BatchNorm().forward(p, h, Context())[0]

    if block is blocks.basic:
        h = convolve(jnp.maximum(norm(convolve(x, K[0]), scales[0]), 0), K[1])
        expected = jnp.maximum(norm(h, scales[1]) + x, 0)
    else:
        h = convolve(jnp.maximum(norm(x, scales[0]), 0), K[0])
        expected = convolve(jnp.maximum(norm(h, scales[1]), 0), K[1]) + x
    np.testing.assert_allclose(net.forward(params, x, Context())[0], expected, rtol=1e-10, atol=1e-10)


def parameters(net, x):
    return net.cost(x).parameters


def test_networks_have_the_parameters_that_were_published():
    assert parameters(networks.lenet(), (1, 32, 32, 1)) == 61_706
    assert parameters(networks.voxnet(40), (1, 32, 32, 32, 1)) == 921_736
    for depth, millions in ((20, 0.27), (32, 0.46), (44, 0.66), (56, 0.85), (110, 1.7)):  # table 6
        for block in ("basic", "preactivation"):
            got = parameters(networks.resnet(depth, block=block), (1, 32, 32, 3)) / 1e6
            assert got == pytest.approx(millions, abs=0.05 if depth == 110 else 0.01)


def test_lenet_takes_digits_of_28_pixels_with_padding():
    assert networks.lenet(padding=2).shape((4, 28, 28, 1)) == (4, 10)


def test_a_preactivation_block_keeps_two_arrays_of_its_size_and_a_basic_one_three():
    x = (8, 16, 16, 16)
    array, channels = 8 * 16 * 16 * 16, 16
    after_a_layer = dr.Chain(blocks.convolution(16), blocks.preactivation(16))
    assert after_a_layer.cost(x).saved == 2 * array + 2 * (4 + 2) * channels  # memory twice, and μ, σ²
    cost = blocks.basic(16).cost(x)  # its input, and the ReLU's output, which the next block shares
    assert (cost.keeps_x, cost.keeps_y) == (True, True)
    assert cost.saved == 2 * array + (4 + 2) * channels + 2 * channels


def test_a_depth_that_makes_no_whole_blocks_is_refused():
    with pytest.raises(dr.SettingError, match=r"a depth of 6 n \+ 2, such as 8, 14 or 20, got 18"):
        networks.resnet(18)
    with pytest.raises(dr.SettingError, match="one of the blocks basic, preactivation, got 'bottleneck'"):
        networks.resnet(20, block="bottleneck")


def test_a_resnet_learns():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 96)
    x = rng.normal(size=(96, 8, 8, 1)) + 2 * (y[:, None, None, None] * np.tri(8)[:, :, None])
    model = dr.Model(networks.resnet(8, 4, 2), loss=dr.SoftmaxCrossEntropy(), optimizer=dr.Adam(1e-2), seed=0)
    model.fit(x, y, epochs=6, batch_size=16, progress=False)
    assert model.evaluate(x, y)["accuracy"] >= 0.95
