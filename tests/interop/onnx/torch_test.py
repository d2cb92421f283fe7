"""Files of PyTorch's own exporter: the Model that is read predicts what the module does."""

import io

import numpy as np
import onnx
import pytest

import deltarule as dr
from deltarule.interop.onnx import from_onnx
from interop.onnx.models import drawn

pytestmark = [
    pytest.mark.torch,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # the exporter that needs no further package
    pytest.mark.filterwarnings("ignore:Exporting a model to ONNX with a batch_size other than 1:UserWarning"),
    pytest.mark.filterwarnings("ignore:Converting a tensor to a Python boolean"),
]


def written(torch, module, shape, opset) -> onnx.ModelProto:
    """The module as PyTorch writes it, for any number of examples of a shape."""
    file = io.BytesIO()
    names = {"input_names": ["x"], "output_names": ["y"], "dynamic_axes": {"x": {0: "n"}}}
    torch.onnx.export(module, torch.zeros(2, *shape), file, dynamo=False, opset_version=opset, **names)
    return onnx.load_from_string(file.getvalue())


def modules(torch):
    """Modules by name, each with the shape of an example."""
    nn = torch.nn

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = nn.Sequential(nn.Conv2d(4, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4), nn.ReLU())

        def forward(self, x):
            return torch.relu(x + self.body(x))

    class Viewed(nn.Module):
        def __init__(self):
            super().__init__()
            self.convolution, self.dense = nn.Conv2d(3, 4, 3), nn.Linear(4 * 6 * 5, 2)

        def forward(self, x):
            x = self.convolution(x)
            return self.dense(x.view(x.size(0), -1))

    class Read(nn.Module):
        def __init__(self, reader):
            super().__init__()
            self.reader, self.dense = reader, nn.Linear(reader.hidden_size * (1 + reader.bidirectional), 3)

        def forward(self, x):
            return self.dense(self.reader(x)[0])

    class Last(Read):
        def forward(self, x):
            return self.dense(self.reader(x)[0][:, -1])

    image, steps = (3, 8, 7), (6, 5)
    return {
        "images": (nn.Sequential(
            nn.Conv2d(3, 4, 3, stride=2, padding=1), nn.BatchNorm2d(4), nn.GELU(), nn.MaxPool2d(2, ceil_mode=True),
            nn.Flatten(), nn.Linear(16, 5), nn.SiLU(), nn.LayerNorm(5), nn.Linear(5, 3), nn.Softmax(-1)), image),
        "blocks": (nn.Sequential(
            nn.Conv2d(3, 4, 1), Block(), Block(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)), image),
        "view": (Viewed(), image),
        "upwards": (nn.Sequential(
            nn.ConvTranspose2d(3, 4, 3, stride=2, output_padding=1), nn.LeakyReLU(0.2), nn.AvgPool2d(2)), image),
        "series": (nn.Sequential(nn.Conv1d(6, 4, 3), nn.ELU(), nn.BatchNorm1d(4)), (6, 9)),
        "lstm": (Last(nn.LSTM(5, 4, batch_first=True)), steps),
        "stacked gru, both directions": (
            Read(nn.GRU(5, 4, num_layers=2, bidirectional=True, batch_first=True)), steps),
        "rnn": (Last(nn.RNN(5, 4, nonlinearity="relu", batch_first=True)), steps),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "opset"),
    [(name, 17) for name in ("images", "blocks", "view", "upwards", "series", "lstm", "rnn")]
    + [("images", 20), ("stacked gru, both directions", 17)],
)
def test_a_module_is_read_from_its_file(name, opset, torch):
    torch.manual_seed(0)
    module, shape = modules(torch)[name]
    module.eval()
    for parameter in module.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)
    x = drawn(shape, 7)
    images = len(shape) == 3 or name == "series"
    model = from_onnx(written(torch, module, shape, opset), dr.SquaredError())
    got = model.predict(np.moveaxis(x, 1, -1) if images else x)
    expected = module(torch.tensor(x)).detach().numpy()
    turned = images and expected.ndim > 2
    np.testing.assert_allclose(got, np.moveaxis(expected, 1, -1) if turned else expected, rtol=1e-4, atol=1e-5)
