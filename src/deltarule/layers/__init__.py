"""The layers, one a file; a new layer is its file and its line here."""

from deltarule.layers.branch import Branch
from deltarule.layers.chain import Chain
from deltarule.layers.columns import Columns
from deltarule.layers.dense import Dense
from deltarule.layers.elu import ELU
from deltarule.layers.embedding import Embedding
from deltarule.layers.flatten import Flatten
from deltarule.layers.gelu import GELU
from deltarule.layers.gelu_tanh import GELUTanh
from deltarule.layers.identity import Identity
from deltarule.layers.leaky_relu import LeakyReLU
from deltarule.layers.log_softmax import LogSoftmax
from deltarule.layers.relu import ReLU
from deltarule.layers.reshape import Reshape
from deltarule.layers.residual import Residual
from deltarule.layers.selu import SELU
from deltarule.layers.sigmoid import Sigmoid
from deltarule.layers.silu import SiLU
from deltarule.layers.softmax import Softmax
from deltarule.layers.softplus import Softplus
from deltarule.layers.tanh import Tanh

__all__ = [
    "ELU",
    "GELU",
    "SELU",
    "Branch",
    "Chain",
    "Columns",
    "Dense",
    "Embedding",
    "Flatten",
    "GELUTanh",
    "Identity",
    "LeakyReLU",
    "LogSoftmax",
    "ReLU",
    "Reshape",
    "Residual",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softplus",
    "Tanh",
]
