"""The network that a job trains: dense layers for a table, convolutions for images, cells for series and texts."""

from deltarule.data.image_preprocessing import ImagePreprocessing
from deltarule.data.series import SeriesPreprocessing
from deltarule.data.table import Preprocessing
from deltarule.data.text import Vocabulary
from deltarule.errors import SettingError
from deltarule.job import Job, refuse_settings
from deltarule.layers import (
    ELU,
    GELU,
    GRU,
    LSTM,
    SELU,
    BatchNorm,
    Branch,
    Chain,
    Columns,
    Convolution,
    Cutout,
    Dense,
    Dropout,
    Embedding,
    Flatten,
    GlobalAveragePool,
    MaxPool,
    RandomFlip,
    RandomShift,
    Recurrent,
    ReLU,
    Sigmoid,
    SiLU,
    Tanh,
)
from deltarule.layers.layer import Layer
from deltarule.networks import resnet

FEATURES, MOST_FEATURES = 32, 256  # of the first convolution, and of any
DENSE, RECURRENT, TEXT = (64, 64), (64,), (256,)  # widths of hidden layers
MOST_EMBEDDED = 64  # features of an embedding
NETWORKS = {"dense": "other data", "convolution": "images", "resnet": "images"}  # what they are for
ACTIVATIONS = {
    "relu": ReLU,
    "elu": ELU,
    "gelu": GELU,
    "selu": SELU,
    "sigmoid": Sigmoid,
    "silu": SiLU,
    "tanh": Tanh,
}


def network_of(
    preparation: Preprocessing | ImagePreprocessing | SeriesPreprocessing | Vocabulary, job: Job
) -> Chain:
    """The network that a job trains on data that are prepared so."""
    if isinstance(preparation, Preprocessing):
        return table_network(preparation, job)
    if isinstance(preparation, ImagePreprocessing):
        return image_network(preparation, job)
    if isinstance(preparation, SeriesPreprocessing):
        return series_network(preparation, job)
    return text_network(preparation, job)


def table_network(preparation: Preprocessing, job: Job) -> Chain:
    """Hidden layers and an output; categories with many levels pass through an embedding first.

    An embedding of k levels has 1.6 k^0.56 features, at most 64, the rule of thumb of fastai.
    """
    require_network(job, "a table", "dense")
    numbers = preparation.width - len(preparation.embedded)
    branches: list[Layer] = [Columns(0, numbers)] if numbers else []
    for place, (levels, _) in enumerate(preparation.embedded, numbers):
        features = min(MOST_EMBEDDED, round(1.6 * levels**0.56))
        branches.append(Chain(Columns(place, place + 1), Embedding(levels, features), Flatten()))
    layers: list[Layer] = []
    if preparation.embedded:
        layers = [Branch(*branches)] if len(branches) > 1 else branches
    return Chain(*layers, *dense_layers(job), Dense(len(preparation.classes) or 1))


def image_network(preparation: ImagePreprocessing, job: Job) -> Chain:
    """Convolutions after the augmentation, each halving the sides until the shorter is below 8, and an output.

    3 x 3 windows and features that double as the sides halve are VGG's (Simonyan and Zisserman 2015), the
    normalisation is Ioffe and Szegedy's (2015), the mean over all places instead of dense layers is Lin et al.'s
    (2014).
    """
    require_network(job, "images", "convolution", "resnet", "dense")
    outputs = len(preparation.goal.classes) or 1
    height, width, _ = preparation.shape
    side = min(height, width)
    layers = augmentation(job, side)
    if job.network == "dense":
        return Chain(*layers, Flatten(), *dense_layers(job), Dense(outputs))
    refuse_settings(job, ("hidden", "dropout"), "is for dense networks (network = dense)")
    if job.network == "resnet":
        refuse_settings(job, ("activation",), "is for other networks: a resnet has ReLU")
        return Chain(*layers, *resnet(classes=outputs).layers)
    features = FEATURES
    while side > 7:
        layers += [*convolution(features, job), MaxPool(2)]
        features, side = min(2 * features, MOST_FEATURES), side // 2
    return Chain(*layers, *convolution(features, job), GlobalAveragePool(), Dense(outputs))


def series_network(preparation: SeriesPreprocessing, job: Job) -> Chain:
    """Recurrent layers, the last of which gives its last state, or dense ones, and an output for each step."""
    require_network(job, "a series", "gru", "lstm", "dense")
    if job.network == "dense":
        return Chain(Flatten(), *dense_layers(job), Dense(preparation.horizon))
    refuse_settings(job, ("activation", "dropout"), "is for dense networks (network = dense)")
    cell = LSTM if job.network == "lstm" else GRU
    if not (hidden := RECURRENT if job.hidden is None else job.hidden):
        raise SettingError(
            "hidden: expected the width of at least one recurrent layer, but got none; write --hidden 64"
        )
    *widths, last = hidden
    layers = [Recurrent(cell(width)) for width in widths]
    return Chain(*layers, Recurrent(cell(last), last=True), Dense(preparation.horizon))


def text_network(vocabulary: Vocabulary, job: Job) -> Chain:
    """An embedding of the characters, recurrent layers, and an output for each that may be next."""
    require_network(job, "a text", "gru", "lstm")
    refuse_settings(job, ("activation", "dropout"), "is for dense networks, and a text has a recurrent one")
    widths = TEXT if job.hidden is None else job.hidden
    if not widths:
        raise SettingError(
            "hidden: expected the width of at least one recurrent layer, but got none; write --hidden 256"
        )
    cell = LSTM if job.network == "lstm" else GRU
    layers = [Recurrent(cell(width)) for width in widths]
    return Chain(Embedding(vocabulary.size, min(vocabulary.size, MOST_EMBEDDED)), *layers, Dense(vocabulary.size))


def require_network(job: Job, data: str, *networks: str) -> None:
    """Raises SettingError where the job's network is not one of those for its data."""
    if job.network not in ("auto", *networks):
        purpose = NETWORKS.get(job.network, "series and texts")
        refuse_settings(job, ("network",), f"= {job.network} is for {purpose}, and this is {data}")


def augmentation(job: Job, side: int) -> list[Layer]:
    """The layers that vary training images whose shorter side is `side`.

    Shifts of an eighth and squares of a half are those of CIFAR-10's 32 pixels: 4 by He et al. (2016), 16 by
    DeVries and Taylor (2017).
    """
    layers = {"flip": RandomFlip(), "shift": RandomShift(max(1, side // 8)), "cutout": Cutout(max(1, side // 2))}
    return [layers[name] for name in job.augment]


def convolution(features: int, job: Job) -> list[Layer]:
    """A convolution, normalised, with its activation; the normalisation has an offset, so there is no bias."""
    return [Convolution(features, 3, bias=False), BatchNorm(), ACTIVATIONS[job.activation]()]


def dense_layers(job: Job) -> list[Layer]:
    """The hidden layers of a dense network, each with its activation."""
    return [
        layer
        for width in (DENSE if job.hidden is None else job.hidden)
        for layer in (
            Dense(width),
            ACTIVATIONS[job.activation](),
            *([Dropout(job.dropout)] if job.dropout else []),
        )
    ]
