"""Deltarule: neural networks trained from their written-down derivatives, compiled whole."""

__version__ = "0.1.0"

from importlib import import_module
from typing import TYPE_CHECKING, Any

from deltarule import blocks, networks
from deltarule.data.open_stream import stream
from deltarule.data.stream import Stream
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
    Dueling,
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
    LinearDecay,
    PowerDecay,
    Schedule,
    StepDecay,
    WarmUp,
)
from deltarule.training.checkpoint import Checkpoints
from deltarule.training.history import History

if TYPE_CHECKING:
    from deltarule.dqn.agent import DQN
    from deltarule.dqn.agent_file import load_agent
    from deltarule.dqn.population import DQNPopulation
    from deltarule.inspect.check import check
    from deltarule.inspect.explain import explain
    from deltarule.inspect.plan import plan
    from deltarule.inspect.trace import trace
    from deltarule.populations.ensemble import Ensemble, ensemble
    from deltarule.populations.space import LogUniform as log_uniform
    from deltarule.populations.space import Uniform as uniform
    from deltarule.populations.sweep import cross_validate, sweep

LATER = {  # read when first asked for, so that importing stays quick
    **{name: (f"inspect.{name}", name) for name in ("check", "explain", "plan", "trace")},
    "DQN": ("dqn.agent", "DQN"),
    "DQNPopulation": ("dqn.population", "DQNPopulation"),
    "load_agent": ("dqn.agent_file", "load_agent"),
    "Ensemble": ("populations.ensemble", "Ensemble"),
    "ensemble": ("populations.ensemble", "ensemble"),
    "cross_validate": ("populations.sweep", "cross_validate"),
    "sweep": ("populations.sweep", "sweep"),
    "log_uniform": ("populations.space", "LogUniform"),
    "uniform": ("populations.space", "Uniform"),
}

__all__ = [
    "DQN",
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
    "Checkpoints",
    "Columns",
    "Constant",
    "ConstantRate",
    "Context",
    "Convolution",
    "ConvolutionTranspose",
    "CosineDecay",
    "Cost",
    "Cutout",
    "DQNPopulation",
    "DataError",
    "DeltaruleError",
    "Dense",
    "DivergedError",
    "Dropout",
    "Dueling",
    "Embedding",
    "Ensemble",
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
    "LinearDecay",
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
    "Stream",
    "Tanh",
    "TimeDistributed",
    "WarmUp",
    "blocks",
    "check",
    "cross_validate",
    "ensemble",
    "explain",
    "load",
    "load_agent",
    "log_uniform",
    "networks",
    "plan",
    "stream",
    "sweep",
    "trace",
    "uniform",
]


def __getattr__(name: str) -> Any:
    if name in LATER:
        module, attribute = LATER[name]
        return getattr(import_module(f"deltarule.{module}"), attribute)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
