"""A layer at each step of time by itself, Y_t = F(X_t)."""

from dataclasses import dataclass, replace

from deltarule.errors import ShapeError
from deltarule.layers.batch_norm import BatchNorm
from deltarule.layers.chain import Chain
from deltarule.layers.convolution import Convolution
from deltarule.layers.dense import Dense
from deltarule.layers.dropout import Dropout
from deltarule.layers.layer import Container, Context, Equations, Layer, Shape, Static, require_layers
from deltarule.layers.softmax import Softmax
from deltarule.layers.tanh import Tanh


@dataclass(frozen=True)
class TimeDistributed(Container):
    """The layer with time folded into the examples: (n, t, ...) to (n, t, ...), one set of parameters for all t.

    `Dense`, the activations and the normalisations of features do so of themselves; convolutions of each image of
    a film, pooling, `Flatten` and `Reshape` do not. A layer inside sees no mask: it cannot know what is padding.

    Args:
        layer: F, from (n·t, ...) to (n·t, ...).

    Raises:
        SettingError: it is not a layer.
        ShapeError: x has no axis of time; or the layer cannot take a step.

    >>> TimeDistributed(Dense(5)).shape((32, 100, 8))
    (32, 100, 5)
    """

    layer: Layer

    equations = Equations(
        forward=(r"Y_t = F(X_t)",),
        backward=(r"dX_t = \left(\partial F / \partial X_t\right)^\top dY_t",),
    )

    def __post_init__(self):
        require_layers("TimeDistributed", (self.layer,))

    def mixes_steps(self, x):
        return False

    def folded(self, x: Shape) -> Shape:
        """The shape that the layer inside sees."""
        if len(x) < 3:
            raise ShapeError(f"TimeDistributed: expected an input of shape (n, t, ...), got {tuple(x)}")
        return (x[0] * x[1], *x[2:])

    def shape(self, x):
        folded = self.folded(x)
        try:
            y = self.layer.shape(folded)
        except ShapeError as error:
            raise error.inside(0) from None
        return (*x[:2], *y[1:])

    def init(self, rng, x):
        return (self.layer.init(rng, self.folded(x)),)

    def memory(self, x):
        return (self.layer.memory(self.folded(x)),)

    def forward(self, params, x, context):
        y, kept = self.layer.forward(params[0], x.reshape(self.folded(x.shape)), self.inner(context))
        return unfolded(y, x.shape), (kept, Static(x.shape), Static(y.shape))

    def backward(self, params, saved, dy):
        kept, x, y = saved
        dx, dparams = self.layer.backward(params[0], kept, dy.reshape(y.shape))
        return dx.reshape(x.shape), (dparams,)

    def remember(self, memory, saved):
        kept, _, _ = saved
        return (self.layer.remember(memory[0], kept),)

    def advance(self, params, x, context):
        y, memory = self.layer.advance(params[0], x.reshape(self.folded(x.shape)), self.inner(context))
        return unfolded(y, x.shape), (memory,)

    def inner(self, context: Context) -> Context:
        """The context of one step, which is no sequence."""
        return replace(context.at(0), mask=None, starts=None)

    def cost(self, x):
        return self.layer.cost(self.folded(x))

    @classmethod
    def examples(cls):
        yield cls(Chain(Dense(4), Tanh(), Dense(2))), (2, 3, 5)
        yield cls(Softmax()), (2, 3, 5)
        yield cls(Convolution(2, 3)), (2, 3, 4, 5)
        yield cls(Chain(BatchNorm(), Dropout(0.4))), (2, 3, 5)


def unfolded(y, x):
    """The output with the input's axes n and t."""
    return y.reshape(*x[:2], *y.shape[1:])
