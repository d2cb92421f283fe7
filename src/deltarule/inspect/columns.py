"""The derivation as theory writes it: an example is a column, Z^l = W^l H^{l−1} + b^l, and δ^{l+1} = ∂ρ/∂Z^l.

W^l (o, i) is the transpose of the code's. Of the layers, Dense and the activations have a form for columns; the
others keep the code's equations, with δ in them.
"""

import re

from deltarule.inspect.derivation import GIVEN, Derivation
from deltarule.inspect.formula import Formula, Mark, Name, change, read, sides, substitute
from deltarule.inspect.own_equations import left_symbol, own_equations, written
from deltarule.inspect.stages import Array, Stage, described, equations_of, is_activation, placed
from deltarule.layers import Dense
from deltarule.layers.layer import Equations, Layer, Shape, size
from deltarule.losses.loss import Loss

DENSE = Equations(  # in theory's order
    forward=(r"Y = W X + b",), backward=(r"db = \sum_n dY_n", r"dW = dY X^\top", r"dX = W^\top dY")
)
SLOPE = r"dX = dY \odot "  # how an activation's backward begins; σ′ stands behind it
ONE_EXAMPLE = ((r"\\sum_n (w_n )?", ""), (r"w_n ", ""), (r"_n\b", ""), (r"_\{nk\}", "_k"))
ONE_OUTPUT = (
    (r"\\tfrac1K ", ""),
    (r"\\tfrac(\d)K ", r"\1"),
    (r"\\sum_k ", ""),
    (r"_k\b", ""),
    (r"\\lVert (.*?) \\rVert\^2", r"(\1)^2"),
    (r"\\lVert (.*?) \\rVert_1", r"|\1|"),
)


class ColumnDerivation(Derivation):
    """The lines and the notes of a network in column convention."""

    @property
    def single(self) -> bool:
        """Whether there is one example."""
        return self.x[0] == 1

    def name_ends(self) -> None:
        """One example is x, its output f and its target y; several are X, F and Y."""
        activated = [stage for stage in self.stages if isinstance(stage, Stage) and has_slope(stage.layer)]
        self.activated = {id(stage.y.symbol): stage for stage in activated}
        self.merged: set[int] = set()  # activations whose σ′ stands in the line of the layer above
        if self.output.symbol is not self.input.symbol:
            self.output.symbol.letter = "f" if self.single else "F"
        self.input.symbol.letter = "x" if self.single else "X"
        self.sigmas = self.named_activations(list(dict.fromkeys(stage.layer for stage in activated)))
        for layer, sigma in self.sigmas.items():
            self.define(next(stage for stage in activated if stage.layer == layer), sigma)

    def legend(self) -> list[str]:
        layers = [stage.layer for stage in self.stages if isinstance(stage, Stage)]
        kept = [type(each).__name__ for each in layers if not isinstance(each, Dense) and not has_slope(each)]
        notes = ["an example is a column; δˡ⁺¹ is the derivative of the objective ρ by Zˡ, and d marks any other"]
        if kept:
            names = ", ".join(dict.fromkeys(kept))
            notes.append(f"the equations of {names} are the code's, where rows are examples")
        return notes

    @property
    def target(self) -> str:
        return "y" if self.single else "Y"

    def named_activations(self, layers: list[Layer]) -> dict[Layer, str]:
        """σ where there is one activation and nothing else is called so, else σ with its name."""
        others = [each.layer for each in self.stages if isinstance(each, Stage) and not is_activation(each.layer)]
        stated = [str(getattr(each, "equations", "")) for each in (*others, self.loss)]
        if len(layers) == 1 and not any(r"\sigma" in equations for equations in stated):
            return {layers[0]: r"\sigma"}
        names = [type(layer).__name__ for layer in layers]
        numbered = [n if names.count(n) == 1 else f"{n} {names[: at + 1].count(n)}" for at, n in enumerate(names)]
        return {layer: rf"\sigma_{{\text{{{n}}}}}" for layer, n in zip(layers, numbered, strict=True)}

    def define(self, stage: Stage, sigma: str) -> None:
        """σ(z) and σ′(z), from Y = σ(X) and dX = dY ⊙ σ′."""
        value = read(f"{sigma}(z)")
        stated = equations_of(stage.layer, placed(stage.layer, stage.path))
        backward = [each.replace(SLOPE, f"{slope(sigma)}(z) = ") for each in stated.backward]
        for formula in map(read, (*stated.forward, *backward)):
            self.add(stage, "definition", with_value(substitute(formula, {"X": Name("z")}), value))

    def gradient(self, array: Array) -> Name:
        return array.symbol.delta

    def layer_forward(self, stage: Stage) -> None:
        if isinstance(stage.layer, Dense):
            for formula in self.of_columns(stage)[0]:
                self.add(stage, "forward", formula, self.shape(stage.y))
        elif stage.layer in self.sigmas:
            sigma, x = self.sigmas[stage.layer], stage.x.symbol.name.latex
            self.add(stage, "forward", read(f"{stage.y.symbol.name.latex} = {sigma}({x})"), self.shape(stage.y))
        else:
            super().layer_forward(stage)

    def layer_backward(self, stage: Stage) -> None:
        if isinstance(stage.layer, Dense):
            self.dense_backward(stage)
        elif stage.layer not in self.sigmas:
            super().layer_backward(stage)
        elif id(stage.y.symbol) not in self.merged and stage.x.symbol.needed:
            right = rf"{self.gradient(stage.y).latex} \odot {self.slope_at(stage)}"
            self.add(stage, "backward", read(f"{self.gradient(stage.x).latex} = {right}"), self.shape(stage.x))

    def dense_backward(self, stage: Stage) -> None:
        """∂ρ/∂b, ∂ρ/∂W, and then δ below, with the σ′ of the activation that x comes from."""
        *of_params, of_x = self.of_columns(stage)[1]
        for formula in of_params:
            letter, right = left_symbol(formula).removeprefix("d"), sides(formula)[1]
            name, shape = Name(letter, str(stage.number)), stage.params[letter][::-1]
            self.add(stage, "backward", read(f"{fraction(name)} = ") + right, () if shape == (1,) else shape)
        if not stage.x.symbol.needed:
            return
        below, x, right = self.activated.get(id(stage.x.symbol)), stage.x, sides(of_x)[1]
        if below is not None:
            self.merged.add(id(x.symbol))
            x, right = below.x, right + read(rf" \odot {self.slope_at(below)}")
        self.add(stage, "backward", read(f"{self.gradient(x).latex} = ") + right, self.shape(x))

    def slope_at(self, stage: Stage) -> str:
        """σ′(Z)."""
        return f"{slope(self.sigmas[stage.layer])}({stage.x.symbol.name.latex})"

    def of_columns(self, stage: Stage) -> tuple[list[Formula], list[Formula]]:
        """(forward, backward) of a Dense for columns, in the network's symbols."""
        one = ONE_EXAMPLE if size(stage.x.shape[:-1]) == 1 else ()
        forward, backward = own_equations(stage, rewritten(DENSE, one))
        names = self.names(stage)
        return [substitute(each, names) for each in forward], [substitute(each, names) for each in backward]

    def shape(self, array: Array) -> Shape:
        """(o,) for one example, () for one number, and (o, n) for n examples; other arrays keep the code's."""
        if len(array.shape) != 2:
            return array.shape
        n, o = array.shape
        return (o, n) if n > 1 else (o,) if o > 1 else ()

    def loss_equations(self, loss: Loss) -> tuple[list[Formula], list[Formula]]:
        stated = equations_of(loss, type(loss).__name__)
        if self.single:
            stated = rewritten(stated, ONE_EXAMPLE + ONE_OUTPUT if size(self.output.shape) == 1 else ONE_EXAMPLE)
        names = {"Y": self.output.symbol.name, "dY": self.gradient(self.output), "T": Name(self.target)}
        return written(stated.forward, names), written(stated.backward, names)

    def loss_backward(self) -> None:
        """∂ρ/∂f = 2(f − y) = δ."""
        if self.loss is not None and not self.single:
            return super().loss_backward()
        begins = read(f"{fraction(self.output.symbol.name)} = ")
        ends, shape = read(self.gradient(self.output).latex), self.shape(self.output)
        if self.loss is None:
            return self.add(GIVEN, "backward", begins + ends, shape)
        for formula in self.loss_equations(self.loss)[1]:
            self.add(described(self.loss), "backward", begins + sides(formula)[1] + read(" = ") + ends, shape)
        return None


def has_slope(layer: Layer) -> bool:
    """Whether it is an activation that states its backward as dY ⊙ σ′."""
    stated = getattr(layer, "equations", None)
    return is_activation(layer) and stated is not None and stated.backward[-1].startswith(SLOPE)


def with_value(formula: Formula, value: Formula) -> Formula:
    """The formula with σ(z) in the place of Y."""
    return change(formula, lambda nodes: sum(((value if node == Mark("Y") else (node,)) for node in nodes), ()))


def rewritten(stated: Equations, rules: tuple[tuple[str, str], ...]) -> Equations:
    """The equations of many examples as those of one, whose sums have one term and whose weight is 1.

    >>> rewritten(Equations(("dY_n = w_n (Y_n - T_n)",), ("db = dY_n",)), ONE_EXAMPLE)
    Equations(forward=('dY = (Y - T)',), backward=('db = dY',), source='')
    """
    forward, backward = stated.forward, stated.backward
    for pattern, put in rules:
        forward = tuple(re.sub(pattern, put, each) for each in forward)
        backward = tuple(re.sub(pattern, put, each) for each in backward)
    return Equations(forward, backward)


def slope(sigma: str) -> str:
    """σ′, also of a σ that has a name."""
    return sigma.replace(r"\sigma", r"\sigma'")


def fraction(name: Name) -> str:
    """∂ρ/∂ of a symbol."""
    return rf"\frac{{\partial\rho}}{{\partial {name.latex}}}"
