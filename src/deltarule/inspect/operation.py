"""The operations that the compiler makes of a program, by name, and the program of them."""

from dataclasses import dataclass, field
from math import prod
from typing import Any

MOVES = {"squeeze", "expand_dims", "copy", "copy_p", "stop_gradient", "optimization_barrier"}
SPREADS = {"broadcast_in_dim", "iota", "full"}
SUMS = {"reduce_sum", "reduce_max", "reduce_min", "reduce_and", "reduce_or", "argmax", "argmin"}
CHEAP = {
    *(
        "add",
        "add_any",
        "sub",
        "mul",
        "div",
        "max",
        "min",
        "neg",
        "abs",
        "sign",
        "floor",
        "ceil",
        "round",
        "square",
    ),
    *("eq", "ne", "lt", "le", "gt", "ge", "and", "or", "not", "xor", "select_n", "clamp", "is_finite"),
    *("shift_left", "shift_right_logical", "shift_right_arithmetic", "convert_element_type", "integer_pow"),
    *("transpose", "slice", "rev", "pad", "concatenate", "bitcast_convert_type", "population_count"),
    *("reshape", "dynamic_slice", "dynamic_update_slice", "random_wrap", "random_unwrap", "zero_or_one"),
}
RESHAPES = {"reshape", "transpose", "slice", "rev", "pad", "concatenate", "dynamic_slice", "bitcast_convert_type"}
DEAR = {
    *("exp", "exp2", "expm1", "log", "log1p", "tanh", "logistic", "sqrt", "rsqrt", "cbrt", "pow", "rem"),
    *("erf", "erfc", "erf_inv", "sin", "cos", "tan"),
}
BY_NUMBER = (CHEAP | DEAR) - RESHAPES
FUSED = SPREADS | CHEAP | DEAR
WITH_VECTOR = "matrix_vector_product"  # of a product that computes its matrix inside itself
WINDOWS = "reduce_window"  # of the sums of an axis by parts
SPREAD = "spread"  # of an operation that lays a smaller array beside a larger, which the trace leaves unsaid


@dataclass
class Operation:
    """One step of a flat program that makes one array (or several, told as their bytes together).

    Attributes:
        name: of the primitive, or "input".
        reads: the operations whose arrays it reads, by their places.
        shape, bytes: of what it makes.
        flops: of a product, a convolution, a native kernel or a loop.
        kernel: the native kernel's name.
        loop: of a loop, how often it runs and what.
    """

    name: str
    reads: list[int]
    shape: tuple[int, ...]
    bytes: int
    flops: int = 0
    kernel: str = ""
    loop: "tuple[int, Program] | None" = None


@dataclass
class Program:
    """Operations in program order, and the places of those that it returns."""

    operations: list[Operation] = field(default_factory=list)
    returned: list[int] = field(default_factory=list)
    known: dict[Any, int] = field(default_factory=dict)

    def add(self, operation: Operation, key: Any = None) -> int:
        """The place of an operation; one that is there already under the same key is not made twice."""
        if key is not None and key in self.known:
            return self.known[key]
        self.operations.append(operation)
        place = len(self.operations) - 1
        if key is not None:
            self.known[key] = place
        return place

    def beside(self, place: int, shape: tuple[int, ...], size: int) -> int:
        """The place of an array of `shape` and so many bytes, which repeats that of a smaller one."""
        if prod(self.operations[place].shape) == prod(shape):
            return place
        return self.add(Operation(SPREAD, [place], shape, size), (SPREAD, place, shape))
