"""Deltarule: neural networks trained from their written-down derivatives, compiled whole."""

__version__ = "0.1.0"

from importlib import import_module
from typing import TYPE_CHECKING, Any

from deltarule import blocks, networks
from deltarule.errors import DataError, DeltaruleError, DivergedError, FileError, SettingError, ShapeError
from deltarule.layers import (
    ELU,
    GELU,
    GRU,
    LSTM,
    SELU,
    AveragePool,
    BatchNorm,
    BatchNormReLU,
    Bidirectional,
    Branch,
    Chain,
    Columns,
    Convolution,
    ConvolutionTranspose,
    Cutout,
    Dense,
    Dropout,
    Embedding,
    Flatten,
    GELUTanh,
    GlobalAveragePool,
    GlobalMaxPool,
    GroupNorm,
    Identity,
    LayerNorm,
    LeakyReLU,
    LogSoftmax,
    MaxPool,
    RandomCrop,
    RandomFlip,
    RandomShift,
    Recompute,
    Recurrent,
    ReLU,
    Reshape,
    Residual,
    RMSNorm,
    Scale,
    Sigmoid,
    SiLU,
    SimpleRNN,
    Softmax,
    Softplus,
    SpatialDropout,
    Tanh,
    TimeDistributed,
)
from deltarule.layers.cell import Cell
from deltarule.layers.initializers import Constant, Glorot, He, LeCun, Normal, Orthogonal
from deltarule.layers.layer import Context, Cost, Equations, Layer
from deltarule.loading import load
from deltarule.losses import L2, AbsoluteError, BinaryCrossEntropy, Huber, SoftmaxCrossEntropy, SquaredError
from deltarule.losses.loss import Loss
from deltarule.model import Model
from deltarule.optimizers import SGD, AdaGrad, Adam, AdamW, RMSProp
from deltarule.optimizers.optimizer import Optimizer
from deltarule.schedules import (
    ConstantRate,
    CosineDecay,
    ExponentialDecay,
    InverseTimeDecay,
    PowerDecay,
    Schedule,
    StepDecay,
    WarmUp,
)
from deltarule.training.run import History

if TYPE_CHECKING:
    from deltarule.inspect.check import check
    from deltarule.inspect.explain import explain
    from deltarule.inspect.plan import plan
    from deltarule.inspect.trace import trace

INSPECTION = ("check", "explain", "plan", "trace")  # read when first asked for, so that importing stays quick

__all__ = [
    "ELU",
    "GELU",
    "GRU",
    "L2",
    "LSTM",
    "SELU",
    "SGD",
    "AbsoluteError",
    "AdaGrad",
    "Adam",
    "AdamW",
    "AveragePool",
    "BatchNorm",
    "BatchNormReLU",
    "Bidirectional",
    "BinaryCrossEntropy",
    "Branch",
    "Cell",
    "Chain",
    "Columns",
    "Constant",
    "ConstantRate",
    "Context",
    "Convolution",
    "ConvolutionTranspose",
    "CosineDecay",
    "Cost",
    "Cutout",
    "DataError",
    "DeltaruleError",
    "Dense",
    "DivergedError",
    "Dropout",
    "Embedding",
    "Equations",
    "ExponentialDecay",
    "FileError",
    "Flatten",
    "GELUTanh",
    "GlobalAveragePool",
    "GlobalMaxPool",
    "Glorot",
    "GroupNorm",
    "He",
    "History",
    "Huber",
    "Identity",
    "InverseTimeDecay",
    "Layer",
    "LayerNorm",
    "LeCun",
    "LeakyReLU",
    "LogSoftmax",
    "Loss",
    "MaxPool",
    "Model",
    "Normal",
    "Optimizer",
    "Orthogonal",
    "PowerDecay",
    "RMSNorm",
    "RMSProp",
    "RandomCrop",
    "RandomFlip",
    "RandomShift",
    "ReLU",
    "Recompute",
    "Recurrent",
    "Reshape",
    "Residual",
    "Scale",
    "Schedule",
    "SettingError",
    "ShapeError",
    "SiLU",
    "Sigmoid",
    "SimpleRNN",
    "Softmax",
    "SoftmaxCrossEntropy",
    "Softplus",
    "SpatialDropout",
    "SquaredError",
    "StepDecay",
    "Tanh",
    "TimeDistributed",
    "WarmUp",
    "blocks",
    "check",
    "explain",
    "load",
    "networks",
    "plan",
    "trace",
]


def __getattr__(name: str) -> Any:
    if name in INSPECTION:
        return getattr(import_module(f"deltarule.inspect.{name}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
