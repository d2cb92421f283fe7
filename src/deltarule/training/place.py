"""Where in an epoch a run stands: an epoch is a walk through segments, between which it can be written down.

    (state, place) → (state, place) → ... → (state after the epoch, mean loss)

The order of the examples is a pure function of the key and the epoch, and each step's random numbers of the key
and the step, so that a state and how many segments are done are all that it takes to go on.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax

from deltarule.training.step import Report, State


class Place(NamedTuple):
    """How many segments of an epoch are done, and what their steps reported.

    Attributes:
        segments: minibatches of arrays (groups of sequences in windows), or chunks of a source.
        reports: of arrays (k, ...), of the steps so far.
    """

    segments: int
    reports: Report


After = Callable[[State, Place], None]  # called after segments; may write a checkpoint, may raise to stop
Epoch = Callable[[State, Any, Place | None, After | None], tuple[State, jax.Array]]  # -> (state, mean loss)


def whole(program: Callable[[State, Any], tuple[State, jax.Array]]) -> Epoch:
    """An epoch that is one program, which nothing comes between."""

    def epoch(state: State, data: Any, place: Place | None, after: After | None) -> tuple[State, jax.Array]:
        return program(state, data)

    return epoch
