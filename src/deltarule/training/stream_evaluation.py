"""The loss and the metric of a stream of examples, chunk by chunk, merged exactly.

    mean = Σ_c p_c mean_c,   spread = Σ_c p_c (spread_c + (mean_c − mean)²),   R² = 1 − missed / spread

for chunks c that hold the shares p_c of the weight (Chan, Golub and LeVeque 1983). An accuracy and a loss are
means over examples: those of the chunks, by their shares.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np

from deltarule.data.chunks import Chunked
from deltarule.kernels.shares import whole
from deltarule.layers.layer import Layer, Memory, Params
from deltarule.losses.loss import Loss, misses
from deltarule.training.evaluate import all_outputs, rows_at_a_time
from deltarule.training.precision import lowered
from deltarule.training.step import Batch, Step
from deltarule.training.streaming import ahead, on_device, shared

R_SQUARED = "r2"


class Tally(NamedTuple):
    """What a chunk's examples give: figures of the whole are their means, and R² follows from the last three."""

    weight: Any
    total: Any  # by which the loss is divided: class weights count
    loss: Any
    metric: Any
    missed: Any
    mean: Any
    spread: Any


@functools.cache
def stream_evaluation(net: Layer, loss: Loss, precision: str) -> Callable:
    """`(params, memory, stream) -> (loss, metric)`, the mean over the stream's examples, in its order."""

    @jax.jit
    def tally(params: Params, memory: Memory, data: Batch) -> Tally:
        params = lowered(params, precision)
        y = jax.lax.map(lambda x: all_outputs(net, params, memory, x, None), data.x)
        y, target, weight = (whole(a).reshape(-1, *a.shape[2:]) for a in (y, data.target, data.weight))
        share, total = loss.shares(target, weight)
        value, _ = loss(y, target, share)
        if loss.metric_name == R_SQUARED:
            return Tally(weight.sum(), total, value, 0.0, *misses(y, target, share))
        return Tally(weight.sum(), total, value, loss.metric(y, target, weight), 0.0, 0.0, 0.0)

    def evaluate(params: Params, memory: Memory, stream: Chunked) -> tuple[float, float]:
        tallies, step = [], Step(net, loss, None)  # type: ignore[arg-type]  # nothing is updated
        stream, sharding = shared(stream)
        devices = sharding.mesh.size if sharding else 1
        for _, _, data in ahead(on_device(step, stream.in_order(rows_at_a_time(stream.shape), devices), sharding)):
            tallies.append(jax.device_get(tally(params, memory, data)))
            del data
        return merged(loss, jax.tree.map(lambda *chunks: np.array(chunks, np.float64), *tallies))

    return evaluate


def merged(loss: Loss, tallies: Tally) -> tuple[float, float]:
    """(loss, metric) of all chunks together, from arrays (c, ...) of what each gave."""
    share = tallies.weight / tallies.weight.sum()  # (c,)
    value = float(tallies.total @ tallies.loss / tallies.total.sum())
    if loss.metric_name != R_SQUARED:
        return value, float(share @ tallies.metric)
    mean, missed = share @ flat(tallies.mean), share @ flat(tallies.missed)  # (k,)
    spread = share @ (flat(tallies.spread) + (flat(tallies.mean) - mean) ** 2)  # (k,)
    return value, float(np.where(spread > 0, 1 - missed / np.where(spread > 0, spread, 1), 0).mean())


def flat(figures: np.ndarray) -> np.ndarray:
    """(c, ...) as (c, k)."""
    return figures.reshape(len(figures), -1)
