"""Networks as PyTorch's modules: every layer's own examples, containers with gradients, published networks."""

import pickle
import sys

import jax
import numpy as np
import pytest

import deltarule as dr
from deltarule import layers
from deltarule.errors import SettingError, ShapeError
from deltarule.interop.torch import network_to_torch, to_torch
from deltarule.interop.torch.outline import outline
from interop.torch.agreement import QUICK, agree, given, hold
from layers.own_cell import MinimalGatedUnit

EVEN = "ignore:Using padding='same' with even kernel lengths"
pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings(EVEN)]
WITH_EXAMPLES = [name for name in layers.__all__ if hasattr(getattr(layers, name), "examples")]


def arrays(net, shape):
    """Random float64 parameters and memory of a network."""
    rng = np.random.default_rng(0)
    params = jax.tree.map(lambda a: rng.normal(size=a.shape) / 2, net.init(rng, shape))
    return params, jax.tree.map(lambda a: rng.uniform(0.5, 1.5, a.shape), net.memory(shape))


@pytest.mark.parametrize("name", WITH_EXAMPLES)
def test_the_examples_of_a_layer_predict_the_same(torch, float64, name):
    for layer, shape in getattr(layers, name).examples():
        params, memory = arrays(layer, shape)
        if getattr(layer, "carry", False):
            with pytest.raises(SettingError, match="carry begins where the last batch ended"):
                network_to_torch(layer, params, memory, shape[1:])
            continue
        found = outline(layer, shape[1:])
        module = network_to_torch(layer, params, memory, shape[1:])
        x = given(torch, module, shape, "float64")
        y = module(x.permute(found.before)).permute(*np.argsort(found.after))
        predict = jax.jit(layer.predict, compiler_options=QUICK)
        agree(predict(params, x.numpy(), memory), y.detach(), "float64")


def test_every_name_is_a_layer_with_examples_or_a_cell_of_one():
    assert set(layers.__all__) - set(WITH_EXAMPLES) == {"Bidirectional", "GRU", "LSTM", "SimpleRNN"}


NETWORKS = {
    "residual with a projection": (dr.Chain(dr.Dense(4), dr.Residual(dr.Chain(dr.Tanh(), dr.Dense(3)))), (6, 5)),
    "residual of images": (
        dr.Residual(dr.Chain(dr.Convolution(2, 3), dr.Dense(4)), dr.Convolution(4, 1, padding=0)),
        (2, 3, 5, 2),
    ),
    "branches of images": (
        dr.Chain(dr.Branch(dr.Convolution(2, 3), dr.Chain(dr.Dense(3), dr.Scale())), dr.Flatten(), dr.Dense(3)),
        (2, 3, 4, 2),
    ),
    "columns, embedded and as they are": (
        dr.Chain(
            dr.Branch(
                dr.Chain(dr.Columns(0, 1), dr.Embedding(7, 3), dr.Flatten()),
                dr.Chain(dr.Columns(1, 3), dr.Dense(2)),
            ),
            dr.Dense(2),
        ),
        (4, 3),
    ),
    "blocks": (
        dr.blocks.preactivation(3, 2, project=True),
        (2, 5, 7, 3),
    ),
    "flattened, then normalised": (
        dr.Chain(
            dr.Convolution(3, 2, padding="valid"),
            dr.Flatten(),
            dr.BatchNorm(),
            dr.Scale(),
            dr.RMSNorm(),
            dr.Dense(4),
        ),
        (3, 3, 5, 2),
    ),
    "flattened, then parts": (
        dr.Chain(dr.Convolution(3, 2), dr.Flatten(), dr.Columns(1, 9), dr.GroupNorm(4), dr.Dueling()),
        (2, 3, 4, 2),
    ),
    "from features to images": (
        dr.Chain(dr.Dense(30), dr.BatchNormReLU(), dr.Reshape(2, 3, 5), dr.ConvolutionTranspose(2, 3, stride=2)),
        (3, 4),
    ),
    "from features to images, as they lie": (dr.Chain(dr.Reshape(2, 3, 4), dr.Convolution(2, 3)), (3, 24)),
    "images in another shape": (dr.Chain(dr.Convolution(2, 3), dr.Reshape(6, 4), dr.Dense(3)), (2, 3, 4, 1)),
    "scaled and dueling images": (dr.Chain(dr.Convolution(4, 3), dr.Scale(), dr.Dueling()), (2, 3, 5, 2)),
    "series read, then convolved": (
        dr.Chain(dr.Recurrent(dr.LSTM(4)), dr.BatchNorm(), dr.Convolution(3, 2), dr.LayerNorm()),
        (2, 5, 3),
    ),
    "a film": (
        dr.Chain(
            dr.TimeDistributed(dr.Chain(dr.Convolution(2, 3), dr.MaxPool(2), dr.Flatten())),
            dr.Recurrent(dr.GRU(3), last=True),
        ),
        (2, 3, 4, 5, 1),
    ),
    "pooled with dilation": (dr.AveragePool((2, 3), 1, ((1, 0), (0, 2)), False, dilation=2), (2, 5, 7, 3)),
    "peepholes": (dr.Recurrent(dr.LSTM(4, peephole=True), reverse=True), (2, 5, 3)),
    "peepholes, both ways": (dr.Bidirectional(dr.LSTM(4, peephole=True), last=True), (2, 5, 3)),
    "reset before": (dr.Recurrent(dr.GRU(4, "before"), last=True), (2, 5, 3)),
    "stacked, from the end": (
        dr.Chain(dr.Recurrent(dr.LSTM(4), reverse=True), dr.Recurrent(dr.LSTM(4), last=True)),
        (2, 5, 3),
    ),
    "stacked, both ways": (
        dr.Chain(dr.Bidirectional(dr.GRU(4)), dr.Bidirectional(dr.GRU(4), last=True)),
        (2, 5, 3),
    ),
    "stacked, of different sizes": (
        dr.Chain(dr.Recurrent(dr.SimpleRNN(4)), dr.Recurrent(dr.SimpleRNN(2))),
        (2, 5, 3),
    ),
    "computed again": (dr.Chain(dr.Recompute(dr.BatchNormReLU(), dr.Dense(3)), dr.Tanh()), (7, 5)),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_and_its_module_have_the_same_gradients(torch, name):
    net, shape = NETWORKS[name]
    params, memory = arrays(net, shape)
    found = outline(net, shape[1:])
    module = network_to_torch(net, params, memory, shape[1:])
    x = torch.tensor(np.random.default_rng(1).normal(size=shape))
    if "embedded" in name:
        x[:, 0] = torch.tensor([3.0, 0.0, 6.0, 3.0])
    hold(torch, module, (net, params, memory), found, x.permute(found.before), "float64")


def ready(net, shape):
    """A model that is as if it was trained on examples of this shape."""
    model = dr.Model(net, loss=dr.SoftmaxCrossEntropy())
    fresh = model.step().init((1, *shape), 0)
    rng = np.random.default_rng(0)
    memory = jax.tree.map(lambda a: rng.uniform(0.5, 1.5, a.shape).astype(np.float32), fresh.memory)
    model.state, model.input_shape = fresh._replace(memory=memory), shape
    return model


@pytest.mark.parametrize(
    ("net", "shape"),
    [
        (dr.networks.lenet(), (32, 32, 1)),
        (dr.networks.resnet(8, 4, block="basic"), (9, 8, 3)),
        (dr.networks.resnet(8, 4), (8, 9, 3)),
        (dr.networks.nature(4, (16,)), (84, 84, 4)),
        (dr.networks.voxnet(), (32, 32, 32, 1)),
    ],
    ids=["lenet", "resnet basic", "resnet", "nature", "voxnet"],
)
def test_the_logits_of_a_published_network_are_those_of_its_predictions(torch, net, shape):
    model, module = ready(net, shape), to_torch(ready(net, shape))
    x = np.random.default_rng(1).normal(size=(2, *shape)).astype(np.float32)
    logits = module(torch.tensor(np.moveaxis(x, -1, 1)))
    np.testing.assert_allclose(logits.softmax(1).detach(), model.predict(x), rtol=1e-4, atol=1e-6)


def test_a_module_is_what_one_would_have_written(torch):
    net = dr.Chain(
        dr.Convolution(4, 3), dr.ReLU(), dr.Flatten(), dr.Dropout(0.2), dr.Dense(5), dr.BatchNorm(), dr.Dense(2)
    )
    module = to_torch(ready(net, (5, 6, 3)))
    nn = torch.nn
    assert [type(each) for each in module] == [
        *(nn.Conv2d, nn.ReLU, nn.Flatten, nn.Dropout, nn.Linear, nn.BatchNorm1d, nn.Linear)
    ]
    assert "momentum=0.1, " in str(module)
    assert not module.training
    assert isinstance(to_torch(ready(dr.Recurrent(dr.LSTM(3), last=True), (5, 2))), nn.LSTM)


def test_a_module_with_classes_of_ours_is_pickled(torch):
    net = dr.Chain(dr.Residual(dr.Chain(dr.Dense(5), dr.Scale())), dr.Dueling())
    module = to_torch(ready(net, (5,)))
    x = torch.ones(2, 5)
    assert torch.equal(pickle.loads(pickle.dumps(module))(x), module(x))


def test_what_has_no_counterpart_is_refused_with_its_place(torch):
    class Mine(dr.Tanh):
        pass

    own = [
        (
            dr.Chain(dr.Tanh(), dr.Recurrent(MinimalGatedUnit(3))),
            (4, 2),
            r"layer 1, Recurrent.*a cell of your own",
        ),
        (dr.Chain(dr.Tanh(), dr.Chain(Mine())), (4,), r"layer 1\.0, Mine: expected a layer of Deltarule's"),
        (
            dr.Chain(dr.Convolution(2, 1)),
            (2, 1, 2, 1, 3),
            r"layer 0, Convolution\(2, 1\): expected at most three axes",
        ),
        (dr.MaxPool(1), (2, 1, 2, 1, 3), "MaxPool: expected at most three axes of space, got 4"),
        (dr.GlobalMaxPool(), (2, 1, 2, 1, 3), "GlobalMaxPool: expected at most three axes of space, got 4"),
        (dr.BatchNorm(), (2, 1, 2, 1, 3), "BatchNorm: expected at most three axes of space"),
        (dr.SpatialDropout(0.1), (2, 1, 2, 1, 3), "SpatialDropout: PyTorch's end at three axes of space"),
        (
            dr.ConvolutionTranspose(2, 2, output_padding=3),
            (4, 1),
            r"its output is \(\d+,\) longer than the kernel",
        ),
    ]
    for net, shape, message in own:
        with pytest.raises(SettingError, match=message):
            network_to_torch(net, net.init(np.random.default_rng(0), (1, *shape)), net.memory((1, *shape)), shape)


def test_a_model_that_was_not_trained_and_a_shape_that_does_not_fit_are_refused(torch):
    with pytest.raises(SettingError, match="the model has not been trained"):
        to_torch(dr.Model(dr.Dense(3), loss=dr.SquaredError()))
    net = dr.Chain(dr.Dense(3), dr.Convolution(2, 3))
    with pytest.raises(ShapeError, match=r"layer 1, Convolution\(2, 3\): expected an input with axes of space"):
        network_to_torch(net, (), (), (5,))
    net = dr.Chain(dr.Dense(3))
    with pytest.raises(ShapeError, match=r"0\.weight \(expected \(3, 4\), got \(3, 5\)\)"):
        network_to_torch(net, net.init(np.random.default_rng(0), (1, 5)), net.memory((1, 5)), (4,))


def test_without_pytorch_it_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(SettingError, match="PyTorch is not installed; pip install torch brings it"):
        to_torch(ready(dr.Dense(3), (2,)))
