"""The equations of a network: R1's derivation line for line, every layer in both conventions, and their truth."""

import re
from xml.etree import ElementTree

import jax
import numpy as np
import pytest

import deltarule as dr
from contract_test import EXAMPLES
from deltarule.errors import SettingError, ShapeError
from deltarule.inspect.explain import explain
from deltarule.layers.layer import Context, Cost, Elementwise, Equations, Layer
from deltarule.training.step import Batch, Step

THEORY = dr.Chain(dr.Dense(4), dr.Sigmoid(), dr.Dense(4), dr.Sigmoid(), dr.Dense(1))
LOSSES = [dr.SquaredError(), dr.AbsoluteError(), dr.Huber(), dr.BinaryCrossEntropy(), dr.SoftmaxCrossEntropy()]
CONVENTIONS = ["row", "column"]


def in_columns(net=THEORY, x=(1, 3), loss=LOSSES[0], **settings):
    return explain(net, x, loss=loss, convention="column", **settings)


def equations(explanation):
    """The equations of the printed text, without their numbers."""
    return [line.split("  ")[0] for line in re.findall(r"^ +\(\d+\)  (.+)$", explanation.text(), re.MULTILINE)]


def test_theory_is_printed_line_for_line():
    assert equations(in_columns()) == [
        "σ(z) = 1/(1 + e⁻ᶻ)",
        "σ′(z) = σ(z) ⊙ (1 − σ(z))",
        "Z¹ = W¹ x + b¹",
        "H¹ = σ(Z¹)",
        "Z² = W² H¹ + b²",
        "H² = σ(Z²)",
        "f = W³ H² + b³",
        "ρ = (y − f)²",
        "∂ρ/∂f = 2(f − y) = δ⁴",
        "∂ρ/∂b³ = δ⁴",
        "∂ρ/∂W³ = δ⁴ (H²)ᵀ",
        "δ³ = (W³)ᵀ δ⁴ ⊙ σ′(Z²)",
        "∂ρ/∂b² = δ³",
        "∂ρ/∂W² = δ³ (H¹)ᵀ",
        "δ² = (W²)ᵀ δ³ ⊙ σ′(Z¹)",
        "∂ρ/∂b¹ = δ²",
        "∂ρ/∂W¹ = δ² xᵀ",
    ]


def test_shapes_stand_behind_and_may_have_names():
    text = in_columns(sizes={4: "d_H", 3: "d"}).text()
    for line in ("δ⁴ (H²)ᵀ          ∈ ℝ^{1×d_H}\n", "δ² xᵀ             ∈ ℝ^{d_H×d}", "b³             ∈ ℝ\n"):
        assert line in text


def test_a_minibatch_sums_over_its_examples():
    printed = equations(in_columns(x=(64, 3)))
    assert "Z¹ = W¹ X + b¹" in printed
    assert "δ⁴ₙ = (2/K) wₙ (Fₙ − Yₙ)" in printed
    assert "∂ρ/∂b³ = Σₙ δ⁴ₙ" in printed
    assert "∂ρ/∂W¹ = δ² Xᵀ" in printed


def test_rows_are_the_equations_of_the_code():
    printed = equations(explain(dr.Chain(dr.Dense(4), dr.Tanh(), dr.Dense(2, bias=False)), (8, 3)))
    assert printed == [
        "Z¹ = X W¹ + b¹",
        "H¹ = tanh Z¹",
        "H² = H¹ W²",
        "dH² = ∂ρ/∂H²",
        "dH¹ = dH² (W²)ᵀ",
        "dW² = (H¹)ᵀ dH²",
        "dZ¹ = dH¹ ⊙ (1 − H¹ ⊙ H¹)",
        "dX = dZ¹ (W¹)ᵀ",
        "dW¹ = Xᵀ dZ¹",
        "db¹ = Σₙ dZ¹ₙ",
    ]


def test_what_nothing_below_learns_from_is_left_out_with_a_loss():
    printed = equations(explain(dr.Chain(dr.Tanh(), *THEORY.layers), (8, 3), loss=dr.SquaredError()))
    assert not any(line.startswith(("dX", "dH¹ ")) for line in printed)
    assert any(line.startswith("dZ²") for line in printed)


def test_a_fork_adds_what_comes_back_through_its_paths():
    net = dr.Chain(dr.Dense(3), dr.Residual(dr.Chain(dr.Dense(5), dr.Tanh())), dr.Dense(1))
    printed = equations(explain(net, (8, 3)))
    assert "H⁴ = H² + H³" in printed
    assert "dH² = dH³ = dH⁴" in printed
    assert "dH¹ = dH^{1;1.0} + dH^{1;1.1}" in printed


@pytest.mark.parametrize("convention", CONVENTIONS)
@pytest.mark.parametrize(("layer", "shape"), EXAMPLES, ids=str)
def test_every_layer_and_option_is_explained(layer, shape, convention):
    well_formed(explain(layer, shape, loss=dr.SquaredError(), convention=convention))


NETWORKS = [
    (dr.Chain(dr.Dense(64), dr.ReLU(), dr.Dense(10)), (64, 784)),
    (dr.Chain(dr.Recurrent(dr.LSTM(32)), dr.Recurrent(dr.LSTM(32)), dr.Dense(1)), (16, 20, 3)),
    (dr.Chain(dr.Bidirectional(dr.GRU(5, reset="before")), dr.TimeDistributed(dr.Dense(2))), (2, 4, 3)),
    (dr.networks.lenet(), (2, 32, 32, 1)),
    (dr.networks.resnet(8, 4), (2, 16, 16, 3)),
    (dr.networks.resnet(8, 4, block="basic"), (2, 16, 16, 3)),
    (dr.networks.voxnet(3), (2, 32, 32, 32, 1)),
]


@pytest.mark.parametrize("convention", CONVENTIONS)
@pytest.mark.parametrize(("net", "shape"), NETWORKS)
def test_whole_networks_are_explained(net, shape, convention):
    well_formed(explain(net, shape, convention=convention))


@pytest.mark.parametrize("convention", CONVENTIONS)
@pytest.mark.parametrize("loss", LOSSES, ids=str)
@pytest.mark.parametrize("x", [(1, 3), (8, 3)])
def test_every_loss_is_explained(loss, x, convention):
    for outputs in (1, 4):
        well_formed(explain(dr.Dense(outputs), x, loss=loss, convention=convention))


def well_formed(explanation):
    """Text, LaTeX and MathML of every line: brackets close, XML parses, no symbol is left over, and none twice."""
    for line in explanation.lines:
        assert not re.search(r"\\|\{\}|\( |None", line.text), line.text
        for opening, closing in (
            ("{", "}"),
            (r"\left", r"\right"),
            (r"\lVert", r"\rVert"),
            ("(", ")"),
            ("[", "]"),
        ):
            assert line.latex.count(opening) == line.latex.count(closing), line.latex
    assert [line.number for line in explanation.lines] == list(range(1, len(explanation.lines) + 1))
    assert explanation.latex().count(r"\begin{align*}") == explanation.latex().count(r"\end{align*}")
    tree = ElementTree.fromstring(f"<main>{explanation.mathml()}</main>")
    formulas = [each for each in tree.iter() if each.tag.endswith("}math")]
    assert len(formulas) == len(explanation.lines) + sum(line.shape is not None for line in explanation.lines)
    assert explanation.to_json()["lines"][-1]["number"] == len(explanation.lines)


SYMBOL = r"(?<!\.)\b[^\W\d]\w*"
SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹−", "0123456789-")


def as_numpy(text):
    """The sides of a printed equation of columns as NumPy: 'δ³ = (W³)ᵀ δ⁴ ⊙ σ′(Z²)'."""
    text = text.replace(")²", ") ** 2").replace("∂ρ/∂", "d").replace("σ′", "slope").translate(SUPERSCRIPTS)
    text = re.sub(r"\^\{([\d;.]+)\}", lambda number: "_" + re.sub(r"\D", "_", number[1]), text)
    text = re.sub(r"\((\w+)\)ᵀ|(\w+)ᵀ", r"\1\2.T", text).replace("2(", "2 * (")
    text = re.sub(r"Σₙ (\w+)ₙ", r"\1.sum(1, keepdims=True)", text)
    text = re.sub(r"(?<=[\w)]) (?=[\w(])", " @ ", text).replace("⊙", "*")
    return text.split(" = ")


def run_lines(explanation, names):
    """Every printed line but the definitions, run in its order; `names` comes to hold what they make."""
    for line in explanation.lines:
        if line.phase != "definition":
            known_names = {*names, "keepdims", "True"}
            first, *more = sides = as_numpy(line.text)
            known = next(each for each in (*more, first) if set(re.findall(SYMBOL, each)) <= known_names)
            value = eval(known, {}, names)
            names |= dict.fromkeys((side for side in sides if side != known), value)
            assert np.size(value) == np.prod(line.shape, dtype=int)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("widths", [(4, 4), (), (5,), (6, 2, 5, 4)])
def test_the_printed_derivation_computes_the_gradients_of_the_step(widths):
    """Each printed line is read as NumPy and run, from x to ∂ρ/∂W¹; the step's own gradients must come out."""
    net = dr.Chain(*(layer for o in widths for layer in (dr.Dense(o), dr.Sigmoid())), dr.Dense(1))
    places = [(at + 1, 2 * at) for at in range(len(widths) + 1)]  # the number and the place of each Dense
    step = Step(net, dr.SquaredError(), dr.SGD(0.1))
    rng = np.random.default_rng(0)
    state = step.init((1, 3), seed=1)
    params = jax.tree.map(lambda a: rng.normal(size=a.shape), state.params)
    x, y = rng.normal(size=(1, 3)), rng.normal(size=(1, 1))
    loss, dparams, _ = step.gradient(params, Batch(x, y, np.ones(1)), step.context(state), None)

    names = {"x": x.T, "y": y, "σ": lambda z: 1 / (1 + np.exp(-z))}
    names["slope"] = lambda z: np.exp(-z) / (1 + np.exp(-z)) ** 2
    for number, index in places:
        names |= {f"W{number}": params[index]["W"].T, f"b{number}": params[index]["b"][:, None]}
    run_lines(in_columns(net), names)
    assert names["ρ"].item() == pytest.approx(float(loss), rel=1e-14)
    for number, index in places:
        np.testing.assert_allclose(names[f"dW{number}"], dparams[index]["W"].T, rtol=1e-12)
        np.testing.assert_allclose(names[f"db{number}"][:, 0], dparams[index]["b"], rtol=1e-12)


@pytest.mark.usefixtures("float64")
def test_columns_of_many_examples_through_paths_give_the_networks_gradients():
    """The same of a minibatch, where paths part at an activation and at a sum, with a projection and without."""
    net = dr.Chain(
        *(dr.Dense(5), dr.Tanh(), dr.Residual(dr.Chain(dr.Dense(5), dr.Tanh()))),
        *(dr.Residual(dr.Chain(dr.Dense(4), dr.Tanh())), dr.Dense(2)),
    )
    rng = np.random.default_rng(1)
    params = jax.tree.map(lambda a: rng.normal(size=a.shape), net.init(rng, (6, 3)))
    x, dy = rng.normal(size=(6, 3)), rng.normal(size=(6, 2))
    _, saved = net.forward(params, x, Context())
    dx, dparams = net.backward(params, saved, dy)
    dense = {1: (0,), 2: (2, 0, 0), 4: (3, 0, 0), 5: (3, 1), 7: (4,)}

    def at(tree, path):
        return at(tree[path[0]], path[1:]) if path else tree

    names = {"X": x.T, "dF": dy.T, "σ": np.tanh, "slope": lambda z: 1 - np.tanh(z) ** 2}
    for number, path in dense.items():
        names |= {
            f"W{number}": at(params, path)["W"].T,
            f"b{number}": at(params, path).get("b", np.zeros(1))[:, None],
        }
    run_lines(explain(net, (6, 3), convention="column"), names)
    np.testing.assert_allclose(names["dX"], dx.T, rtol=1e-12)
    for number, path in dense.items():
        for name, value in at(dparams, path).items():
            printed = names[f"d{name}{number}"]
            np.testing.assert_allclose(printed, value.T.reshape(printed.shape), rtol=1e-10)


# what cannot be explained


class Mute(Layer):
    def shape(self, x):
        return x

    def forward(self, params, x, context):
        return x, ()

    def cost(self, x):
        return Cost(forward=0, backward=0)


class Silent(Elementwise):
    pass


class Slurred(Mute):
    equations = Equations(forward=(r"Y = \frac{1}{X",), backward=("dX = dY",))


class Cryptic(Mute):
    equations = Equations(forward=(r"Y = \heartsuit X",), backward=("dX = dY",))


@pytest.mark.parametrize(
    ("net", "x", "settings", "error", "words"),
    [
        (dr.Chain(dr.Dense(3), Mute()), (4, 2), {}, SettingError, "layer 1, .*Mute.* to state its equations"),
        (Mute(), (4, 2), {"convention": "column"}, SettingError, "Mute.* to state its equations"),
        (Silent(), (4, 2), {"convention": "column"}, SettingError, "Silent.* to state its equations"),
        (Slurred(), (4, 2), {}, SettingError, "lacks '}'"),
        (Cryptic(), (4, 2), {}, SettingError, "no sign in plain text"),
        (dr.Chain(dr.Dense(3), dr.Reshape(2, 2)), (4, 2), {}, ShapeError, "layer 1, Reshape"),
        (dr.Dense(3), ("M", 2), {}, SettingError, "expected x as whole numbers, .*'M'"),
        (dr.Dense(3), (4, 2), {"convention": "rows"}, SettingError, "'row' or 'column', got 'rows'"),
        (dr.Dense(3), 784, {}, SettingError, "explain: expected x as a shape, .*got 784; write x="),
        ([dr.Dense(3)], (4, 2), {}, SettingError, "explain: net must be a Layer, got .*write Dense"),
        (dr.Dense(3), (4, 2), {"loss": "mse"}, SettingError, "explain: loss must be a Loss, got 'mse'"),
        (dr.Dense(3), (4, 2), {"sizes": ["d"]}, SettingError, "explain: sizes must be names by length"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_what_cannot_be_explained_is_said(net, x, settings, error, words):
    with pytest.raises(error, match=words):
        explain(net, x, **settings).text()


def test_what_an_equation_takes_for_granted_is_told():
    told = " ".join(explain(dr.Recurrent(dr.SimpleRNN(3, "relu"), reverse=True), (2, 4, 3)).text().split())
    assert "σ is relu" in told
    assert "it reads from the end" in told
    told = explain(dr.Chain(dr.Convolution(2, 3), dr.MaxPool(2)), (2, 8, 8, 1)).notes
    [note] = [note for note in told if "s is the stride" in note]
    assert note.startswith("Convolution, MaxPool: ")


def test_a_notebook_shows_formulas():
    shown = in_columns()
    assert "<math" in shown._repr_html_()
    assert shown._repr_latex_() == shown.latex()
    assert str(shown) == shown.text()


def test_a_model_explains_itself():
    model = dr.Model(dr.Dense(1), loss=dr.SquaredError())
    with pytest.raises(SettingError, match="not been trained"):
        model.explain()
    model.fit(np.ones((4, 3), np.float32), np.ones((4, 1), np.float32), epochs=1)
    assert "f = W¹ x + b¹" in model.explain(batch_size=1, convention="column").text()
