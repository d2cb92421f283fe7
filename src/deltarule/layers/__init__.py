"""The layers, one a file; a new layer is its file and its line here."""

from deltarule.layers.average_pool import AveragePool
from deltarule.layers.batch_norm import BatchNorm
from deltarule.layers.batch_norm_relu import BatchNormReLU
from deltarule.layers.bidirectional import Bidirectional
from deltarule.layers.branch import Branch
from deltarule.layers.chain import Chain
from deltarule.layers.columns import Columns
from deltarule.layers.convolution import Convolution
from deltarule.layers.convolution_transpose import ConvolutionTranspose
from deltarule.layers.cutout import Cutout
from deltarule.layers.dense import Dense
from deltarule.layers.dropout import Dropout
from deltarule.layers.dueling import Dueling
from deltarule.layers.elu import ELU
from deltarule.layers.embedding import Embedding
from deltarule.layers.flatten import Flatten
from deltarule.layers.gelu import GELU
from deltarule.layers.gelu_tanh import GELUTanh
from deltarule.layers.global_average_pool import GlobalAveragePool
from deltarule.layers.global_max_pool import GlobalMaxPool
from deltarule.layers.group_norm import GroupNorm
from deltarule.layers.gru import GRU
from deltarule.layers.identity import Identity
from deltarule.layers.layer_norm import LayerNorm
from deltarule.layers.leaky_relu import LeakyReLU
from deltarule.layers.log_softmax import LogSoftmax
from deltarule.layers.lstm import LSTM
from deltarule.layers.max_pool import MaxPool
from deltarule.layers.random_crop import RandomCrop
from deltarule.layers.random_flip import RandomFlip
from deltarule.layers.random_shift import RandomShift
from deltarule.layers.recompute import Recompute
from deltarule.layers.recurrent import Recurrent
from deltarule.layers.relu import ReLU
from deltarule.layers.reshape import Reshape
from deltarule.layers.residual import Residual
from deltarule.layers.rms_norm import RMSNorm
from deltarule.layers.scale import Scale
from deltarule.layers.selu import SELU
from deltarule.layers.sigmoid import Sigmoid
from deltarule.layers.silu import SiLU
from deltarule.layers.simple_rnn import SimpleRNN
from deltarule.layers.softmax import Softmax
from deltarule.layers.softplus import Softplus
from deltarule.layers.spatial_dropout import SpatialDropout
from deltarule.layers.tanh import Tanh
from deltarule.layers.time_distributed import TimeDistributed

__all__ = [
    "ELU",
    "GELU",
    "GRU",
    "LSTM",
    "SELU",
    "AveragePool",
    "BatchNorm",
    "BatchNormReLU",
    "Bidirectional",
    "Branch",
    "Chain",
    "Columns",
    "Convolution",
    "ConvolutionTranspose",
    "Cutout",
    "Dense",
    "Dropout",
    "Dueling",
    "Embedding",
    "Flatten",
    "GELUTanh",
    "GlobalAveragePool",
    "GlobalMaxPool",
    "GroupNorm",
    "Identity",
    "LayerNorm",
    "LeakyReLU",
    "LogSoftmax",
    "MaxPool",
    "RMSNorm",
    "RandomCrop",
    "RandomFlip",
    "RandomShift",
    "ReLU",
    "Recompute",
    "Recurrent",
    "Reshape",
    "Residual",
    "Scale",
    "SiLU",
    "Sigmoid",
    "SimpleRNN",
    "Softmax",
    "Softplus",
    "SpatialDropout",
    "Tanh",
    "TimeDistributed",
]
