"""What `deltarule sweep` varies, in words: `learning_rate=1e-4..1e-1`, `l2=0,1e-4`, `hidden=32,64x64`."""

import difflib
from collections.abc import Sequence
from typing import Any, get_type_hints

from deltarule.errors import SettingError
from deltarule.job import Job, expected, fits
from deltarule.populations.space import LogUniform, Uniform

OF_NETWORK = ("network", "hidden", "activation", "dropout")
OF_TRAINING = ("optimizer", "learning_rate", "l2", "clip_norm", "epochs", "batch_size", "seed", "precision")
VARIABLE = OF_NETWORK + OF_TRAINING


def read_space(texts: Sequence[str]) -> dict[str, Any]:
    """The space of a sweep; a range whose ends are above 0 and ten times apart or more is in the logarithm.

    Raises:
        SettingError: text that is not NAME=VALUES, an unknown name, or values that do not fit it.

    >>> read_space(["learning_rate=1e-4..1e-1", "hidden=32,64x64"])
    {'learning_rate': LogUniform(low=0.0001, high=0.1), 'hidden': [(32,), (64, 64)]}
    """
    space: dict[str, Any] = {}
    for text in texts:
        name, equals, values = text.partition("=")
        name = name.strip().replace("-", "_")
        if not equals or not values.strip():
            raise SettingError(f"--vary {text}: expected NAME=VALUES, such as l2=0,1e-4 or l2=1e-6..1e-3")
        if name not in VARIABLE:
            near = difflib.get_close_matches(name, VARIABLE, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"expected one of {', '.join(VARIABLE)}"
            raise SettingError(f"--vary {text}: unknown setting {name!r}; {hint}")
        if name in space:
            raise SettingError(f"--vary {text}: {name} is varied twice; write all its values in one")
        space[name] = read_range(name, values) if ".." in values else read_values(name, values)
    return space


def read_range(name: str, text: str) -> Uniform:
    """A distribution from LOW..HIGH."""
    if get_type_hints(Job)[name] not in (float, float | None):
        raise SettingError(f"--vary {name}={text}: a range is for numbers such as learning_rate; list its values")
    try:
        low, high = map(float, text.split(".."))
    except ValueError:
        raise SettingError(f"--vary {name}={text}: expected LOW..HIGH, two numbers") from None
    return LogUniform(low, high) if low > 0 and high >= 10 * low else Uniform(low, high)


def read_values(name: str, text: str) -> list[Any]:
    """The values in a list between commas, as the job's setting takes them."""
    kind, values = get_type_hints(Job)[name], []
    for word in map(str.strip, text.split(",")):
        value = read_value(word, name)
        if not fits(list(value) if isinstance(value, tuple) else value, kind):
            raise SettingError(f"--vary {name}={text}: {word!r} does not fit; expected {expected(kind)}")
        values.append(value)
    return values


def read_value(word: str, name: str) -> Any:
    """A word as a number, widths such as 64x64, or text."""
    if name == "hidden":
        widths = word.split("x")
        return tuple(map(int, widths)) if all(width.isdigit() for width in widths) else word
    for kind in (int, float):
        try:
            return kind(word)
        except ValueError:
            pass
    return word
