"""The optimizers, one a file."""

from deltarule.optimizers.adagrad import AdaGrad
from deltarule.optimizers.adam import Adam, AdamW
from deltarule.optimizers.rmsprop import RMSProp
from deltarule.optimizers.sgd import SGD

__all__ = [
    "SGD",
    "AdaGrad",
    "Adam",
    "AdamW",
    "RMSProp",
]
