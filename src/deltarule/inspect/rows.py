"""A plan's rows: what each layer, and the loss, adds to a training step."""

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

import jax
import numpy as np

from deltarule.errors import SettingError
from deltarule.inspect.count import count_flops
from deltarule.inspect.memory import abstract_batch
from deltarule.inspect.parts import Part
from deltarule.layers.layer import Layer, Shape, inner_layers, size
from deltarule.losses.l2 import NOT_WEIGHTS
from deltarule.losses.loss import Loss
from deltarule.optimizers.adam import AdamW
from deltarule.training.step import Step

FLOAT = 4  # bytes of a number


@dataclass(frozen=True)
class Row:
    """A layer's share of a step; numbers, or formulas where sizes are symbols.

    Attributes:
        path, name: where it stands, "2.0", and what it is, "Dense(64)".
        shape: of its output.
        parameters: how many numbers it learns.
        forward, backward, update: FLOPs.
        parameter_bytes, gradient_bytes, slot_bytes: of θ, dθ, and what the optimizer keeps beside θ.
        saved_bytes: kept from forward for backward; what two layers keep together is told with the first.
        moved_bytes: read and written by all three at least, each array once.
    """

    path: str
    name: str
    shape: Shape
    parameters: Any
    forward: Any
    backward: Any
    update: Any
    parameter_bytes: Any
    gradient_bytes: Any
    slot_bytes: Any
    saved_bytes: Any
    moved_bytes: Any

    @property
    def flops(self) -> Any:
        """FLOPs of forward, backward and update together."""
        return self.forward + self.backward + self.update

    @property
    def state_bytes(self) -> Any:
        """Bytes of parameters, gradients and what the optimizer keeps."""
        return self.parameter_bytes + self.gradient_bytes + self.slot_bytes

    @property
    def intensity(self) -> Any:
        """Arithmetic intensity: FLOPs for each byte that is moved at least."""
        return self.flops / self.moved_bytes if self.moved_bytes else 0


SUMMED = [field.name for field in fields(Row) if field.name not in ("path", "name", "shape")]


def row_of(part: Part, step: Step) -> Row:
    """A layer's row: its own costs, and those of updating its parameters."""
    optimizer, p = step.optimizer, part.parameters
    reads, writes = size(part.x), size(part.y)
    moved = 3 * (reads + writes) + (4 + 2 * optimizer.slots) * p
    return Row(
        path=".".join(map(str, part.path)),
        name=label(part.layer),
        shape=part.y,
        **tidy(
            parameters=p,
            forward=part.forward,
            backward=part.backward,
            update=update_flops(part, step),
            parameter_bytes=FLOAT * p,
            gradient_bytes=FLOAT * p,
            slot_bytes=FLOAT * optimizer.slots * p,
            saved_bytes=FLOAT * part.saved + part.marks,
            moved_bytes=FLOAT * moved,
        ),
    )


def update_flops(part: Part, step: Step) -> Any:
    """FLOPs of L2, clipping and the optimizer's update of a layer's parameters."""
    p = part.parameters
    decays = step.l2 is not None or isinstance(step.optimizer, AdamW)
    if decays and is_symbolic(p):
        raise SettingError(
            "plan: with a symbol where a number is needed, weights cannot be told from biases; give numbers, or "
            "leave out l2 and AdamW"
        )
    clipped = 3 * p if step.clip_norm is not None else 0  # squares, sums, products
    if not decays or not p:
        return step.optimizer.update_flops(p, p) + clipped
    decayed = weights(part, getattr(step.optimizer, "exclude", NOT_WEIGHTS))
    penalty = 0 if step.l2 is None else 2 * weights(part, step.l2.exclude)
    return step.optimizer.update_flops(p, decayed) + clipped + penalty


def weights(part: Part, exclude: tuple[str, ...]) -> int:
    """How many of a layer's own numbers have a name that is not excluded."""
    params = part.layer.init(np.random.default_rng(0), part.x)
    leaves = jax.tree_util.tree_flatten_with_path(params)[0]
    return sum(leaf.size for path, leaf in leaves if path[-1].key not in exclude)


def loss_row(loss: Loss, y: Shape) -> Row:
    """The loss and its δ; a formula goes through what is counted at small sizes."""
    flops = counted_loss(loss, y)
    zeros = dict.fromkeys(SUMMED, 0)
    return Row(
        "", label(loss), (), **{**zeros, "forward": flops, "moved_bytes": tidy(moved=3 * FLOAT * size(y))["moved"]}
    )


def counted_loss(loss: Loss, y: Shape) -> Any:
    """FLOPs of the loss and its δ together, by a count over the trace."""
    if is_symbolic(y):
        return bilinear(lambda n, k: counted_loss(loss, (n, k)), size(y[:-1]), y[-1])
    batch = abstract_batch(loss, y, y)

    def both(y, target, weight):
        share, _ = loss.shares(target, weight)
        return loss(y, target, share)

    return count_flops(both, batch.x, batch.target, batch.weight)


def bilinear(count: Callable[[int, int], int], n: Any, k: Any) -> Any:
    """a + b n + c k + d n k, through four counts."""
    d = count(3, 4) - count(2, 4) - count(3, 3) + count(2, 3)
    b = count(3, 3) - count(2, 3) - 3 * d
    c = count(2, 4) - count(2, 3) - 2 * d
    return count(2, 3) - 2 * b - 3 * c - 6 * d + b * n + c * k + d * n * k


def label(value: Any) -> str:
    """A layer or a loss as it is written: its name, and what is not as by default."""
    settings = () if isinstance(value, Layer) and inner_layers(value) else fields(value)  # type: ignore[arg-type]
    given, plainly = [], True
    for each in settings:
        setting = getattr(value, each.name)
        if setting == each.default:
            plainly = False
        elif isinstance(setting, tuple) and len(settings) == 1:
            given.append(", ".join(map(str, setting)))
        else:
            text = label(setting) if hasattr(setting, "__dataclass_fields__") else str(setting)
            given.append(text if plainly else f"{each.name}={text}")
    return f"{type(value).__name__}({', '.join(given)})" if given else type(value).__name__


def is_symbolic(value: Any) -> bool:
    """Whether a number, or one in a tuple, is a formula."""
    if isinstance(value, tuple):
        return any(map(is_symbolic, value))
    return bool(getattr(value, "free_symbols", ()))


def tidy(numbers: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """Numbers as they are, formulas multiplied out."""
    return {
        name: value.expand() if hasattr(value, "free_symbols") else value
        for name, value in {**(numbers or {}), **more}.items()
    }
