"""A recurrent layer, (H_t, C_t) = F(X_t, H_{t−1}, C_{t−1}): a cell reads a sequence step by step.

Back-propagation through time (Werbos 1990): δ goes back through the steps of one scan, and the weights' gradients,
being sums over the steps, are products over all of them at once.
"""

from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
import numpy as np

from deltarule.errors import SettingError, ShapeError
from deltarule.kernels import recurrent as kernel
from deltarule.layers.cell import Cell, Flags, swapped, where
from deltarule.layers.gru import GRU
from deltarule.layers.layer import Context, Equations, Layer, size
from deltarule.layers.lstm import LSTM
from deltarule.layers.simple_rnn import SimpleRNN


@dataclass(frozen=True)
class Recurrent(Layer):
    """The cell's output at each step: (n, t, i) to (n, t, o), in the type of W; a `Chain` of several is stacked.

    Where the context has a mask, a step of padding leaves the state as it is, its output is 0 (as PyTorch's
    `pad_packed_sequence` has it; Keras repeats the output before), and its δ counts for nothing. Where it has
    starts, the state is zero again before such a step.

    Args:
        cell: `SimpleRNN(o)`, `GRU(o)`, `LSTM(o)`, or one of your own.
        reverse: whether it reads from the end, each sequence from its own; outputs stand at their inputs' places.
        last: whether the output is the last state's alone, (n, o): after padding the one before it, and with
            `reverse` that of the first step.
        carry: whether the state begins where the last batch ended, and not at zero. It is memory, a constant of
            the step, so that δ stops where the window begins: truncated back-propagation through time.
        stride: the state that is carried is that after so many steps, for windows that overlap; by default that
            after the last.

    Raises:
        SettingError: the cell is not one; or carry with reverse, which reads the future first.
        ShapeError: x is not (n, t, i) with at least one step; a mask or starts that are not (n, t); or a carried
            state of another number of examples.

    >>> Recurrent(LSTM(64)).shape((32, 100, 8))
    (32, 100, 64)
    >>> Recurrent(GRU(64), last=True).shape((32, 100, 8))
    (32, 64)
    """

    cell: Cell
    reverse: bool = False
    last: bool = False
    carry: bool = False
    stride: int | None = None

    equations = Equations(
        forward=(r"(H_t, C_t) = F(X_t, H_{t-1}, C_{t-1})", r"Y_t = H_t"),
        backward=(
            r"(dX_t, dH_{t-1}, dC_{t-1}) = "
            r"\left(\partial F / \partial (X_t, H_{t-1}, C_{t-1})\right)^\top (dH_t, dC_t)",
            r"dH_{t-1} \mathrel{+}= dY_{t-1}",
        ),
        source="Werbos 1990, Backpropagation through time; truncated, Williams and Peng 1990",
    )

    def __post_init__(self):
        if not isinstance(self.cell, Cell):
            raise SettingError(f"Recurrent: expected a cell such as LSTM(64), got {self.cell!r}")
        if self.carry and self.reverse:
            raise SettingError(
                f"{self.name}: carry goes with reading forward; with reverse the state comes from the future"
            )

    @property
    def name(self):
        return f"Recurrent({type(self.cell).__name__}({self.cell.features}))"

    def shape(self, x):
        if len(x) != 3 or x[1] == 0:
            raise ShapeError(
                f"{self.name}: expected an input of shape (n, t, i) with at least one step, got {tuple(x)}; "
                "reshape single series to (n, t, 1)"
            )
        n, t, _ = x
        return (n, self.cell.features) if self.last else (n, t, self.cell.features)

    def padded(self, x):
        return not self.last

    def init(self, rng, x):
        self.shape(x)
        return self.cell.init(rng, x[-1])

    def memory(self, x):
        if not self.carry:
            return {}
        return tuple(np.zeros(shape, np.float32) for shape in self.cell.state(x[0]))

    def forward(self, params, x, context):
        self.require_fitting(x.shape, context)
        mask, follows = flags(context, self.reverse)
        x = x.astype(jax.tree.leaves(params)[0].dtype)
        start = tuple(state.astype(x.dtype) for state in context.memory)  # (n, o) each
        first = start or self.zeros(len(x), x.dtype)
        y, others, kept = kernel.forward(self.cell, params, x, first, mask, follows, self.reverse)
        saved = x, y, others, kept, start, mask, follows
        if self.last:
            return y[:, 0 if self.reverse else -1], saved
        return where(context.mask, y, jnp.zeros_like(y)), saved

    def backward(self, params, saved, dy):
        x, y, others, kept, start, mask, follows = saved
        first = start or self.zeros(len(x), x.dtype)
        dy = dy.astype(x.dtype)
        return kernel.backward(self.cell, params, x, first, y, others, kept, dy, mask, follows, self.reverse)

    def remember(self, memory, saved):
        if not self.carry:
            return memory
        _, y, others, *_ = saved
        end = -1 if self.stride is None else self.stride - 1
        ends = (y[:, end], *(state[end] for state in others))  # (n, o) each
        return tuple(end.astype(state.dtype) for end, state in zip(ends, memory, strict=True))

    def advance(self, params, x, context):
        y, saved = self.forward(params, x, context)
        return y, self.remember(context.memory or self.memory(x.shape), saved)

    def zeros(self, n, dtype):
        """The state from which nothing is remembered."""
        return tuple(jnp.zeros(shape, dtype) for shape in self.cell.state(n))

    def require_fitting(self, x, context):
        """ShapeError where x is no sequence, or the context's arrays are not those of x."""
        self.shape(x)
        path = tuple(index for index in context.path if isinstance(index, int))
        for array, name in ((context.mask, "mask"), (context.starts, "starts")):
            if array is not None and array.shape != x[:2]:
                raise ShapeError(
                    f"{self.name}: expected {name} (n, t) of the input's {x[:2]}, got {array.shape}; a layer "
                    "before this one may have changed the number of steps",
                    path,
                )
        if context.memory and len(context.memory[0]) != x[0]:
            raise ShapeError(
                f"{self.name}: the carried state is that of {len(context.memory[0])} sequences, and the input has "
                f"{x[0]}; go on with the same sequences, or begin anew with memory({tuple(x)})",
                path,
            )

    def cost(self, x):
        self.shape(x)
        n, t, i = x
        cell, state = self.cell.cost(n, t, i), self.cell.state(n)
        h, others = size(state[0]), sum(size(shape) for shape in state[1:])
        return replace(
            cell,
            backward=cell.backward + (0 if self.last else t * h),
            keeps_x=True,
            keeps_y=not self.last,
            saved=cell.saved + t * others + (t * h if self.last else 0) + (h + others if self.carry else 0),
            rebuilt=cell.forward,
            remade=cell.forward,
        )

    @classmethod
    def examples(cls):
        yield cls(SimpleRNN(5)), (3, 4, 2)
        yield cls(SimpleRNN(4, "relu"), reverse=True), (2, 5, 3)
        yield cls(GRU(5), carry=True), (3, 4, 2)
        yield cls(GRU(4, "before"), reverse=True, last=True), (2, 5, 3)
        yield cls(LSTM(5)), (3, 1, 2)
        yield cls(LSTM(4), last=True), (2, 3, 5)
        yield cls(LSTM(5, peephole=True), last=True, carry=True), (3, 4, 2)


def flags(context: Context, reverse: bool) -> tuple[Flags, Flags]:
    """(mask, follows), each (t, n) or None: which steps are there, and which of them go on from the one before.

    Backwards a sequence begins at its end, just behind which the next one starts.
    """
    mask = None if context.mask is None else swapped(context.mask)
    if context.starts is None:
        return mask, None
    follows = ~swapped(context.starts)  # (t, n)
    if reverse:
        follows = jnp.concatenate([follows[1:], jnp.ones_like(follows[:1])])
    return mask, follows
