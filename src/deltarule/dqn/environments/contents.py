"""What an object holds, as something to compare: two that others wrote are alike where all that they hold is.

Nothing is taken on trust: what cannot be looked into, such as a function, is alike to itself alone.
"""

from collections.abc import Hashable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np


class Plain:
    """An object that holds its attributes and nothing else."""


def contents(x: Any, around: tuple[int, ...] = ()) -> Hashable:
    """The types and numbers of all that x holds, equal for two objects only where every one of them is.

    It is taken anew each time, so that an object that has changed since is alike to others than before.

    Args:
        around: what holds x, what holds that, and so on, for one that holds itself.

    >>> contents({"a": np.ones(2)}) == contents({"a": np.ones(2)}), contents(1) == contents(1.0)
    (True, False)
    """
    kind = type(x)
    if kind in (bool, int, float, complex, str, bytes, type(None)):
        return kind, repr(x)  # 0.0 is not −0.0, and NaN is NaN
    if is_array(x):
        array = np.asarray(x)
        return kind, str(x.dtype), array.shape, getattr(x, "weak_type", False), array.tobytes()
    if id(x) in around:
        return kind, around.index(id(x))
    around = (*around, id(x))
    if kind is dict:
        return kind, tuple((contents(key, around), contents(value, around)) for key, value in x.items())
    if kind in (tuple, list) or (isinstance(x, tuple) and hasattr(x, "_fields")):
        return kind, tuple(contents(each, around) for each in (*x, getattr(x, "__dict__", None)))
    if kind.__basicsize__ == Plain.__basicsize__ and hasattr(x, "__dict__"):
        return kind, contents(vars(x), around)
    return kind, id(x)


def is_array(x: Any) -> bool:
    """Whether it is an array that its type, its shape and its bytes are all of; random keys are not."""
    if type(x) is not np.ndarray and not isinstance(x, (np.generic, jax.Array)):
        return False
    dtype: Any = x.dtype
    return not (jnp.issubdtype(dtype, jax.dtypes.extended) or dtype.hasobject)
