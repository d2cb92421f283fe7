"""Modules of PyTorch read: every class and option, with outputs, gradients, and the way back."""

import re
import warnings

import numpy as np
import pytest

import deltarule as dr
from deltarule.errors import SettingError, ShapeError
from deltarule.interop.torch import from_torch, network_from_torch, network_to_torch, state_dict
from deltarule.interop.torch.from_module import network_of
from deltarule.interop.torch.layout import own
from interop.torch.agreement import drawn, given, hold, output

pytestmark = pytest.mark.torch

CASES = {
    "Linear(5, 3)": (7, 5),
    "Linear(5, 3, bias=False)": (2, 4, 5),
    "Conv1d(2, 4, 3)": (3, 2, 7),
    "Conv1d(4, 6, 3, stride=2, padding=1, dilation=2, groups=2, bias=False)": (2, 4, 9),
    "Conv2d(3, 4, (3, 2), stride=(2, 1), padding=(1, 0))": (2, 3, 7, 6),
    "Conv2d(3, 6, (3, 5), padding='same', dilation=(2, 1), groups=3)": (2, 3, 7, 6),
    "Conv2d(2, 3, (4, 2), padding='same')": (2, 2, 7, 6),
    "Conv2d(2, 3, 3, padding='valid')": (2, 2, 7, 6),
    "Conv3d(2, 3, (1, 2, 3), padding=(0, 1, 2))": (2, 2, 3, 4, 5),
    "ConvTranspose1d(2, 4, 3, stride=2, output_padding=1)": (3, 2, 7),
    "ConvTranspose2d(4, 6, (3, 4), stride=(2, 3), padding=(1, 2), output_padding=(1, 0), groups=2)": (2, 4, 4, 5),
    "ConvTranspose2d(2, 3, 3, padding=1, dilation=2, bias=False)": (2, 2, 5, 4),
    "ConvTranspose3d(2, 3, (1, 2, 3), stride=(1, 2, 1))": (2, 2, 3, 4, 5),
    "BatchNorm1d(5)": (7, 5),
    "BatchNorm1d(5, eps=0.1, momentum=0.3)": (3, 5, 4),
    "BatchNorm2d(3, affine=False)": (2, 3, 4, 5),
    "BatchNorm3d(3)": (2, 3, 4, 2, 5),
    "LayerNorm(5)": (7, 5),
    "LayerNorm(5, eps=0.1, bias=False)": (2, 3, 5),
    "LayerNorm((4, 5), elementwise_affine=False)": (3, 4, 5),
    "RMSNorm(5)": (7, 5),
    "RMSNorm(5, eps=0.1, elementwise_affine=False)": (2, 3, 5),
    "GroupNorm(3, 6)": (2, 6, 5, 4),
    "GroupNorm(2, 6, eps=0.1, affine=False)": (4, 6),
    "InstanceNorm1d(3)": (2, 3, 5),
    "InstanceNorm2d(3, affine=True)": (2, 3, 5, 4),
    "InstanceNorm3d(3, eps=0.1)": (2, 3, 5, 4, 2),
    "Dropout(0.3)": (7, 5),
    "Dropout1d(0.3)": (2, 3, 5),
    "Dropout2d(0.3)": (2, 3, 5, 4),
    "Dropout3d(0.3)": (2, 3, 5, 4, 2),
    "MaxPool1d(2)": (3, 5, 7),
    "MaxPool1d(3, stride=2, ceil_mode=True)": (3, 5, 8),
    "MaxPool2d((3, 2), stride=(2, 1), padding=1)": (2, 3, 6, 4),
    "MaxPool2d(2, stride=3, dilation=2, padding=1, ceil_mode=True)": (2, 3, 7, 9),
    "MaxPool2d(2, stride=5, padding=1, ceil_mode=True)": (2, 3, 9, 10),
    "MaxPool3d((1, 2, 3), stride=2)": (2, 2, 3, 4, 5),
    "AvgPool1d(3, stride=2, padding=1)": (3, 5, 7),
    "AvgPool1d(3, stride=2, ceil_mode=True)": (3, 5, 8),
    "AvgPool2d((3, 2), stride=(2, 1), padding=1)": (2, 3, 6, 4),
    "AvgPool2d((3, 2), padding=1, count_include_pad=False, ceil_mode=True)": (2, 3, 6, 4),
    "AvgPool2d(2, padding=1, ceil_mode=True)": (2, 3, 6, 4),
    "AvgPool3d((1, 2, 3), stride=2, count_include_pad=False)": (2, 2, 3, 4, 5),
    "AdaptiveAvgPool1d(1)": (3, 5, 7),
    "AdaptiveAvgPool2d((1, 1))": (2, 3, 6, 4),
    "AdaptiveAvgPool2d((3, None))": (2, 3, 6, 4),
    "AdaptiveMaxPool1d(3)": (2, 4, 9),
    "AdaptiveMaxPool2d(1)": (2, 3, 6, 4),
    "AdaptiveMaxPool3d(1)": (2, 3, 6, 4, 5),
    "Identity()": (3, 5),
    "ReLU()": (7, 5),
    "Sequential(Conv2d(3, 2, 1), ReLU(inplace=True))": (2, 3, 5, 4),
    "LeakyReLU(0.2)": (7, 5),
    "ELU(0.7)": (7, 5),
    "SELU()": (7, 5),
    "Sigmoid()": (7, 5),
    "Tanh()": (7, 5),
    "Softplus()": (7, 5),
    "SiLU()": (7, 5),
    "GELU()": (7, 5),
    "GELU('tanh')": (7, 5),
    "Softmax(dim=-1)": (7, 5),
    "Softmax(dim=1)": (2, 3, 5),
    "LogSoftmax(dim=1)": (7, 5),
    "RNN(3, 4, batch_first=True)": (2, 5, 3),
    "RNN(3, 4, nonlinearity='relu')": (5, 2, 3),
    "RNN(3, 4, 2, bidirectional=True, bias=False, batch_first=True)": (2, 5, 3),
    "GRU(3, 4)": (5, 2, 3),
    "GRU(3, 4, 3, batch_first=True)": (2, 5, 3),
    "GRU(3, 4, 2, bidirectional=True, batch_first=True)": (2, 5, 3),
    "LSTM(3, 4, batch_first=True)": (2, 5, 3),
    "LSTM(3, 4, bias=False)": (5, 2, 3),
    "LSTM(3, 4, 2, bidirectional=True, batch_first=True)": (2, 5, 3),
    "LSTM(3, 4, 3, dropout=0.3, batch_first=True)": (2, 5, 3),
    "Embedding(7, 3)": (4, 5),
    "Sequential(Embedding(7, 3), LSTM(3, 4, batch_first=True))": (4, 5),
    "Sequential(Embedding(7, 3), Flatten(), Linear(15, 2))": (4, 5),
    "Sequential(Linear(4, 6), ReLU(), Sequential(Linear(6, 5), Tanh()), Linear(5, 3))": (7, 4),
    "Sequential(Conv2d(2, 3, (3, 2)), Flatten(), Linear(45, 4))": (3, 2, 5, 6),
    "Sequential(Conv1d(2, 3, 3), ReLU(), Flatten(), BatchNorm1d(15), LayerNorm(15), Linear(15, 4))": (3, 2, 7),
    "Sequential(Sequential(Conv3d(2, 3, 2), ELU()), Flatten(), Sequential(RMSNorm(18), Linear(18, 4)))": (
        (3, 2, 2, 3, 4)
    ),
    "Sequential(Conv2d(2, 3, 2), LayerNorm((3, 4, 5)), Softmax(dim=1))": (2, 2, 5, 6),
    "Sequential(Conv2d(2, 3, 2), Softmax(dim=2), Dropout2d(0.2), Flatten(), Dropout(0.1), Linear(12, 2))": (
        (2, 2, 3, 3)
    ),
    "Sequential(Conv2d(2, 5, 3), AdaptiveAvgPool2d(1), Flatten(), Linear(5, 3))": (2, 2, 5, 6),
    "Sequential(Conv2d(2, 5, 3), AdaptiveAvgPool2d(1), Conv2d(5, 3, 1))": (2, 2, 5, 6),
    "Sequential(Linear(4, 30), BatchNorm1d(30), ReLU(), Unflatten(1, (5, 2, 3)), ConvTranspose2d(5, 2, 3))": (
        3,
        4,
    ),
    "Sequential(Linear(4, 30), Sequential(ELU(), Unflatten(1, (5, 6))), Sequential(Tanh(), Conv1d(5, 2, 3)))": (
        3,
        4,
    ),
    "Sequential(Linear(4, 30), Unflatten(1, (5, 6)), LSTM(6, 2, batch_first=True))": (3, 4),
    "Sequential(Conv2d(2, 4, 2), Flatten(), Linear(80, 24), Unflatten(1, (4, 2, 3)), Conv2d(4, 3, 2))": (
        2,
        2,
        5,
        6,
    ),
    "Sequential(Flatten(), Linear(40, 3))": (2, 2, 4, 5),
}


def made(torch, code):
    """The module that the code makes of PyTorch's classes."""
    return eval(code, vars(torch.nn).copy())


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("code", CASES)
def test_a_network_is_that_of_its_module_and_goes_back_to_it(torch, code, dtype):
    module, shape = drawn(torch, made(torch, code), dtype), CASES[code]
    time_first = isinstance(module, torch.nn.RNNBase) and not module.batch_first
    net, params, memory, found = network_of(module, shape[:1] + shape[2:] if time_first else shape[1:])
    x = given(torch, module, shape, dtype)
    theirs = {name: each.clone() for name, each in module.state_dict().items()}

    hold(torch, module, (net, params, memory), found, x, dtype, time_first)
    ours = x.transpose(0, 1) if time_first else x
    back = network_to_torch(net, params, memory, own(tuple(ours.shape), found.before)[1:])
    assert_same_state(torch, theirs, back.state_dict())
    module.load_state_dict(theirs)
    for training in (False, True)[: 1 if net.draws else 2]:
        y, y_back = (output(each.train(training), into).detach() for each, into in ((module, x), (back, ours)))
        np.testing.assert_allclose(y_back.transpose(0, 1) if time_first else y_back, y, rtol=1e-5, atol=1e-6)
    for name, buffer in module.named_buffers():
        np.testing.assert_allclose(back.get_buffer(name), buffer, rtol=1e-5, atol=1e-6)


def assert_same_state(torch, theirs, ours):
    """The same names and bits; but the two biases of a recurrent module are one, and steps are not counted."""
    ours = {name: each for name, each in ours.items() if "num_batches" not in name}
    theirs = {name: each for name, each in theirs.items() if "num_batches" not in name}
    for name in [name for name in ours if "bias_ih" in name]:
        second = name.replace("_ih", "_hh")
        ours[name] = ours[name] + ours.pop(second)
        zeros = torch.zeros_like(ours[name])
        theirs[name] = theirs.get(name, zeros) + theirs.pop(second, zeros)
    assert ours.keys() == theirs.keys()
    for name, each in ours.items():
        assert each.dtype == theirs[name].dtype
        assert torch.equal(each, theirs[name]), name


def test_a_step_moves_the_running_statistics_as_there_but_for_the_unbiased_variance(torch):
    module = drawn(torch, torch.nn.BatchNorm2d(3, momentum=0.3), "float64")
    before = module.running_var.numpy().copy()
    net, params, memory, found = network_of(module, (3, 4, 5))
    moved = hold(
        torch, module, (net, params, memory), found, given(torch, module, (2, 3, 4, 5), "float64"), "float64"
    )
    np.testing.assert_allclose(moved["mean"], module.running_mean, rtol=1e-12)
    values = 2 * 4 * 5
    biased = before + (module.running_var.numpy() - before * 0.7) * (values - 1) / values - 0.3 * before
    np.testing.assert_allclose(moved["variance"], biased, rtol=1e-12)


def test_names_and_subclasses_of_sequential_are_read_by_their_places(torch):
    class Block(torch.nn.Sequential):
        pass

    module = Block()
    module.add_module("first", torch.nn.Linear(5, 4))
    module.add_module("inner", Block(torch.nn.Tanh(), torch.nn.Linear(4, 3)))
    net, params, _ = network_from_torch(module, (5,))
    assert net == dr.Chain(dr.Dense(4), dr.Chain(dr.Tanh(), dr.Dense(3)))
    np.testing.assert_array_equal(params[1][1]["W"], module.inner[1].weight.detach().T)
    half = torch.nn.Linear(5, 3).bfloat16()
    assert network_from_torch(half, (5,))[1]["W"].dtype == "float32"


REFUSED = {  # (module, shape of one example): what the message says
    ("Sequential(Linear(5, 4), Sequential(Tanh(), PReLU()))", (5,)): "layer 1.1, PReLU: it has no counterpart",
    (
        "Sequential(TransformerEncoderLayer(4, 2, batch_first=True))",
        (3, 4),
    ): "layer 0, TransformerEncoderLayer",
    ("MultiheadAttention(4, 2)", (3, 4)): "MultiheadAttention: there is no attention here",
    ("LSTMCell(4, 2)", (4,)): "LSTMCell: it is one step; take nn.LSTM",
    ("ModuleList([Linear(4, 2)])", (4,)): "ModuleList: what is done with its modules",
    ("Sequential(Conv2d(2, 3, 3, padding=1, padding_mode='reflect'))", (2, 5, 6)): (
        "layer 0, Conv2d: expected padding_mode='zeros', got 'reflect'; pad the data"
    ),
    (
        "Sequential(Tanh(), BatchNorm1d(3, track_running_stats=False))",
        (3,),
    ): "layer 1, BatchNorm1d: expected",
    ("BatchNorm1d(3, momentum=None)", (3,)): "expected a momentum, got None",
    ("Sequential(BatchNorm1d(3, momentum=0.0))", (3,)): "layer 0, BatchNorm1d: BatchNorm: momentum must be in",
    ("InstanceNorm1d(3, track_running_stats=True)", (3, 5)): "expected track_running_stats=False",
    ("RMSNorm((3, 5))", (3, 5)): "expected one axis to normalise, got (3, 5)",
    ("MaxPool1d(2, return_indices=True)", (3, 5)): "expected return_indices=False",
    ("AdaptiveMaxPool1d(1, return_indices=True)", (3, 5)): "expected return_indices=False",
    ("AdaptiveAvgPool2d((2, 2))", (3, 5, 4)): "an output_size that divides the input's (5, 4), got (2, 2)",
    ("Sequential(Tanh(), LazyLinear(3))", (5,)): "layer 1, LazyLinear: it has no weights yet; call the module",
    ("DataParallel(Linear(5, 3))", (5,)): "the module that it wraps",
    ("(lambda l: Sequential(l, Tanh(), Sequential(l)))(Linear(5, 5))", (5,)): (
        "layer 2.0, Linear: it shares weights with layer 0, and each layer here has its own; give it a copy"
    ),
    ("AvgPool2d(2, divisor_override=3)", (3, 5, 4)): "expected divisor_override=None",
    ("AvgPool1d(3, stride=2, padding=1, ceil_mode=True)", (3, 6)): "counts a part of its zeros; set count_include",
    ("Embedding(7, 3, padding_idx=0)", (5,)): "expected padding_idx=None, got 0",
    ("Embedding(7, 3, max_norm=1.0)", (5,)): "expected max_norm=None, got 1.0",
    ("Embedding(7, 3, scale_grad_by_freq=True)", (5,)): "scale_grad_by_freq is not there",
    ("LSTM(3, 4, proj_size=2)", (5, 3)): "expected proj_size=0, got 2",
    ("Softplus(beta=2)", (5,)): "expected beta=1 and threshold=20, its defaults, got 2 and 20",
    ("Softmax()", (5,)): "expected a dim, got None",
    ("Softmax(dim=0)", (5,)): "Softmax: Softmax: expected an axis other than the examples'",
    ("LeakyReLU(-0.1)", (5,)): "LeakyReLU: LeakyReLU: slope must be a number of at least 0",
    ("Flatten(2)", (3, 5, 4)): "expected all axes but the examples', Flatten(1, -1), got Flatten(2, -1)",
    ("Unflatten(2, (2, 2))", (3, 4)): "expected features (n, i) in whole numbers of parts",
    ("Sequential(Conv1d(2, 3, 2), Linear(4, 3))", (2, 5)): "layer 1, Linear: it reads the axes in another order",
    ("Sequential(Embedding(7, 3), Conv1d(5, 2, 2))", (5,)): "layer 1, Conv1d: it reads the axes in another order",
    (
        "Sequential(Conv1d(2, 3, 2), Flatten())",
        (2, 5),
    ): "Sequential: its features come from an nn.Flatten",
    ("Sequential(Conv1d(2, 3, 2), Flatten(), GroupNorm(2, 12))", (2, 5)): "layer 2, GroupNorm: its features come",
    ("utils.parametrizations.weight_norm(Linear(5, 3))", (5,)): "expected one of PyTorch's own modules",
}


@pytest.mark.parametrize(("code", "shape"), REFUSED, ids=str)
def test_what_has_no_counterpart_is_refused_with_its_place(torch, code, shape):
    with pytest.raises((SettingError, ShapeError), match=re.escape(REFUSED[code, shape])):
        network_from_torch(made(torch, code), shape)


def test_a_module_of_ones_own_or_with_hooks_is_refused(torch):
    class Mine(torch.nn.Linear):
        def forward(self, x):
            return super().forward(x) ** 2

    with pytest.raises(SettingError, match=r"layer 0, Mine: expected one of PyTorch's own modules"):
        network_from_torch(torch.nn.Sequential(Mine(5, 3)), (5,))
    hooked = torch.nn.Sequential(torch.nn.Linear(5, 3))
    hooked[0].register_forward_hook(lambda module, x, y: 2 * y)
    with pytest.raises(SettingError, match="layer 0, Linear: it has forward hooks"):
        network_from_torch(hooked, (5,))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it is deprecated, and there all the same
        scripted = torch.jit.script(torch.nn.Sequential(torch.nn.Linear(5, 3)))
    with pytest.raises(SettingError, match="RecursiveScriptModule: expected one of PyTorch's own modules"):
        network_from_torch(scripted, (5,))
    with pytest.raises(SettingError, match=r"expected a torch\.nn\.Module, got 3"):
        network_from_torch(3, (5,))


def test_a_shape_that_does_not_fit_is_named(torch):
    nn = torch.nn
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(24, 2))
    with pytest.raises(
        ShapeError, match=r"0\.weight \(expected \(4, 5, 3, 3\), got \(4, 3, 3, 3\)\).*x is the shape"
    ):
        network_from_torch(module, (5, 4, 3))
    with pytest.raises(SettingError, match="layer 0, Conv2d: expected an input of 4 axes with the ex"):
        network_from_torch(module, (7, 3, 4, 5))
    with pytest.raises(ShapeError, match=r"layer 0, Conv2d: Convolution\(4, 3\): a kernel of 3, is larger"):
        network_from_torch(module, (3, 2, 5))


@pytest.mark.parametrize("x", [4, "4", (4.0,), (None, 4), (-1, 4), np.zeros((2, 4)), (0,)], ids=str)
def test_what_is_no_shape_is_refused(torch, x):
    with pytest.raises(ShapeError, match=r"x: expected the shape of one example, without n, such as \(784,\)"):
        network_from_torch(torch.nn.Linear(4, 1), x)


def test_an_activation_that_the_loss_computes_is_refused(torch):
    nn = torch.nn
    for last, loss in ((nn.Softmax(1), dr.SoftmaxCrossEntropy()), (nn.Sigmoid(), dr.BinaryCrossEntropy())):
        module = nn.Sequential(nn.Linear(3, 2), nn.Sequential(last))
        with pytest.raises(SettingError, match=r"ends in logits, got .*Entropy computes itself; .* module\[:-1\]"):
            from_torch(module, (3,), loss)
        assert from_torch(module, (3,), dr.SquaredError()).predict(np.ones((1, 3))).shape == (1, 2)
    x = torch.ones(1, 3)
    module = nn.Sequential(nn.Linear(3, 2), nn.LogSoftmax(1))
    model = from_torch(module, (3,), dr.SoftmaxCrossEntropy())
    np.testing.assert_allclose(model.predict(x.numpy()), module(x).exp().detach(), rtol=1e-6)


def test_a_model_of_a_module_predicts_and_goes_on_training_as_the_module_does(torch):
    """Batch normalisation, a kernel without bias, a pool by windows; SGD with momentum moves both alike."""
    nn = torch.nn
    module = nn.Sequential(
        nn.Conv2d(2, 4, 3, bias=False), nn.BatchNorm2d(4), nn.ReLU(), nn.AdaptiveAvgPool2d((2, 3)), nn.Flatten(),
        nn.Linear(24, 3),
    )  # fmt: skip
    x, y = given(torch, module, (12, 2, 6, 8), "float32"), torch.arange(12) % 3
    module = drawn(torch, module, "float32").eval()
    model = from_torch(module, (2, 6, 8), dr.SoftmaxCrossEntropy(), dr.SGD(0.1, momentum=0.9), seed=5)
    assert model.input_shape == (6, 8, 2)
    assert isinstance(model.net, dr.Chain)
    assert model.net.layers[0] == dr.Convolution(4, 3, padding=0, bias=False)
    ours = x.permute(0, 2, 3, 1).numpy()
    np.testing.assert_allclose(model.predict(ours), module(x).softmax(1).detach(), rtol=1e-4, atol=1e-6)
    model.fit(ours, y.numpy(), epochs=3, batch_size=12)
    optimizer = torch.optim.SGD(module.train().parameters(), lr=0.1, momentum=0.9)
    for _ in range(3):
        optimizer.zero_grad()
        nn.functional.cross_entropy(module(x), y).backward()
        optimizer.step()
    after = state_dict(model)
    for name, weight in module.named_parameters():
        np.testing.assert_allclose(after[name], weight.detach(), rtol=1e-4, atol=1e-5)
