"""`trace`: one training step on real values, every array beside its equation, for a person to follow by hand."""

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import jax
import numpy as np
from numpy.typing import ArrayLike

from deltarule.data.arrays import as_features
from deltarule.ingredients import check_part
from deltarule.inspect.derivation import Derivation, Line
from deltarule.inspect.explain import Explanation, require_numbers
from deltarule.inspect.formula import Name, read
from deltarule.inspect.own_equations import latex_name
from deltarule.inspect.stages import Fork, Path, Stage, described
from deltarule.inspect.visit import visits
from deltarule.layers import Embedding, Residual
from deltarule.layers.layer import Layer, Memory, Params, Shape, inner_layers, map_layers
from deltarule.losses import SoftmaxCrossEntropy, SquaredError
from deltarule.losses.loss import Loss
from deltarule.optimizers import SGD
from deltarule.optimizers.optimizer import Optimizer
from deltarule.training.step import Batch, State, Step

ROWS, COLUMNS = 8, 7  # an array of more is told by its statistics


@dataclass(frozen=True)
class Trace(Explanation):
    """The equations of a step with the numbers of one: `values` by the names of the arrays, in LaTeX."""

    derivation: Derivation
    values: Mapping[str, np.ndarray]

    def below(self, line: Line) -> list[str]:
        value = self.values.get(line.array if line.phase != "update" else after(line.array))
        return [] if value is None or line.shape is None else written(value)

    def to_json(self) -> dict[str, Any]:
        """The explanation's, and every array by its name in LaTeX."""
        return super().to_json() | {"values": {name: value.tolist() for name, value in self.values.items()}}


@dataclass(frozen=True)
class Watched(Layer):
    """A layer whose backward gives besides its gradients the arrays that went in and out."""

    layer: Layer

    def shape(self, x):
        return self.layer.shape(x)

    def forward(self, params, x, context):
        y, saved = self.layer.forward(params, x, context)
        return y, (saved, x, y)

    def backward(self, params, saved, dy):
        kept, x, y = saved
        dx, dparams = self.layer.backward(params, kept, dy)
        return dx, {"gradients": dparams, "seen": {"x": x, "y": y, "dy": dy, "dx": dx}}

    def remember(self, memory, saved):
        return self.layer.remember(memory, saved[0])


def trace(
    net: Layer,
    x: Shape | ArrayLike,
    y: ArrayLike | None = None,
    *,
    loss: Loss | None = None,
    optimizer: Optimizer | None = None,
    seed: int = 0,
) -> Trace:
    """One step of training, written out: every equation with the numbers that the step computes.

    Args:
        net: a layer, most often a Chain; its parameters are drawn by the seed.
        x: the inputs (n, ...); or their shape, to draw them from a normal distribution.
        y: what is to be predicted, as `Model.fit` takes it; drawn where it is left out.
        loss: SquaredError by default.
        optimizer: SGD with a learning rate of 0.1 by default.

    Raises:
        ShapeError, DataError: x or y do not fit.
        SettingError: a layer without equations.

    >>> from deltarule.layers import Dense
    >>> traced = trace(Dense(1), np.ones((2, 3)), np.zeros(2))
    >>> traced.values["dH^{1}"].shape
    (2, 1)
    """
    check_part("trace", "net", net, Layer)
    loss, optimizer = SquaredError() if loss is None else loss, SGD(0.1) if optimizer is None else optimizer
    check_part("trace", "loss", loss, Loss)
    check_part("trace", "optimizer", optimizer, Optimizer)
    rng = np.random.default_rng(seed)
    inputs: Any = x
    if isinstance(x, tuple) and not any(isinstance(part, (tuple, list, np.ndarray)) for part in x):
        require_numbers("trace", inputs)
        inputs = drawn_inputs(net, inputs, rng)
    given = as_features(inputs)
    step = Step(net, loss, optimizer)
    outputs = net.shape(given.shape)
    target = step.loss.prepare(drawn_targets(step.loss, outputs, rng) if y is None else y, outputs)
    batch = Batch(given, target, np.ones(len(given), np.float32))  # type: ignore[arg-type]
    return trace_step(step, step.init(given.shape, seed), batch)


def drawn_inputs(net: Layer, x: Shape, rng: np.random.Generator) -> np.ndarray:
    """Inputs of shape x: levels where an Embedding comes first, else normal numbers."""
    first = next(visit.layer for visit in visits(net, x) if not inner_layers(visit.layer))
    return rng.integers(0, first.levels, x) if isinstance(first, Embedding) else rng.normal(size=x)


def drawn_targets(loss: Loss, outputs: Shape, rng: np.random.Generator) -> np.ndarray:
    """Targets that the loss can take: classes, or numbers."""
    if isinstance(loss, SoftmaxCrossEntropy):
        return rng.integers(0, outputs[-1], outputs[:-1])
    return rng.integers(0, 2, outputs) if loss.task == "classification" else rng.normal(size=outputs)


def trace_step(step: Step, state: State, batch: Batch) -> Trace:
    """What the step computes on a batch, from its state, on the way to the next; in float32, as one part."""
    step = replace(step, micro_batches=1, precision="float32")
    derivation = Derivation(step.net, batch.x.shape, step.loss, {})
    share, _ = step.loss.shares(batch.target, batch.weight)
    forks = {fork.path: fork.x.shape for fork in derivation.stages if isinstance(fork, Fork)}
    watching = replace(step, net=map_layers(Watched, with_shortcuts(step.net, forks)))
    value, seen, memory = jax.jit(gradient, static_argnums=0)(watching, state, batch._replace(weight=share))
    dparams = jax.tree.map(lambda each: each["gradients"], seen, is_leaf=is_seen)
    moved = jax.jit(step.update)(state._replace(memory=memory), dparams)
    target = batch.target
    if isinstance(step.loss, SoftmaxCrossEntropy):
        target = step.loss.distribution(np.zeros(derivation.output.shape, np.float32), target)  # type: ignore[arg-type]
    w = share.reshape(*share.shape, 1)  # (n, 1)
    values = {r"\rho": value, "X": batch.x, "w": w, "T": target}
    given = [given_line("X", batch.x.shape, "the inputs"), given_line("T", target.shape, "the targets")]
    given.append(given_line("w", w.shape, "the weights of the examples"))
    updates = []
    for stage in derivation.stages:
        if isinstance(stage, Stage):
            values |= seen_arrays(derivation, stage, at(seen, stage.path))
            for name in stage.params:
                theta = Name(latex_name(name), str(stage.number))
                values |= {theta.latex: at(state.params, stage.path)[name]}
                values |= {after(theta.latex): at(moved.params, stage.path)[name]}
                given.append(given_line(theta.latex, stage.params[name], "the parameters"))
                updates.append((theta, stage.params[name]))
    lines = [*given, *derivation.lines]
    for theta, shape in updates:
        lines.append(update_line(step.optimizer, theta, shape, lines[-1].number + 1))
    return Trace(tuple(lines), tuple(derivation.notes), "row", derivation, jax.tree.map(np.asarray, values))


def gradient(step: Step, state: State, batch: Batch) -> tuple[jax.Array, Params, Memory]:
    return step.gradient(state.params, batch, step.context(state), None)


def with_shortcuts(layer: Layer, forks: Mapping[Path, Shape], path: Path = ()) -> Layer:
    """The same network with every shortcut written into it that a Residual adds by itself, so that it is seen."""
    result = copy.copy(Residual(*layer.paths(forks[path])) if isinstance(layer, Residual) else layer)
    inner = iter([with_shortcuts(each, forks, (*path, at)) for at, each in enumerate(inner_layers(result))])
    for name, value in vars(result).items():
        if isinstance(value, Layer):
            object.__setattr__(result, name, next(inner))
        elif isinstance(value, tuple) and any(isinstance(each, Layer) for each in value):
            object.__setattr__(result, name, tuple(next(inner) for _ in value))
    return result


def seen_arrays(derivation: Derivation, stage: Stage, found: Any) -> Iterator[tuple[str, Any]]:
    """(name, array) of what went through a layer, forward and back."""
    seen = found["seen"]
    yield stage.x.symbol.name.latex, seen["x"]
    yield stage.y.symbol.name.latex, seen["y"]
    yield derivation.gradient(stage.x).latex, seen["dx"]
    yield derivation.gradient(stage.y).latex, seen["dy"]
    for name in stage.params:
        yield Name(latex_name(name), str(stage.number), derivative=True).latex, found["gradients"][name]


def is_seen(tree: Any) -> bool:
    return isinstance(tree, dict) and "seen" in tree


def at(tree: Params, path: tuple[int, ...]) -> Any:
    """What a tree of containers holds for the layer at `path`."""
    for index in path:
        tree = tree[index]
    return tree


def after(name: str) -> str:
    """What a parameter is called after the step."""
    return rf"{name} \text{{ after}}"


def given_line(name: str, shape: Shape, place: str) -> Line:
    return Line(0, (), place, "given", read(name), tuple(shape))


def update_line(optimizer: Optimizer, theta: Name, shape: Shape, number: int) -> Line:
    """θ ← θ − α dθ, or for other rules their name."""
    change = f"{theta.latex}, {theta.d.latex}"
    right = rf"\operatorname{{{type(optimizer).__name__}}}({change})"
    if isinstance(optimizer, SGD) and not optimizer.momentum and isinstance(optimizer.learning_rate, float):
        right = rf"{theta.latex} - {optimizer.learning_rate}\, {theta.d.latex}"
    formula = read(rf"{theta.latex} \leftarrow {right}")
    return Line(number, (), described(optimizer), "update", formula, shape)


def written(value: np.ndarray) -> list[str]:
    """The numbers in aligned rows, or of many their statistics."""
    table = np.atleast_2d(value)
    if table.ndim > 2 or table.shape[0] > ROWS or table.shape[1] > COLUMNS:
        return [f"  {statistics(value)}"]
    largest = np.abs(table).max(initial=0)
    form = "9.4f" if largest == 0 or 1e-2 <= largest < 1e3 else "9.1e"
    return ["".join(f"{number:{form}}" for number in row).replace("-", "−") for row in table.tolist()]


def statistics(value: np.ndarray) -> str:
    """Mean, deviation, least, largest, and how many are zero."""
    figures = {"mean": value.mean(), "deviation": value.std(), "min": value.min(), "max": value.max()}
    told = ", ".join(f"{name} {figure:.3g}" for name, figure in figures.items())
    return f"{told}, zeros {np.mean(value == 0):.0%}".replace("-", "−")
