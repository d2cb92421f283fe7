"""Returns over seeds, as Agarwal et al. 2021 advise: the interquartile mean, with an interval by the bootstrap.

Five seeds tell little: their mean follows one lucky or unlucky run, their median three of them. The interquartile
mean drops the lower and the upper quarter, and the interval says how far it could be from that of many seeds.

Source: Agarwal, Schwarzer, Castro, Courville and Bellemare 2021, Deep reinforcement learning at the edge of the
statistical precipice.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

DRAWS = 2_000


class Summary(NamedTuple):
    """Of one return a seed: the mean, the interquartile mean, and the ends of its 95 % interval."""

    mean: float
    interquartile_mean: float
    low: float
    high: float


def interquartile_mean(returns: np.ndarray) -> np.ndarray:
    """The mean of the middle half (..., n), the ends counted in part where n is not a multiple of 4.

    >>> float(interquartile_mean(np.array([0.0, 2.0, 4.0, 100.0])))
    3.0
    """
    values, n = np.sort(returns, -1), returns.shape[-1]
    edge = np.minimum(np.arange(1, n + 1), 3 * n / 4) - np.maximum(np.arange(n), n / 4)
    share = np.clip(edge, 0, 1)  # how much of each lies in the middle half
    return (values * share).sum(-1) / share.sum()


def summary(returns: Sequence[float], seed: int = 0) -> Summary:
    """The figures of these returns; the interval is by the percentiles of the bootstrap over seeds.

    >>> summary([1.0, 1.0, 1.0])
    Summary(mean=1.0, interquartile_mean=1.0, low=1.0, high=1.0)
    """
    values = np.asarray(returns, float)
    drawn = np.random.default_rng(seed).choice(values, (DRAWS, len(values)))
    low, high = np.percentile(interquartile_mean(drawn), [2.5, 97.5])
    return Summary(float(values.mean()), float(interquartile_mean(values)), float(low), float(high))
