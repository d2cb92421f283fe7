"""Spatial dropout, Y_{nhwi} = M_{ni} X_{nhwi} / (1 − p): a channel is dropped as a whole."""

from dataclasses import dataclass

from deltarule.errors import ShapeError
from deltarule.layers.dropout import Dropout
from deltarule.layers.layer import Equations


@dataclass(frozen=True)
class SpatialDropout(Dropout):
    """Dropout of an example's whole channels, for series, images and volumes, whose neighbours are alike.

    Args:
        drop: p, the probability to drop a channel, in [0, 1).

    Raises:
        SettingError: drop is out of range.
        ShapeError: x has no axis between the examples and the channels.

    >>> SpatialDropout(0.2).mask_shape((8, 32, 32, 3))
    (8, 1, 1, 3)
    """

    equations = Equations(
        forward=(r"P(M_{ni} = 0) = p", r"Y_{nhwi} = \frac{M_{ni} X_{nhwi}}{1 - p}"),
        backward=(r"dX_{nhwi} = \frac{M_{ni}\, dY_{nhwi}}{1 - p}",),
        source="Tompson, Goroshin, Jain, LeCun and Bregler 2015, Efficient object localization",
    )

    def shape(self, x):
        if len(x) < 3:
            raise ShapeError(
                f"SpatialDropout({self.drop}): expected an input of shape (n, ..., i) with time or space between, "
                f"got {x}; use Dropout({self.drop})"
            )
        return x

    def mask_shape(self, x):
        return (x[0], *(1 for _ in x[1:-1]), x[-1])

    @classmethod
    def examples(cls):
        yield cls(0.4), (6, 2, 5)
        yield cls(0.3), (2, 3, 4, 5)
        yield cls(0.0), (2, 3, 5)
