"""The losses, one a file."""

from deltarule.losses.absolute_error import AbsoluteError
from deltarule.losses.binary_cross_entropy import BinaryCrossEntropy
from deltarule.losses.huber import Huber
from deltarule.losses.l2 import L2
from deltarule.losses.softmax_cross_entropy import SoftmaxCrossEntropy
from deltarule.losses.squared_error import SquaredError

__all__ = [
    "L2",
    "AbsoluteError",
    "BinaryCrossEntropy",
    "Huber",
    "SoftmaxCrossEntropy",
    "SquaredError",
]
