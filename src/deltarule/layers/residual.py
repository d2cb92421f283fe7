"""A residual block, Y = F(X) + P(X): what the body adds to a shortcut past it."""

from dataclasses import dataclass

from deltarule.errors import ShapeError
from deltarule.layers.chain import Chain
from deltarule.layers.dense import Dense
from deltarule.layers.identity import Identity
from deltarule.layers.layer import Container, Cost, Equations, Layer, Shape, Static, require_layers, size
from deltarule.layers.tanh import Tanh


@dataclass(frozen=True)
class Residual(Container):
    """The body's output plus its input, so that δ reaches the layers below past the body, too.

    Args:
        body: F.
        shortcut: P. By default the identity where F keeps the shape, and where it changes the number of
            features a projection without bias, `Dense(o, bias=False)`, as option B of He et al.

    Raises:
        SettingError: body or shortcut is no layer.
        ShapeError: body and shortcut differ in shape, and no projection of features can mend it. In a path,
            0 is the body and 1 the shortcut.

    >>> Residual(Chain(Dense(8), Tanh(), Dense(5))).shape((32, 5))
    (32, 5)
    """

    body: Layer
    shortcut: Layer | None = None

    equations = Equations(
        forward=(r"Y = F(X) + P(X)",),
        backward=(
            r"dX = \left(\partial F / \partial X\right)^\top dY + \left(\partial P / \partial X\right)^\top dY",
        ),
        source="He, Zhang, Ren and Sun 2016, Deep residual learning for image recognition",
    )

    def __post_init__(self):
        require_layers("Residual", (self.body, Identity() if self.shortcut is None else self.shortcut))

    def paths(self, x: Shape) -> tuple[Layer, Layer]:
        """The body, and the shortcut that goes with it for inputs of shape x."""
        try:
            y = self.body.shape(x)
        except ShapeError as error:
            raise error.inside(0) from None
        shortcut = self.shortcut
        if shortcut is None:
            shortcut = Identity() if y == tuple(x) else Dense(y[-1], bias=False)
        try:
            past = shortcut.shape(x)
        except ShapeError as error:
            raise error.inside(1) from None
        if past != y:
            raise ShapeError(
                f"Residual: expected body and shortcut of the same shape, got {y} from the body and {past} "
                "from the shortcut; give a shortcut that leads to the body's shape"
            )
        return self.body, shortcut

    def shape(self, x):
        return self.paths(x)[0].shape(x)

    def padded(self, x):
        padded = [path_padded(path, index, x) for index, path in enumerate(self.paths(x))]
        return any(padded)

    def init(self, rng, x):
        return tuple(f.init(r, x) for f, r in zip(self.paths(x), rng.spawn(2), strict=True))

    def memory(self, x):
        return tuple(path.memory(x) for path in self.paths(x))

    def forward(self, params, x, context):
        body, shortcut = self.paths(x.shape)
        f, kept = body.forward(params[0], x, context.at(0))
        p, kept_past = shortcut.forward(params[1], x, context.at(1))
        return f + p, (kept, kept_past, Static(x.shape))

    def backward(self, params, saved, dy):
        kept, kept_past, x = saved
        body, shortcut = self.paths(x.shape)
        df, dparams = body.backward(params[0], kept, dy)
        dp, dparams_past = shortcut.backward(params[1], kept_past, dy)
        return df + dp, (dparams, dparams_past)

    def remember(self, memory, saved):
        kept, kept_past, x = saved
        body, shortcut = self.paths(x.shape)
        return body.remember(memory[0], kept), shortcut.remember(memory[1], kept_past)

    def advance(self, params, x, context):
        body, shortcut = self.paths(x.shape)
        f, moved = body.advance(params[0], x, context.at(0))
        p, moved_past = shortcut.advance(params[1], x, context.at(1))
        return f + p, (moved, moved_past)

    def cost(self, x):
        y = size(self.shape(x))
        return beside([path.cost(x) for path in self.paths(x)], [y, y], size(x), join=y)

    @classmethod
    def examples(cls):
        yield cls(Chain(Dense(4), Tanh(), Dense(5))), (7, 5)
        yield cls(Chain(Dense(4), Tanh())), (7, 5)
        yield cls(Tanh(), shortcut=Dense(5)), (7, 5)


def path_padded(path: Layer, index: int, x: Shape) -> bool:
    """Whether the output of a path at `index`, side by side with others, is padded where x is."""
    try:
        return path.padded(x)
    except ShapeError as error:
        raise error.inside(index) from None


def beside(costs: list[Cost], outputs: list, inputs, join) -> Cost:
    """The cost of paths side by side from one input: `outputs` and `inputs` numbers, `join` FLOPs to unite."""
    sums = (len(costs) - 1) * inputs  # dx is the sum over the paths
    return Cost(
        forward=sum(cost.forward for cost in costs) + join,
        backward=sum(cost.backward for cost in costs) + sums,
        input_gradient=sum(cost.input_gradient for cost in costs) + sums,
        parameters=sum(cost.parameters for cost in costs),
        keeps_x=any(cost.keeps_x or (cost.alias and cost.keeps_y) for cost in costs),
        saved=sum(c.saved + (y if c.keeps_y and not c.alias else 0) for c, y in zip(costs, outputs, strict=True)),
        marks=sum(cost.marks for cost in costs),
        rebuilt=sum(cost.rebuilt for cost in costs),
    )
