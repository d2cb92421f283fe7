"""Where the padding of sequences would count: the error, and where in a network there is none any more."""

from dataclasses import replace
from typing import TYPE_CHECKING

from deltarule.errors import ShapeError

if TYPE_CHECKING:
    from deltarule.layers.layer import Context, Layer, Shape


def behind(context: "Context", layer: "Layer", x: "Shape") -> "Context":
    """The context of what follows a layer that took x: without a mask where its output has no padding."""
    return context if context.mask is None or layer.padded(x) else replace(context, mask=None)


def padding_error(layer: str, x: "Shape") -> ShapeError:
    """What is said where a layer would take the padding of x (n, t, ...) for steps."""
    return ShapeError(
        f"{layer}: expected sequences without padding, since it mixes their steps or examples, but those of "
        f"{tuple(x)} are padded, by lengths or to fill a last window or batch; give sequences of one length, and "
        "a window and batch_size that divide them; or put this layer behind Recurrent(..., last=True) or a global "
        "pooling, where no padding is left; or take one that leaves it out, such as Recurrent, BatchNorm or "
        "LayerNorm. A layer of your own that takes each step by itself says so: mixes_steps(x) is False"
    )
