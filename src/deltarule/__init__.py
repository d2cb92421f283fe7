"""Deltarule: neural networks trained from their written-down derivatives, compiled whole."""

__version__ = "0.1.0"

from deltarule.errors import DataError, DeltaruleError, DivergedError, FileError, SettingError, ShapeError
from deltarule.layers import *  # noqa: F403
from deltarule.layers.initializers import Constant as ConstantInit
from deltarule.layers.initializers import Glorot, He, LeCun, Normal, Orthogonal
from deltarule.layers.layer import Context, Cost, Equations, Layer
from deltarule.losses import *  # noqa: F403
from deltarule.model import Model, load
from deltarule.optimizers import *  # noqa: F403
from deltarule.schedules import *  # noqa: F403
