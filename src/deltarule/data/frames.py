"""Data frames as they are: their columns of numbers side by side are x, one of them is y.

A frame is what has columns by name: that of pandas and polars, a table of Arrow, a data set of Hugging Face.
"""

from collections import Counter
from typing import Any

import numpy as np

from deltarule.errors import DataError


def column_names(frame: Any) -> list[str] | None:
    """The names of a frame's columns, as text; None for what is no frame. Raises DataError for a lazy one."""
    found = labels(frame)
    return None if found is None else [str(label) for label in found]


def labels(frame: Any) -> list[Any] | None:
    """What a frame itself calls its columns, in pandas not always text; None for what is no frame."""
    if hasattr(frame, "collect") and hasattr(frame, "lazy"):
        raise DataError("x: expected a data frame, but got one that is lazy; read it first: frame.collect()")
    if not (hasattr(frame, "__getitem__") and hasattr(frame, "__len__")):
        return None
    found = getattr(frame, "column_names", None)
    if found is None and hasattr(frame, "dtypes"):
        found = getattr(frame, "columns", None)
    return None if found is None or callable(found) else list(found)


def by_name(frame: Any) -> dict[str, Any]:
    """What a frame calls each column, by its name as text; raises DataError where two have one name.

    >>> import pandas as pd
    >>> by_name(pd.DataFrame([[1, 2]], columns=[0, "b"]))
    {'0': 0, 'b': 'b'}
    """
    named: dict[str, Any] = {}
    for label in labels(frame) or []:
        other = named.setdefault(str(label), label)
        if type(other) is not type(label):
            raise DataError(
                f"x: expected columns whose names differ as text, but got both {other!r} ({type(other).__name__}) "
                f"and {label!r} ({type(label).__name__}); rename one of them"
            )
    twice = sorted(name for name, times in Counter(column_names(frame)).items() if times > 1)
    if twice:
        raise DataError(
            f"x: expected columns of different names, but there are several {', '.join(twice)}; rename them"
        )
    return named


def frame_features(frame: Any, names: list[str]) -> np.ndarray:
    """x (n, i) of the columns that are named; of a single one that holds arrays, such as images, x (n, ...).

    Raises:
        DataError: columns that are missing, that hold no numbers, or arrays beside other columns; all are named.

    >>> import polars as pl
    >>> frame_features(pl.DataFrame({"a": [1, 2], "b": [0.5, 1.5], "name": ["x", "y"]}), ["b", "a"]).tolist()
    [[0.5, 1.0], [1.5, 2.0]]
    """
    if not names:
        raise DataError(
            "x: expected a frame with columns to learn from, but it has none beside the target; add some"
        )
    found = column_names(frame) or []
    missing = [name for name in names if name not in found]
    if missing:
        raise DataError(
            f"x: expected the columns {', '.join(names)}, but there is no {', '.join(missing)}; give every column "
            "of training, in any order"
        )
    named = by_name(frame)
    columns = {name: column(frame, named[name]) for name in names}
    other = [f"{name} ({kind(of)})" for name, of in columns.items() if of.dtype.kind not in "biuf"]
    if other:
        raise DataError(
            f"x: expected columns of numbers, but got {', '.join(other)}; leave them out, encode them, or let "
            "`deltarule train` do so"
        )
    if len(columns) == 1:
        only = columns[names[0]]
        return only[:, None] if only.ndim == 1 else only
    deep = [f"{name} {of.shape[1:]}" for name, of in columns.items() if of.ndim > 1]
    if deep:
        raise DataError(f"x: expected one number a row in each column, but got arrays in {', '.join(deep)}")
    return np.stack(list(columns.values()), 1)  # (n, i)


def frame_target(frame: Any, name: str) -> np.ndarray:
    """The column (n, ...) that is predicted; raises DataError where it is missing, or there are several."""
    found = column_names(frame) or []
    if name not in found:
        raise DataError(f"y: there is no column {name!r}; the frame has {', '.join(found)}")
    return column(frame, by_name(frame)[name])


def column(frame: Any, name: Any) -> np.ndarray:
    """A column (n, ...), with NaN where a value is missing."""
    if hasattr(frame, "with_format"):  # of Hugging Face, which else gives lists and pictures
        frame = frame.with_format("numpy")
        return np.asarray(frame[name][:])
    found = np.asarray(frame[name])
    if found.dtype == object and hasattr(frame[name], "isna"):  # pandas' own types, which have an NA
        try:
            return frame[name].to_numpy(dtype=float, na_value=np.nan)
        except (TypeError, ValueError):
            return found
    return found


def kind(values: np.ndarray) -> str:
    """What a column that holds no numbers holds.

    >>> kind(np.array(["a"])), kind(np.array([None, "a", 2], object))
    ('text', 'NoneType, int, str')
    """
    if values.dtype.kind == "O":
        return ", ".join(sorted({type(value).__name__ for value in values.flat}))
    return {"U": "text", "S": "bytes", "M": "dates", "m": "durations"}.get(values.dtype.kind, str(values.dtype))
