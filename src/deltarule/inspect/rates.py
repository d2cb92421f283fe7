"""How fast this machine is: rates of products by size, of memory, and what each operation takes besides.

They are measured once, in a few seconds, and kept in the user's cache folder with the machine that they are of.
"""

import hashlib
import json
import os
import platform
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from deltarule.cache import folder_for
from deltarule.errors import FileError
from deltarule.files import write_whole
from deltarule.inspect.count import count_flops
from deltarule.kernels.convolution import convolve, convolve_dK
from deltarule.kernels.native import described
from deltarule.kernels.product import product
from deltarule.kernels.window import window
from deltarule.layers import LSTM, Recurrent
from deltarule.layers.layer import Context

Curve = tuple[tuple[float, float], ...]  # (size, rate) pairs, between which logarithms are straight lines

LEAST = 0.004  # seconds that a run takes: short enough to fall between what else the machine does
REPEATS = 12
PRODUCTS = (
    (8, 16, 16),
    (32, 32, 32),
    (64, 64, 64),
    (64, 256, 256),
    (64, 784, 256),
    (256, 512, 512),
    (1024, 1024, 1024),
)
IMAGES = ((2, 8, 4, 8), (16, 14, 8, 16), (32, 28, 16, 32))  # n, h = w, i, o
SEQUENCES = ((8, 16), (16, 32), (32, 64), (64, 128))  # n, o; 16 steps each
ARRAYS = (2**10, 2**14, 2**18, 2**22, 2**24)  # numbers


@dataclass(frozen=True)
class Rates:
    """What a machine does in a second.

    Attributes:
        machine: its name, processor, and what computes its products.
        products, convolutions, recurrent: FLOP/s of each kind by the FLOPs of one.
        memory: bytes read and written a second, by the bytes of one operation.
        simple, dear: additions, and exponentials and their like, a second, inside one operation.
        operation: seconds that each operation takes besides.
        round: seconds that each round of a loop takes besides.
    """

    machine: str
    products: Curve
    convolutions: Curve
    recurrent: Curve
    memory: Curve
    simple: float
    dear: float
    operation: float
    round: float


def rate_at(curve: Curve, size: float) -> float:
    """The rate at a size, by a straight line between logarithms; beyond the ends as at the end.

    >>> rate_at(((10, 100), (1000, 10_000)), 100)
    1000.0
    """
    sizes, rates = np.log(np.array(curve)).T
    return float(np.round(np.exp(np.interp(np.log(max(size, 1)), sizes, rates)), 6))


def this_machine() -> str:
    """What the rates depend on, in words."""
    device = jax.devices()[0]
    model = processor() if device.platform == "cpu" else device.device_kind
    devices = f"{len(jax.devices())} × {device.platform}"
    return f"{platform.system()} {model}, {devices}, jax {jax.__version__}, {described()}"


def processor() -> str:
    """The processor's model, and how many of its cores this process may use."""
    name = platform.processor() or platform.machine()
    try:
        with open("/proc/cpuinfo") as file:
            name = next((line.split(":")[1].strip() for line in file if line.startswith("model name")), name)
    except OSError:
        pass
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{name}, {cores} cores"


def measured_rates(again: bool = False) -> Rates:
    """This machine's rates, from the cache where they are there.

    Args:
        again: whether they are measured anew.
    """
    machine = this_machine()
    if not again and (kept := kept_rates()):
        return kept
    measured.cache_clear()
    rates = measured(machine)
    if path := rates_file(machine):
        with suppress(FileError):  # a home that cannot be written costs time and nothing else
            write_whole(path, json.dumps(asdict(rates)).encode())
    return rates


def kept_rates() -> Rates | None:
    """This machine's rates, where they were measured before."""
    machine = this_machine()
    try:
        path = rates_file(machine)
        told = json.loads(path.read_text()) if path else {"machine": None}
        return from_json(told) if told["machine"] == machine else None
    except (OSError, ValueError, KeyError, TypeError):
        return None  # a file that is not there, or not whole, is written anew


def rates_file(machine: str) -> Path | None:
    """Where a machine's rates are kept; None where nothing is."""
    folder = folder_for("rates")
    return None if folder is None else folder / f"{hashlib.sha256(machine.encode()).hexdigest()[:16]}.json"


def from_json(told: dict[str, Any]) -> Rates:
    """The rates that a file tells."""
    values: dict[str, Any] = {
        name: tuple(map(tuple, value)) if isinstance(value, list) else value for name, value in told.items()
    }
    return Rates(**values)


@cache
def measured(machine: str) -> Rates:
    """The rates as they are measured now."""
    operation = seconds_of(lambda h: chained(h, 16), jnp.ones((4, 4))) / 16
    round_ = seconds_of(lambda h: h + 1, jnp.ones(4))
    simple, dear = (
        2**14 * 32 / seconds_of(lambda h, f=f: repeated(f, h), jnp.ones(2**14)) for f in (shift, jnp.tanh)
    )
    return Rates(
        machine=machine,
        products=tuple(product_rate(*sizes, operation) for sizes in PRODUCTS),
        convolutions=tuple(convolution_rate(*sizes, operation) for sizes in IMAGES),
        recurrent=tuple(recurrent_rate(*sizes, operation) for sizes in SEQUENCES),
        memory=tuple(memory_rate(n, operation) for n in ARRAYS),
        simple=simple,
        dear=dear,
        operation=operation,
        round=round_,
    )


def chained(h: jax.Array, times: int) -> jax.Array:
    """Small products of which each needs the one before."""
    for _ in range(times):
        h = jnp.dot(h, h)
    return h


def shift(h: jax.Array) -> jax.Array:
    """A multiply-add that the compiler cannot merge with the next."""
    return jnp.maximum(h * 1.5, 0.25)


def repeated(f: Callable[[jax.Array], jax.Array], h: jax.Array) -> jax.Array:
    """f of f of f ..., 32 times number by number."""
    for _ in range(16 if f is shift else 32):
        h = f(h)
    return h


def product_rate(n: int, i: int, o: int, operation: float) -> tuple[float, float]:
    """(FLOPs, FLOP/s) of x W, dy Wᵀ and xᵀ dy, the mean of the three."""
    W = jnp.ones((i, o)) / i

    def three(carry):
        x, _ = carry
        y = product(x, W)
        return product(y, W, b_transposed=True), product(x, y, a_transposed=True)

    seconds = without(3 * operation, seconds_of(three, (jnp.ones((n, i)), W)))
    return 2.0 * n * i * o, 6.0 * n * i * o / seconds


def convolution_rate(n: int, d: int, i: int, o: int, operation: float) -> tuple[float, float]:
    """(FLOPs, FLOP/s) of a 3×3 convolution's y and dK, the mean of the two."""
    x, K = jnp.ones((n, d, d, i)), jnp.ones((3, 3, i, o)) / (9 * i)
    slide = window("", x.shape, 3, 1, "same", 1)

    def two(K):
        return convolve_dK(x, convolve(x, K, slide, 1), slide, 1) / x.size

    flops = count_flops(lambda K: convolve(x, K, slide, 1), K)
    return float(flops), 2.0 * flops / without(3 * operation, seconds_of(two, K))


def recurrent_rate(n: int, o: int, operation: float) -> tuple[float, float]:
    """(FLOPs of one step of an LSTM, FLOP/s) of 16 steps forward and backward."""
    layer, x = Recurrent(LSTM(o)), jnp.ones((n, 16, o))
    params = jax.tree.map(jnp.asarray, layer.init(np.random.default_rng(0), x.shape))

    def both(x):
        y, saved = layer.forward(params, x, Context())
        dx, dparams = layer.backward(params, saved, y)
        return dx + sum(leaf.mean() for leaf in jax.tree.leaves(dparams))

    cost = layer.cost(x.shape)
    return cost.forward / 16, (cost.forward + cost.backward) / without(8 * operation, seconds_of(both, x))


def memory_rate(numbers: int, operation: float) -> tuple[float, float]:
    """(bytes, bytes/s) of an array that is read and another that is written."""
    return 8.0 * numbers, 8.0 * numbers / without(operation, seconds_of(lambda h: h * 0.5 + 1, jnp.ones(numbers)))


def without(besides: float, seconds: float) -> float:
    """The seconds without what operations take besides; a quarter of them is left at least."""
    return max(seconds - besides, seconds / 4)


def seconds_of(body: Callable[[Any], Any], start: Any) -> float:
    """Seconds of one round of a compiled loop, as an epoch is one; the fastest of several runs."""

    @jax.jit
    def loop(carry, rounds):
        return jax.lax.fori_loop(0, rounds, lambda _, carry: body(carry), carry)

    def run(rounds: int) -> float:
        began = time.perf_counter()
        jax.block_until_ready(loop(start, rounds))
        return time.perf_counter() - began

    run(1)
    rounds = 8
    while run(rounds) < LEAST:
        rounds *= 2
    return min(run(rounds) for _ in range(REPEATS)) / rounds
