"""The three products of single convolutions: forward y, and for a given dy the gradients dK and dx."""

import functools
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import jax
import numpy as np
import torch

from deltarule.kernels import convolution
from deltarule.kernels.native import companion
from deltarule.kernels.window import Window
from deltarule.training.epoch import compiler_options
from measure import Row, compare, fastest, interleave, short
from peers_convolution import LAYOUTS

BATCH, PRODUCTS = 32, ("forward", "dK", "dx")
REPEATS = 100  # a program takes the memory of its result anew when it is called, but a loop in it does not
Forms = tuple[Callable, Callable, Callable]  # of y, dK and dx
HEAVY = re.compile(r" (convolution|dot|custom-call)\(")


@dataclass(frozen=True)
class Geometry:
    """A convolution of square images with `size // 2` zeros around them."""

    i: int
    o: int
    pixels: int
    size: int = 3
    stride: int = 1
    groups: int = 1

    @property
    def name(self) -> str:
        """The convolution in words."""
        kind = "depthwise " * (self.groups > 1) + f"{self.size}×{self.size}"
        stride = f" stride {self.stride}" * (self.stride > 1)
        return f"(a) {kind} {self.i}→{self.o}{stride} at {self.pixels}×{self.pixels}"

    @property
    def window(self) -> Window:
        """The same for our kernels."""
        around = self.size // 2
        return Window(*((value,) * 2 for value in (self.size, self.stride, (around, around), 1)))

    def arrays(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """x (n, h, w, i), K (k, k, i/g, o) and dy (n, e, e, o), the same for everybody."""
        rng = np.random.default_rng(0)
        space = self.pixels, self.pixels
        shapes = [
            (BATCH, *space, self.i),
            (self.size, self.size, self.i // self.groups, self.o),
            (BATCH, *self.window.output(space), self.o),
        ]
        x, K, dy = (rng.normal(size=shape).astype(np.float32) for shape in shapes)
        return x, K, dy


GEOMETRIES = [
    Geometry(3, 32, 32),
    Geometry(32, 64, 32, stride=2),
    Geometry(64, 128, 16, stride=2),
    Geometry(64, 64, 16),
    Geometry(64, 64, 16, size=1),
    Geometry(64, 64, 16, groups=64),
]


class Ours:
    """A product inside a compiled loop, as a step has it; each pass of the loop waits for the one before."""

    note = ""

    def __init__(self, geometry: Geometry, product: str, name: str, forms: Forms, repeats: int):
        self.name, self.repeats = name, repeats
        x, K, dy = geometry.arrays()
        form, given = {
            "forward": (forms[0], (x, K)),
            "dK": (forms[1], (x, dy)),
            "dx": (functools.partial(forms[2], space=x.shape[1:3]), (dy, K)),
        }[product]
        self.given = jax.device_put(given)
        self.once = functools.partial(form, window=geometry.window, groups=geometry.groups)
        self.program = self.compiled()

    def compiled(self) -> Callable:
        def again(_, carry):
            given, _ = carry
            return jax.lax.optimization_barrier((given, self.once(*given)))

        def loop(*given):
            result = jax.eval_shape(self.once, *given)
            start = given, jax.numpy.zeros(result.shape, result.dtype)
            return jax.lax.fori_loop(0, self.repeats, again, start)[1]

        program = jax.jit(loop).lower(*self.given).compile(compiler_options=compiler_options())
        require_in_loop(program.as_text(), self.name)
        return program

    def fresh(self): ...

    def run(self):
        self.program(*self.given).block_until_ready()

    def result(self) -> np.ndarray:
        return np.asarray(self.program(*self.given))


class OneCall(Ours):
    """A compiled program of one product, called by itself."""

    def compiled(self) -> Callable:
        return jax.jit(self.once).lower(*self.given).compile(compiler_options=compiler_options())


def require_in_loop(text: str, name: str) -> None:
    """Raises AssertionError unless a compiled program's heavy operations all stand in the body of its loop."""
    parts = dict(re.findall(r"^(?:ENTRY )?(%[\w.\-]+) (.*?)^}", text, re.DOTALL | re.MULTILINE))
    inside, waiting = set(), re.findall(r"body=(%[\w.\-]+)", text)
    while waiting:
        part = waiting.pop()
        if part not in inside:
            inside.add(part)
            waiting += re.findall(r"(?:calls|to_apply|body)=(%[\w.\-]+)", parts[part])
    places = {part for part, lines in parts.items() if HEAVY.search(lines)}
    if not places or places - inside:
        raise AssertionError(f"{name}: a product left its loop, or there is none:\n{text}")


class Torch:
    """PyTorch eager, a Python loop over the same call, in one of its memory formats."""

    name, repeats = "PyTorch eager", REPEATS

    def __init__(self, geometry: Geometry, product: str, layout: str):
        self.note, self.product, memory = layout, product, {"memory_format": LAYOUTS[layout]}
        x, K, dy = map(torch.from_numpy, geometry.arrays())
        x, dy = (a.permute(0, 3, 1, 2).contiguous(**memory) for a in (x, dy))
        K = K.permute(3, 2, 0, 1).contiguous(**memory)
        stride, around, groups = geometry.stride, geometry.size // 2, geometry.groups
        if product == "forward":
            self.once = functools.partial(torch.nn.functional.conv2d, x, K, None, stride, around, groups=groups)
        else:
            wanted = [product == "dx", product == "dK", False]
            settings = [stride] * 2, [around] * 2, [1, 1], False, [0, 0], groups, wanted
            self.once = functools.partial(torch.ops.aten.convolution_backward, dy, x, K, None, *settings)

    def fresh(self): ...

    @torch.no_grad()
    def run(self):
        for _ in range(self.repeats):
            self.once()

    @torch.no_grad()
    def result(self) -> np.ndarray:
        found = self.once()
        if self.product == "forward":
            return found.permute(0, 2, 3, 1).numpy()
        dx, dK, _ = found
        return dx.permute(0, 2, 3, 1).numpy() if self.product == "dx" else dK.permute(2, 3, 1, 0).numpy()


SHIPPED = convolution.convolve, convolution.convolve_dK, convolution.convolve_dx


def form_of_xla(unrolled: Callable, everywhere: Callable) -> Callable:
    """What a CPU runs where the native kernels are missing."""

    def form(*arrays, **settings):
        found = unrolled(*arrays, **settings)
        return everywhere(*arrays, **settings) if found is None else found

    return form


XLA = (
    form_of_xla(convolution.convolve_unrolled, convolution._convolve),
    form_of_xla(convolution.convolve_dK_unrolled, convolution._convolve_dK),
    form_of_xla(convolution.convolve_dx_unrolled, convolution._convolve_dx),
)


def product_rows(rounds: int) -> list[Row]:
    """(a): ms a product, ours against PyTorch and, where the native kernels are installed, against XLA's form."""
    return [row for geometry in GEOMETRIES for product in PRODUCTS for row in rows_of(geometry, product, rounds)]


def rows_of(geometry: Geometry, product: str, rounds: int) -> list[Row]:
    """The rows of one product."""
    name = f"{geometry.name}, {product}"
    ours = Ours(geometry, product, "ours", SHIPPED, REPEATS)
    one_call = OneCall(geometry, product, "one call", SHIPPED, 1)
    eager = fastest([Torch(geometry, product, layout) for layout in LAYOUTS], min(rounds, 3))
    peers: list[Any] = [eager]
    if companion()[0] is not None:
        peers.append(OneCall(geometry, product, "XLA's form", XLA, 1))
    everybody = [ours, one_call, *peers]
    require_same_result(name, everybody)
    times = interleave(everybody, rounds)
    ms = {each.name: times[each.name] / each.repeats * 1e3 for each in everybody}
    one = short(np.median(ms["one call"]))
    rows = [
        compare(name, p.name, ms["ours"], ms[p.name], "ms", 1.0 if p is eager else None, p.note) for p in peers
    ]
    return [replace(row, one_call=one) for row in rows]


def require_same_result(name: str, contenders: list[Any]) -> None:
    """Raises AssertionError where one of the contenders computes something else than the first."""
    first, *others = (contender.result() for contender in contenders)
    for contender, other in zip(contenders[1:], others, strict=True):
        apart = np.inf if other.shape != first.shape else np.abs(other - first).max() / np.abs(first).max()
        if not apart < 1e-4:
            raise AssertionError(f"{name}: {contender.name} computes something else, {apart:.1e} apart")
