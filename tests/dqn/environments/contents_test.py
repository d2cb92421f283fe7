"""Two objects are alike where all that they hold is, and what cannot be looked into is alike to itself alone."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from deltarule.dqn.environments.contents import contents


class Holds:
    def __init__(self, **held):
        self.__dict__.update(held)


class HoldsToo(Holds):
    pass


class Slots:
    __slots__ = ("x",)

    def __init__(self, x):
        self.x = x


class List(list):
    pass


@dataclass(frozen=True)
class Numbers:
    mass: Any = 1.0


class Pair(NamedTuple):
    x: Any
    y: Any


class Marked(Pair):
    pass


def marked(mark):
    pair = Marked(1, 2)
    pair.mark = mark
    return pair


def around(held):
    """One that holds itself."""
    holds = Holds(held=held)
    holds.itself = {"me": holds}
    return holds


@pytest.mark.parametrize(
    "make",
    [
        lambda: Holds(rows=10, map=np.arange(6).reshape(2, 3), name="a", none=None),
        lambda: Holds(numbers=Numbers(jnp.arange(3)), pair=Pair(1, [2.0, b"3"])),
        lambda: {"a": (True, 1j), "b": float("nan")},
        lambda: Holds(by=np.tanh, kind=Numbers, scale=np.float32(2)),
        lambda: around(1),
        lambda: marked("a"),
    ],
)
def test_what_holds_the_same_is_alike(make):
    first, second = make(), make()
    assert contents(first) == contents(second)
    assert hash(contents(first)) == hash(contents(second))


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (1, 1.0),
        (1, True),
        (0.0, -0.0),
        ("1", b"1"),
        ((1, 2), [1, 2]),
        ((1, 2), Pair(1, 2)),
        (Pair(1, 2), Pair(1, 3)),
        (marked("a"), marked("b")),
        ({"a": 1, "b": 2}, {"a": 1, "c": 2}),
        (np.zeros(2), jnp.zeros(2)),
        (np.zeros(2), np.zeros(2, np.float32)),
        (np.zeros(2, np.int32), np.zeros(2, np.float32)),
        (np.zeros((2, 3)), np.zeros((3, 2))),
        (np.zeros(2), np.array([0.0, -0.0])),
        (jnp.asarray(1.0), jnp.asarray(1.0, jnp.float32)),
        (Holds(a=1), Holds(a=2)),
        (Holds(a=1), HoldsToo(a=1)),
        (Holds(a=1), Holds(b=1)),
        (Holds(a=Numbers(jnp.arange(3))), Holds(a=Numbers(jnp.arange(3) + 1))),
        (around(1), around(2)),
    ],
)
def test_what_differs_in_anything_is_not(first, second):
    assert contents(first) != contents(second)


@pytest.mark.parametrize(
    "make",
    [
        lambda: lambda x: x,
        lambda: Slots(1),
        lambda: {1},
        lambda: List([1]),
        lambda: Holds(a=1).__init__,
        lambda: jax.random.key(0),
        lambda: np.array([None], object),
        lambda: np.ma.masked_array([1.0, 2.0], [True, False]),
        lambda: np.random.default_rng(0),
    ],
)
def test_what_cannot_be_looked_into_is_alike_to_itself_alone(make):
    first, second = make(), make()
    assert contents(Holds(a=first)) == contents(Holds(a=first))
    assert contents(Holds(a=first)) != contents(Holds(a=second))


def test_what_has_changed_is_no_longer_alike():
    """By its hash, too: a program that was compiled before is not found again."""
    changing, before = Holds(a=np.zeros(2)), contents(Holds(a=np.zeros(2)))
    assert contents(changing) == before
    changing.a[1] = 1
    assert contents(changing) != before
    assert hash(contents(changing)) != hash(before)
