"""How fast this machine is: rates of products by size, of memory, and what each operation takes besides.

They are measured once, in a few seconds, and kept in the user's cache folder with the machine that they are of.
"""

import functools
import hashlib
import json
import os
import platform
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from deltarule.cache import folder_for
from deltarule.errors import FileError
from deltarule.files import write_whole
from deltarule.inspect.count import count_flops
from deltarule.kernels.convolution import convolve, convolve_dK, convolve_dx
from deltarule.kernels.native import described
from deltarule.kernels.product import product
from deltarule.kernels.window import window
from deltarule.layers import LSTM, Recurrent
from deltarule.layers.layer import Context
from deltarule.training.epoch import compiler_options

Curve = tuple[tuple[float, float], ...]  # (size, rate) pairs, between which logarithms are straight lines

LEAST = 0.004  # seconds that a run takes: short enough to fall between what else the machine does
REPEATS = 12
LINKS = 16
PRODUCTS = (
    (8, 16, 16),
    (32, 32, 32),
    (64, 64, 64),
    (64, 256, 256),
    (64, 784, 256),
    (256, 512, 512),
    (1024, 1024, 1024),
)
IMAGES = (  # n, h = w, i, o
    *((64, 16, 1, 4), (64, 16, 3, 8), (64, 16, 8, 8)),
    *((64, 8, 16, 16), (64, 8, 32, 32), (16, 16, 64, 64)),
)
SEQUENCES = ((8, 16), (16, 32), (32, 64), (64, 128))  # n, o; 16 steps of i = o / 4 each
ARRAYS = (2**10, 2**14, 2**18, 2**22, 2**24)  # numbers
NUMBERS = (2**10, 2**14, 2**18)


@dataclass(frozen=True)
class Rates:
    """What a machine does in a second.

    Attributes:
        machine: its name, processor, and what computes its products.
        products: FLOP/s by the FLOPs of one product.
        convolutions: FLOP/s by the FLOPs at one position.
        recurrent: FLOP/s by the FLOPs of one step in time.
        memory: bytes read and written a second, by the bytes of one operation.
        simple, roots, dear, sums: additions, roots, exponentials and their like, and what is summed up, numbers a
            second by the numbers in one operation.
        operation: seconds that each operation takes besides.
        round: seconds that each round of a loop takes besides.
    """

    machine: str
    products: Curve
    convolutions: Curve
    recurrent: Curve
    memory: Curve
    simple: Curve
    roots: Curve
    dear: Curve
    sums: Curve
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


@functools.cache
def measured(machine: str) -> Rates:
    """The rates as they are measured now."""
    h = jnp.ones((4, 4))
    operation = without(seconds_of(chained(jnp.dot), h), seconds_of(chained(rectified), h)) / LINKS
    return Rates(
        machine=machine,
        products=tuple(product_rate(*sizes, operation) for sizes in PRODUCTS),
        convolutions=tuple(convolution_rate(*sizes, operation) for sizes in IMAGES),
        recurrent=tuple(recurrent_rate(*sizes, operation) for sizes in SEQUENCES),
        memory=tuple(memory_rate(n, operation) for n in ARRAYS),
        simple=tuple((float(n), n / seconds_of(shift, jnp.ones(n))) for n in NUMBERS),
        roots=tuple(number_rate(jnp.sqrt, n) for n in NUMBERS),
        dear=tuple(number_rate(jnp.exp, n) for n in NUMBERS),
        sums=tuple(number_rate(lambda h: h.sum(0), n) for n in NUMBERS),
        operation=operation,
        round=seconds_of(slide, (jnp.ones((64, 4)), jnp.int32(0), jnp.ones(4))),
    )


def chained(product: Callable[[jax.Array, jax.Array], jax.Array]) -> Callable[[jax.Array], jax.Array]:
    """Small products, of which each needs the one before."""
    return lambda h: functools.reduce(lambda h, _: product(h, h), range(LINKS), h)


def rectified(a: jax.Array, b: jax.Array) -> jax.Array:
    """A product and one operation more."""
    return jnp.maximum(a @ b, 0)


def slide(carry: Any) -> Any:
    """One round of a loop over the rows of an array."""
    rows, k, total = carry
    return rows, (k + 1) % len(rows), total + jax.lax.dynamic_index_in_dim(rows, k, keepdims=False)


def shift(h: jax.Array) -> jax.Array:
    """A multiply-add for each number."""
    return h * 0.5 + 0.25


def number_rate(f: Callable[[jax.Array], jax.Array], n: int) -> tuple[float, float]:
    """(n, numbers a second) of f inside one operation that computes a multiply-add besides."""
    h = jnp.ones((n // 64, 64))
    seconds = without(seconds_of(shift, h), seconds_of(lambda h: shift(h + f(h)), h))
    return float(n), n / seconds


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
    """(FLOPs at a position, FLOP/s) of a 3×3 convolution's y, dx and dK, the mean of the three."""
    x, K = jnp.ones((n, d, d, i)), jnp.ones((3, 3, i, o)) / (9 * i)
    slide = window("", x.shape, 3, 1, "same", 1)

    def three(carry):
        x, K = carry
        y = convolve(x, K, slide)
        return convolve_dx(y, K, slide, (d, d)) / o, convolve_dK(x, y, slide) / x.size

    flops = 2.0 * n * d * d * K.size
    return 2.0 * K.size, 3 * flops / without(5 * operation, seconds_of(three, (x, K)))


def recurrent_rate(n: int, o: int, operation: float) -> tuple[float, float]:
    """(FLOPs of one step of an LSTM, FLOP/s) of 16 steps forward and backward."""
    layer, x = Recurrent(LSTM(o)), jnp.ones((n, 16, o // 4))
    params = jax.tree.map(jnp.asarray, layer.init(np.random.default_rng(0), x.shape))

    def both(x):
        y, saved = layer.forward(params, x, Context())
        dx, dparams = layer.backward(params, saved, y)
        return dx + sum(leaf.mean() for leaf in jax.tree.leaves(dparams))

    forward = count_flops(lambda x: layer.forward(params, x, Context())[0], x)
    return forward / 16, count_flops(both, x) / without(8 * operation, seconds_of(both, x))


def memory_rate(numbers: int, operation: float) -> tuple[float, float]:
    """(bytes, bytes/s) of an array that is read and another that is written."""
    return 8.0 * numbers, 8.0 * numbers / without(operation, seconds_of(lambda h: h * 0.5 + 1, jnp.ones(numbers)))


def without(besides: float, seconds: float) -> float:
    """The seconds without what operations take besides; a quarter of them is left at least."""
    return max(seconds - besides, seconds / 4)


def seconds_of(body: Callable[[Any], Any], start: Any) -> float:
    """Seconds of one round of a compiled loop, as an epoch is one; the fastest of several runs."""

    @functools.partial(jax.jit, compiler_options=compiler_options())
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
