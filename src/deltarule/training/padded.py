"""What must hold of a network and its data so that padding counts for nothing, checked before a step is made."""

from typing import TYPE_CHECKING

from deltarule.errors import SettingError, ShapeError
from deltarule.layers.layer import Layer, Shape
from deltarule.training.step import Batch

if TYPE_CHECKING:
    from deltarule.training.windows import Window


def require_apart(net: Layer, x: Shape, weight: Shape | None = None) -> None:
    """Raises ShapeError where the padding of sequences of shape x would count, in a layer or in the loss.

    Args:
        weight: (n, t) where a prediction for each step has one of its own, else (n,); None asks nothing of it.
    """
    padded = net.padded(x)
    if weight is not None and padded != (len(weight) > 1):
        raise ShapeError(
            "lengths: expected a network with one output a sequence, or (n, t, ...), one for each step, got "
            f"{net.shape(x)} for {x}, of which the loss would count the padding; give one number a step "
            "the shape (n, t, 1), or put Recurrent(..., last=True) or a global pooling before the last layer"
        )


def require_two(window: "Window | None", data: Batch, batch_size: int) -> None:
    """Raises SettingError where layers that mix examples may be left with one time step of one sequence.

    Where lengths and a window go together that depends on which sequences meet, and nothing is asked.
    """
    n, fewest = len(data.x), 2
    if window is None and data.mask is not None:
        fewest = int(data.mask.sum(1).min())
    elif window is not None and data.mask is None:
        steps, front = data.x.shape[1], window.length - window.stride
        before = -(-steps // window.stride) - 1  # windows before the last one
        fewest = min(window.stride, steps - max(before * window.stride - front, 0))
    if fewest == 1 and (n % batch_size or batch_size) == 1:
        raise SettingError(
            f"fit: expected two values or more in each step, for BatchNorm has no variance of one, but {n} "
            f"sequences in batches of {batch_size} may leave it one time step of one sequence; choose another "
            "batch_size"
            + ("" if window is None else f", or a window that leaves more of the {data.x.shape[1]} steps")
        )
