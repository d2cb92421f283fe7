"""What a setting may be: the checks that layers, optimizers, losses and schedules share.

They ask for the type before they compare, so that "64" for 64 is named as plainly as a number out of range.
"""

import math
from numbers import Integral, Real
from typing import Any

from deltarule.errors import SettingError


def is_number(value: Any) -> bool:
    """Whether a setting is a number, which may vary, and not a switch."""
    return isinstance(value, Real) and not isinstance(value, bool)


def is_whole(value: Any, least: int) -> bool:
    """Whether a setting is a whole number of at least `least`, NumPy's included.

    >>> [is_whole(value, 1) for value in (3, 0, 3.0, True, "3", None)]
    [True, False, False, False, False, False]
    """
    return isinstance(value, Integral) and not isinstance(value, bool) and int(value) >= least


def is_symbol(value: Any) -> bool:
    """Whether a setting stands for a whole number in a plan, as SymPy's `d` in "Dense(d)" does."""
    return getattr(value, "is_integer", None) is True


def settle_whole(owner: Any, *names: str, least: int = 1) -> None:
    """Makes these settings of a frozen `owner` Python's whole numbers; a symbol for one stays as it is.

    Raises:
        SettingError: one is no whole number, or below `least`.
    """
    for name in names:
        value = getattr(owner, name)
        if is_whole(value, least):
            object.__setattr__(owner, name, int(value))
        elif not is_symbol(value):
            raise SettingError(
                f"{type(owner).__name__}: {name} must be a whole number of at least {least}, got {value!r}"
            )


def positive(kind: str, **values: Any) -> None:
    """Raises SettingError for the first value that is not a positive number."""
    for name, value in values.items():
        if not (is_number(value) and 0 < value < math.inf):
            raise SettingError(f"{kind}: {name} must be a positive number, got {value!r}")


def at_least_zero(kind: str, **values: Any) -> None:
    """Raises SettingError for the first value that is not a number of at least 0."""
    for name, value in values.items():
        if not (is_number(value) and 0 <= value < math.inf):
            raise SettingError(f"{kind}: {name} must be a number of at least 0, got {value!r}")


def below_one(kind: str, hint: str = "", **values: Any) -> None:
    """Raises SettingError for the first value that is not a number in [0, 1)."""
    for name, value in values.items():
        if not (is_number(value) and 0 <= value < 1):
            raise SettingError(f"{kind}: {name} must be in [0, 1), got {value!r}{hint}")


def parameter_names(kind: str, exclude: Any) -> tuple[str, ...]:
    """Names of parameters as a tuple, one name by itself included; raises SettingError for what is none.

    >>> parameter_names("L2", "gamma"), parameter_names("L2", ["b", "beta"])
    (('gamma',), ('b', 'beta'))
    """
    names = (exclude,) if isinstance(exclude, str) else exclude
    if not isinstance(names, (tuple, list, set, frozenset)) or not all(isinstance(name, str) for name in names):
        raise SettingError(f'{kind}: exclude must be names of parameters, such as ("b", "gamma"), got {exclude!r}')
    return tuple(names)
