"""The derivation of a network, line by line: each layer's equations, in the symbols of the whole network.

Rows are examples, as in the code. `columns.py` writes the same derivation as theory does.
"""

from dataclasses import dataclass

from deltarule.inspect.formula import Formula, Mark, Name, Scripted, read, sides, substitute, symbols, write
from deltarule.inspect.own_equations import latex_name, left_symbol, output_symbol, own_equations, written
from deltarule.inspect.plain_text import plain
from deltarule.inspect.stages import Array, Fork, Join, Path, Stage, described, equations_of, stages_of
from deltarule.layers import Branch, Recurrent, Residual
from deltarule.layers.layer import Layer, Shape
from deltarule.losses.loss import Loss

GIVEN = "the objective ρ"  # whatever it is, where no loss is named


@dataclass(frozen=True)
class Line:
    """One equation.

    Attributes:
        number: its place in the derivation, from 1.
        path: leads to the layer, as in an error; () for the loss and for a network of one layer.
        layer: the layer with its settings.
        phase: "definition", "forward" or "backward".
        formula: the equation as a tree.
        shape: of the array that the line makes, its lengths by name where they have one; None where it is an
            intermediate one.
        of: the array whose shape it is, where the line states only an element of it.
    """

    number: int
    path: Path
    layer: str
    phase: str
    formula: Formula
    shape: tuple[int | str, ...] | None = None
    of: str = ""

    @property
    def latex(self) -> str:
        """The equation."""
        return write(self.formula)

    @property
    def text(self) -> str:
        """The equation in Unicode."""
        return plain(self.formula)

    @property
    def array(self) -> str:
        """What the line makes, in LaTeX: 'dW^{1}' for dW^1_k = ..., too."""
        return self.of or write(sides(self.formula)[0] or self.formula)

    @property
    def space(self) -> str:
        """The space that its array lies in, in LaTeX: '\\in \\mathbb{R}^{1 \\times 4}'."""
        if self.shape is None:
            return ""
        sizes = r" \times ".join(map(str, self.shape))
        return f"{self.of} " * bool(self.of) + (rf"\in \mathbb{{R}}^{{{sizes}}}" if sizes else r"\in \mathbb{R}")

    @property
    def space_text(self) -> str:
        """The space in Unicode: '∈ ℝ^{1×4}'."""
        return plain(read(self.space))

    @property
    def place(self) -> str:
        """'layer 2.0, Dense(64)', as in an error."""
        return f"layer {'.'.join(map(str, self.path))}, {self.layer}" if self.path else self.layer


@dataclass
class Derivation:
    """The lines and the notes of a network, rows being examples."""

    net: Layer
    x: Shape
    loss: Loss | None
    sizes: dict[int, str]

    def __post_init__(self):
        self.lines: list[Line] = []
        walk, self.input, self.output = stages_of(self.net, self.x, everything=self.loss is None)
        self.stages = walk.stages
        self.name_ends()
        self.notes = [*self.legend(), *self.loss_legend(), *walk.notes]
        for stage in self.stages:
            self.forward(stage)
        if self.loss is not None:
            self.loss_forward(self.loss)
        self.loss_backward()
        for stage in reversed(self.stages):
            if isinstance(stage, Stage):
                if stage.learns:
                    self.layer_backward(stage)
            elif isinstance(stage, Join):
                self.join_backward(stage)
            elif stage.x.symbol.needed:
                self.fork_backward(stage)

    def legend(self) -> list[str]:
        """How the lines are to be read."""
        return ["rows are examples; d before a symbol is the derivative of the objective ρ by it"]

    def loss_legend(self) -> list[str]:
        """What the loss's symbols are."""
        if self.loss is None:
            return []
        forward, backward = self.loss_equations(self.loss)
        used = set().union(*map(symbols, forward + backward))
        letters = {
            self.target: f"{self.target} is what is to be predicted",
            "w": "wₙ is the weight of example n, 1 over their number where all count alike",
            "K": "K is the number of outputs",
        }
        return [note for letter, note in letters.items() if letter in used]

    @property
    def target(self) -> str:
        """What the targets are called."""
        return "T"

    def name_ends(self) -> None:
        """X is the input; the output is H^L."""

    def add(self, stage, phase: str, formula: Formula, shape: Shape | None = None, of: str = "") -> None:
        """A line of a stage, or of what has no place in the network, by its name."""
        path, layer = ((), stage) if isinstance(stage, str) else (stage.path, described(stage.layer))
        named = None if shape is None else tuple(self.sizes.get(length, length) for length in shape)
        self.lines.append(Line(len(self.lines) + 1, path, layer, phase, formula, named, of))

    def gradient(self, array: Array) -> Name:
        return array.symbol.gradient

    def shape(self, array: Array) -> Shape:
        return array.shape

    def forward(self, stage: Stage | Fork | Join) -> None:
        if isinstance(stage, Stage):
            self.layer_forward(stage)
        elif isinstance(stage, Join):
            names = [part.symbol.name.latex for part in stage.parts]
            parts = " + ".join(names) if isinstance(stage.layer, Residual) else f"[{', '.join(names)}]"
            self.add(stage, "forward", read(f"{stage.y.symbol.name.latex} = {parts}"), self.shape(stage.y))

    def layer_forward(self, stage: Stage) -> None:
        for formula in own_equations(stage)[0]:
            self.code_line(stage, "forward", formula)

    def layer_backward(self, stage: Stage) -> None:
        for formula in own_equations(stage)[1]:
            if stage.x.symbol.needed or left_symbol(formula) != "dX":
                self.code_line(stage, "backward", formula)

    def code_line(self, stage: Stage, phase: str, formula: Formula) -> None:
        """An equation of the code, in the network's symbols."""
        names = self.names(stage)
        left = left_symbol(formula)
        shapes = {
            "dX": self.shape(stage.x),
            output_symbol(stage.layer): self.shape(stage.y),
            **{f"d{latex_name(name)}": shape for name, shape in stage.params.items()},
        }
        shape = shapes.get(left)
        made = sides(formula)[0]
        whole = len(made) == 1 and not isinstance(made[0], Scripted) and Mark(r"\quad") not in formula
        of = "" if shape is None or whole else names[left].latex
        self.add(stage, phase, substitute(formula, names), shape, of)

    def names(self, stage: Stage) -> dict[str, Name]:
        """The network's name for each symbol of the layer's equations."""
        out = output_symbol(stage.layer)
        names = {
            "X": stage.x.symbol.name,
            "dX": self.gradient(stage.x),
            out: stage.y.symbol.name,
            f"d{out}": self.gradient(stage.y),
        }
        for name in stage.params:
            here = Name(latex_name(name), str(stage.number))
            names |= {here.letter: here, f"d{here.letter}": here.d}
        if isinstance(stage.layer, Recurrent):  # its inner H and Z are no other layer's
            for letter in "HZ":
                here = Name(letter, str(stage.number))
                names |= {letter: here, f"d{letter}": here.d}
        return names

    def loss_forward(self, loss: Loss) -> None:
        for formula in self.loss_equations(loss)[0]:
            self.add(described(loss), "forward", formula, () if left_symbol(formula) == r"\rho" else None)

    def loss_backward(self) -> None:
        gradient = self.gradient(self.output).latex
        if self.loss is None:
            y = self.output.symbol.name.latex
            given = read(rf"{gradient} = \frac{{\partial\rho}}{{\partial {y}}}")
            return self.add(GIVEN, "backward", given, self.shape(self.output))
        for formula in self.loss_equations(self.loss)[1]:
            self.add(described(self.loss), "backward", formula, self.shape(self.output), gradient)
        return None

    def loss_equations(self, loss: Loss) -> tuple[list[Formula], list[Formula]]:
        """(forward, backward) in the network's symbols."""
        equations = equations_of(loss, type(loss).__name__)
        names = {"Y": self.output.symbol.name, "dY": self.gradient(self.output)}
        return written(equations.forward, names), written(equations.backward, names)

    def fork_backward(self, stage: Fork) -> None:
        parts = " + ".join(self.gradient(part).latex for part in stage.parts)
        self.add(stage, "backward", read(f"{self.gradient(stage.x).latex} = {parts}"), self.shape(stage.x))

    def join_backward(self, stage: Join) -> None:
        parts = stage.paths if isinstance(stage.layer, Branch) else [p for p in stage.paths if p.symbol.needed]
        if not any(part.symbol.needed for part in parts):
            return
        names, y = [self.gradient(part).latex for part in parts], self.gradient(stage.y).latex
        left = f"[{', '.join(names)}]" if isinstance(stage.layer, Branch) else " = ".join(names)
        self.add(stage, "backward", read(f"{left} = {y}"), self.shape(stage.y))
