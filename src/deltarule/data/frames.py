"""Data frames as they are: their columns of numbers side by side are x, one of them is y.

A frame is what has columns by name: that of pandas and polars, a table of Arrow, a data set of Hugging Face.
"""

from typing import Any

import numpy as np

from deltarule.errors import DataError


def column_names(frame: Any) -> list[str] | None:
    """The names of a frame's columns; None for what is no frame."""
    if not (hasattr(frame, "__getitem__") and hasattr(frame, "__len__")):
        return None
    names = getattr(frame, "column_names", None)
    if names is None and hasattr(frame, "dtypes"):
        names = getattr(frame, "columns", None)
    return None if names is None or callable(names) else [str(name) for name in names]


def frame_features(frame: Any, names: list[str]) -> np.ndarray:
    """x (n, i) of the columns that are named; of a single one that holds arrays, such as images, x (n, ...).

    Raises:
        DataError: columns that are missing, that hold no numbers, or arrays beside other columns; all are named.

    >>> import polars as pl
    >>> frame_features(pl.DataFrame({"a": [1, 2], "b": [0.5, 1.5], "name": ["x", "y"]}), ["b", "a"]).tolist()
    [[0.5, 1.0], [1.5, 2.0]]
    """
    found = column_names(frame) or []
    missing = [name for name in names if name not in found]
    if missing:
        raise DataError(f"x: expected the columns {', '.join(names)}, but there is no {', '.join(missing)}")
    twice = sorted({name for name in found if found.count(name) > 1})
    if twice:
        raise DataError(f"x: expected columns of different names, but there are several {', '.join(twice)}")
    columns = {name: column(frame, name) for name in names}
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
    """The column (n, ...) that is predicted; raises DataError where it is missing."""
    found = column_names(frame) or []
    if name not in found:
        raise DataError(f"y: there is no column {name!r}; the frame has {', '.join(found)}")
    return column(frame, name)


def column(frame: Any, name: str) -> np.ndarray:
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
