"""What a training step costs, told before it runs: FLOPs, bytes, the largest batch, and seconds, layer by layer.

FLOPs and bytes are the layers' closed forms, so symbols give formulas. The peak of the whole step is read from its
trace, and the seconds from rates that are measured once on this machine.
"""

from dataclasses import dataclass, fields
from functools import cached_property
from numbers import Integral
from typing import Any

from deltarule.data.memory import as_bytes
from deltarule.errors import SettingError
from deltarule.ingredients import check_part, norm_of, penalty_of, precision_of, shape_said
from deltarule.inspect import plan_page, plan_text, textbook
from deltarule.inspect.memory import largest_batch, memory_here, step_memory
from deltarule.inspect.parts import parts
from deltarule.inspect.peak import Peak
from deltarule.inspect.rates import Rates, measured_rates
from deltarule.inspect.rows import SUMMED, Row, is_symbolic, loss_row, row_of, tidy
from deltarule.inspect.seconds import Seconds, step_seconds
from deltarule.layers.layer import Layer, Shape
from deltarule.losses.l2 import L2
from deltarule.losses.loss import Loss
from deltarule.losses.squared_error import SquaredError
from deltarule.optimizers.optimizer import Optimizer
from deltarule.optimizers.rmsprop import RMSProp
from deltarule.training.step import Step


@dataclass(frozen=True)
class Plan:
    """The cost of one training step, row by row and in total.

    Attributes:
        step: the step that is planned.
        x: the shape of its input.
        rows: one for each innermost layer in forward order, for a container where it adds to the cost, and for
            the loss.
        memory: bytes that the step may take.
        rates: of the machine for which seconds are told; None for this one's.
    """

    step: Step
    x: Shape
    rows: tuple[Row, ...]
    memory: int
    rates: Rates | None = None

    @classmethod
    def of(cls, step: Step, x: Shape, memory: float | str | None = None, rates: Rates | None = None) -> "Plan":
        """The plan of a step on inputs of shape x; raises as `plan` does."""
        x = tuple(length_of(length, x) for length in x)
        if isinstance(memory, str):
            memory = as_bytes(memory)
        found = [part for part in parts(step.net, x) if not part.inner or part.adds]
        rows = (*(row_of(part, step) for part in found), loss_row(step.loss, step.net.shape(x)))
        return cls(step, x, rows, int(memory or memory_here()), rates)

    @cached_property
    def total(self) -> Row:
        """The sums over all rows."""
        sums = {name: sum(getattr(row, name) for row in self.rows) for name in SUMMED}
        return Row("", "total", self.step.net.shape(self.x), **tidy(sums))

    @property
    def symbolic(self) -> bool:
        """Whether a size is a symbol, so that costs are formulas."""
        return is_symbolic((self.x, self.total.flops))

    @cached_property
    def peak(self) -> Peak | None:
        """Bytes of the compiled step: inputs, outputs, and the most that lies between; None of symbols."""
        return None if self.symbolic else step_memory(self.step, self.x)

    @cached_property
    def largest_batch(self) -> int | None:
        """The most examples in a step that `memory` takes; None of symbols."""
        if self.symbolic:
            return None
        return largest_batch(lambda n: step_memory(self.step, (n, *self.x[1:])).total, self.memory)

    @cached_property
    def seconds(self) -> Seconds | None:
        """Seconds of the step as `fit` runs it, and what bounds it; None of symbols."""
        if self.symbolic:
            return None
        return step_seconds(self.step, self.x, self.rates or measured_rates())

    def table(self, width: int = 80) -> str:
        """The plan for a terminal of so many columns."""
        return plan_text.table(self, width)

    def textbook(self) -> "textbook.Comparison":
        """Beside a text's formulas for the fully connected network; raises SettingError for any other."""
        return textbook.compare(self)

    def to_json(self) -> dict[str, Any]:
        """Every number exactly, in plain dicts; formulas as text."""
        told = {
            "x": plain(self.x),
            "step": {name: str(getattr(self.step, name)) for name in ("loss", "optimizer", "precision")},
            "rows": [row_json(row) for row in self.rows],
            "total": row_json(self.total),
        }
        if self.peak is None:
            return told
        peak = {field.name: getattr(self.peak, field.name) for field in fields(self.peak)}
        return told | {
            "peak_bytes": {**peak, "total": self.peak.total},
            "memory": self.memory,
            "largest_batch": self.largest_batch,
            "seconds": self.seconds and self.seconds.total,
            "bound": self.seconds and self.seconds.bound,
        }

    def __str__(self) -> str:
        return self.table()

    def _repr_html_(self) -> str:
        from deltarule.inspect.display import framed

        return framed(plan_page.html(self))

    def _repr_latex_(self) -> str | None:
        return plan_page.latex(self) if self.symbolic else None


def plan(
    net: Layer,
    x: tuple[Any, ...],
    *,
    loss: Loss | None = None,
    optimizer: Optimizer | None = None,
    l2: float | L2 | None = 0.0,
    clip_norm: float | None = None,
    micro_batches: int = 1,
    precision: str = "float32",
    memory: float | str | None = None,
    rates: Rates | None = None,
) -> Plan:
    """What one training step costs on inputs of shape x, told from the layers alone.

    Args:
        x: the input's shape, the examples first. A name such as "M", or a SymPy symbol, stands for any number;
            costs are formulas then, as they are where a layer's width is a symbol.
        loss, optimizer: SquaredError and RMSProp by default.
        l2, clip_norm, micro_batches, precision: as of `Model` and its `fit`.
        memory: bytes that the step may take, or a text such as "8 GB"; by default what this device has.
        rates: how fast the machine is; by default this one's, which are measured when they are first needed.

    Raises:
        ShapeError: a layer cannot take its input; the message has its path.
        SettingError: a layer that states no cost, or a symbol where a number is needed.

    >>> from deltarule.layers import Chain, Dense, ReLU
    >>> plan(Chain(Dense(64), ReLU(), Dense(10)), x=(32, 784)).rows[0].forward
    3213312
    >>> plan(Dense(3), x=("M", "d")).rows[0].forward
    6*M*d + 3*M
    """
    check_part("plan", "net", net, Layer)
    loss, optimizer = SquaredError() if loss is None else loss, RMSProp() if optimizer is None else optimizer
    check_part("plan", "loss", loss, Loss)
    check_part("plan", "optimizer", optimizer, Optimizer)
    if not (isinstance(micro_batches, Integral) and int(micro_batches) >= 1):
        raise SettingError(f"plan: micro_batches must be a whole number of at least 1, got {micro_batches!r}")
    parts = penalty_of("plan", l2), norm_of("plan", clip_norm), int(micro_batches), precision_of("plan", precision)
    return Plan.of(Step(net, loss, optimizer, *parts), shape_said("plan", x), memory, rates)


def length_of(length: Any, x: tuple[Any, ...]) -> Any:
    """A length of x as a whole number or a symbol."""
    if isinstance(length, str) and length.isidentifier():
        import sympy

        return sympy.Symbol(length, positive=True, integer=True)
    if is_symbolic(length):
        return length
    if isinstance(length, Integral) and int(length) > 0:
        return int(length)
    raise SettingError(
        f"plan: expected the input's shape as whole numbers or symbols, (64, 784) or ('M', 'd'); got {x}"
    )


def plain(value: Any) -> Any:
    """A number, or a formula as text, for JSON."""
    if isinstance(value, tuple):
        return [plain(each) for each in value]
    return str(value) if is_symbolic(value) else int(value)


def row_json(row: Row) -> dict[str, Any]:
    told = {name: plain(getattr(row, name)) for name in ("shape", *SUMMED)}
    intensity = row.intensity
    told["intensity"] = str(intensity) if is_symbolic(intensity) else float(intensity)
    return {"path": row.path, "name": row.name, **told}
