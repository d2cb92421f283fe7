"""A network as a sequence of stages: every layer with its arrays by name, H^0 = X, Z^l before an activation, H^l.

A layer and the activation behind it share a number. Where a path forks, each branch has its own part of the
derivative of their common input, which is their sum.
"""

from dataclasses import MISSING, dataclass, field, fields, is_dataclass, replace
from typing import Any

import numpy as np

from deltarule.errors import SettingError
from deltarule.inspect.formula import Name
from deltarule.layers import Branch, Chain, Identity, Recompute, Recurrent, Residual, TimeDistributed
from deltarule.layers.layer import Elementwise, Equations, Layer, Shape, inner_layers

Path = tuple[int, ...]
WINDOW = "along each axis m runs over the window, s is the stride, r the dilation and P the padding"


@dataclass
class Symbol:
    """The name of an array, which all that take part in it share; theory's output f shows no number.

    Attributes:
        needed: whether its derivative is: whether something before it learns.
        linear: whether it is no activation's output, so that its derivative is a δ in column convention.
        part: the path through which this part of its derivative comes, where it forks.
    """

    letter: str
    number: int | None
    needed: bool
    linear: bool = True
    part: str = ""

    @property
    def name(self) -> Name:
        return Name(self.letter, "" if self.number is None or self.letter in "fF" else str(self.number))

    @property
    def gradient(self) -> Name:
        """d and the name."""
        number = ";".join(each for each in (self.name.number, self.part) if each)
        return Name(self.letter, number, derivative=True)

    @property
    def delta(self) -> Name:
        """δ with the number of the layer above, as theory counts; for an activation's output d and the name."""
        if not self.linear or self.number is None:
            return self.gradient
        return Name(r"\delta", ";".join(each for each in (str(self.number + 1), self.part) if each))


@dataclass(frozen=True)
class Array:
    symbol: Symbol
    shape: Shape


@dataclass(frozen=True)
class Stage:
    """A layer that holds no others."""

    path: Path
    layer: Layer
    x: Array
    y: Array
    params: dict[str, Shape]

    @property
    def number(self) -> int:
        return self.y.symbol.number or 0

    @property
    def learns(self) -> bool:
        """Whether anything in it or before it does."""
        return self.y.symbol.needed


@dataclass(frozen=True)
class Fork:
    """Where several paths begin from x; the parts of its derivative come back in `parts`."""

    path: Path
    layer: Layer
    x: Array
    parts: tuple[Array, ...]


@dataclass(frozen=True)
class Join:
    """Where the paths end: a sum in a Residual, one beside the other in a Branch.

    Attributes:
        parts: the paths' outputs; of a shortcut that is the identity, its input.
        paths: the outputs of those paths that have layers.
    """

    path: Path
    layer: Layer
    parts: tuple[Array, ...]
    paths: tuple[Array, ...]
    y: Array


@dataclass
class Walk:
    """The stages of a network in the order of forward."""

    stages: list[Stage | Fork | Join] = field(default_factory=list)
    told: dict[str, list[str]] = field(default_factory=dict)  # of which layers each note is
    count: int = 0

    @property
    def notes(self) -> list[str]:
        """What else there is to know, and of which layers."""
        return [f"{', '.join(places)}: {note}" for note, places in self.told.items()]

    def tell(self, note: str, layer: Layer, path: Path) -> None:
        name = (
            f"layer {'.'.join(map(str, path))}" if isinstance(layer, Recurrent) and path else type(layer).__name__
        )
        if name not in self.told.setdefault(note, []):
            self.told[note].append(name)

    def through(self, layer: Layer, path: Path, x: Array, followed: bool = False) -> Array:
        """The output of `layer`; `followed` says whether an activation comes behind it."""
        if isinstance(layer, Chain):
            return self.chain(layer, path, x, followed)
        if isinstance(layer, Residual):
            return self.residual(layer, path, x, followed)
        if isinstance(layer, Branch):
            return self.branch(layer, path, x, followed)
        if isinstance(layer, TimeDistributed):
            self.tell("each step of time is an example of its own", layer, path)
            y = self.through(layer.layer, (*path, 0), replace(x, shape=layer.folded(x.shape)), followed)
            return replace(y, shape=layer.shape(x.shape))
        return self.leaf(layer, path, x, followed)

    def leaf(self, layer: Layer, path: Path, x: Array, followed: bool) -> Array:
        params = shapes_of(layer.init(np.random.default_rng(0), x.shape))
        y = self.output(layer, x.symbol, bool(params), followed, layer.shape(x.shape))
        self.stages.append(Stage(path, layer, x, y, params))
        for note in reading(layer):
            self.tell(note, layer, path)
        return y

    def output(self, layer: Layer, x: Symbol, learns: bool, followed: bool, shape: Shape) -> Array:
        """A new array behind x."""
        needed = x.needed or learns
        if is_activation(layer) and x.letter == "Z":
            return Array(Symbol("H", x.number, needed, linear=False), shape)
        self.count += 1
        letter = "Y" if isinstance(layer, Recurrent) else "Z" if followed else "H"
        return Array(Symbol(letter, self.count, needed, not is_activation(layer)), shape)

    def chain(self, chain: Chain, path: Path, x: Array, followed: bool) -> Array:
        if isinstance(chain, Recompute):
            self.tell("backward computes its forward equations once more, from its input", chain, path)
        for index, layer in enumerate(chain.layers):
            behind = chain.layers[index + 1 :]
            x = self.through(layer, (*path, index), x, begins_with_activation(behind) if behind else followed)
        return x

    def residual(self, layer: Residual, path: Path, x: Array, followed: bool) -> Array:
        body, shortcut = layer.paths(x.shape)
        straight = isinstance(shortcut, Identity)
        views = [view(x, (*path, index)) for index in range(1 if straight else 2)]
        at = len(self.stages)
        outputs = [self.through(body, (*path, 0), views[0])]
        outputs.append(x if straight else self.through(shortcut, (*path, 1), views[1]))
        needed = any(each.symbol.needed for each in outputs)
        y = self.output(layer, x.symbol, needed, followed, outputs[0].shape)
        self.stages.insert(at, Fork(path, layer, x, (*views, y) if straight else tuple(views)))
        self.stages.append(Join(path, layer, tuple(outputs), tuple(outputs[: len(views)]), y))
        return y

    def branch(self, layer: Branch, path: Path, x: Array, followed: bool) -> Array:
        views = [view(x, (*path, index)) for index in range(len(layer.branches))]
        self.stages.append(Fork(path, layer, x, tuple(views)))
        outputs = [self.through(each, (*path, index), views[index]) for index, each in enumerate(layer.branches)]
        needed = any(each.symbol.needed for each in outputs)
        y = self.output(layer, x.symbol, needed, followed, layer.shape(x.shape))
        self.stages.append(Join(path, layer, tuple(outputs), tuple(outputs), y))
        return y


def stages_of(net: Layer, x: Shape, everything: bool) -> tuple[Walk, Array, Array]:
    """(walk, input, output) of a network on inputs of shape x; raises ShapeError.

    Args:
        everything: whether the derivatives that no parameter needs are wanted too; they are where nothing learns.
    """
    net.shape(x)
    walk = Walk()
    start = Array(Symbol("X", None, needed=everything, linear=False), x)
    y = walk.through(net, (), start)
    if not y.symbol.needed:
        return stages_of(net, x, everything=True)
    return walk, start, y


def view(x: Array, path: Path) -> Array:
    """x as one of the paths behind it sees it."""
    return replace(x, symbol=replace(x.symbol, part=".".join(map(str, path))))


def is_activation(layer: Layer) -> bool:
    """Whether it is a σ: a function of each number that neither draws nor is the identity."""
    return isinstance(layer, Elementwise) and not isinstance(layer, Identity) and not layer.draws


def begins_with_activation(layers: tuple[Layer, ...]) -> bool:
    for layer in layers:
        if not isinstance(layer, Chain):
            return is_activation(layer)
        if layer.layers:
            return begins_with_activation(layer.layers)
    return False


def shapes_of(params: Any) -> dict[str, Shape]:
    """The shapes of a layer's own parameters by their names."""
    return {name: np.shape(a) for name, a in params.items()} if isinstance(params, dict) else {}


def reading(layer: Layer) -> list[str]:
    """What a layer's equations take for granted."""
    if not isinstance(layer, Recurrent):
        return [WINDOW] if "js + mr - P" in str(getattr(layer, "equations", "")) else []
    notes = []
    if "sigma" in str(getattr(layer.cell, "equations", "")):
        notes.append(f"σ is {getattr(layer.cell, 'activation', 'the sigmoid')}")
    if layer.reverse:
        notes.append("it reads from the end, so that the step t − 1 is the one behind t in time")
    if layer.last:
        notes.append("its output is the last state alone, so that dY counts at the last step and is 0 before it")
    if layer.carry:
        notes.append("its first state is that where the batch before ended, a constant of the step")
    return notes


def placed(layer: Any, path: Path) -> str:
    """The layer as errors name it: 'layer 2.0, Dense(64)'."""
    return f"layer {'.'.join(map(str, path))}, {described(layer)}" if path else described(layer)


def described(layer: Any) -> str:
    """The class and those settings that are not its defaults; of a container the class alone.

    >>> from deltarule.layers import LSTM, Dense
    >>> described(Dense(64, bias=False)), described(Recurrent(LSTM(8), last=True))
    ('Dense(64, bias=False)', 'Recurrent(LSTM(8), last=True)')
    """
    kind = type(layer)
    if isinstance(layer, Layer) and inner_layers(layer):
        return kind.__name__
    if not is_dataclass(kind) or not hasattr(kind.__repr__, "__wrapped__"):  # a repr of its own
        return repr(layer)
    settings = []
    for setting in fields(kind):
        value = getattr(layer, setting.name)
        if value != setting.default:
            text = described(value) if is_dataclass(value) else repr(value)
            settings.append(text if setting.default is MISSING else f"{setting.name}={text}")
    return f"{kind.__name__}({', '.join(settings)})"


def equations_of(layer: Any, place: str) -> Equations:
    """The layer's equations; raises SettingError where it states none."""
    found = getattr(layer, "equations", None)
    if found is None or not found.forward or not found.backward:
        raise SettingError(
            f"{place}: expected the class {type(layer).__name__} to state its equations, got none; write in it "
            r'equations = Equations(forward=(r"Y = X W",), backward=(r"dX = dY\, W^\top", r"dW = X^\top dY"))'
        )
    return found
