"""What the layers state is what they compute: their equations, read as NumPy, against forward and backward."""

import jax
import numpy as np
import pytest

import deltarule as dr
from contract_test import EXAMPLES, case
from deltarule.inspect.as_numpy import NoNumPy, as_numpy, identifier
from deltarule.inspect.derivation import Derivation
from deltarule.inspect.formula import read
from deltarule.inspect.notebook import HELPERS, constants

NAMES = {"X": "X", "W": "W"}
LOSSES = [dr.SquaredError(), dr.AbsoluteError(), dr.Huber(0.5), dr.BinaryCrossEntropy(), dr.SoftmaxCrossEntropy()]
RUN = [
    *(dr.ELU(0.7), dr.GELU(), dr.GELUTanh(), dr.Identity(), dr.LeakyReLU(0.3), dr.ReLU(), dr.SELU(), dr.Sigmoid()),
    *(dr.SiLU(), dr.Softplus(), dr.Tanh(), dr.Softmax(), dr.LogSoftmax(), dr.Dense(3), dr.Dense(3, bias=False)),
    *(dr.LayerNorm(), dr.LayerNorm(0.1), dr.RMSNorm(), dr.RMSNorm(0.1), dr.BatchNorm(), dr.BatchNorm(epsilon=0.1)),
    *(dr.LayerNorm(scale=False), dr.LayerNorm(offset=False), dr.RMSNorm(scale=False), dr.Scale()),
    *(dr.BatchNorm(scale=False), dr.BatchNorm(offset=False), dr.BatchNorm(scale=False, offset=False)),
]


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("layer", RUN, ids=str)
def test_a_layer_computes_what_its_equations_say(layer):
    tried = case(layer, (7, 5))
    params, x, context, dy = tried.params, tried.x, tried.context, tried.dy
    y, saved = layer.forward(params, x, context)
    dx, dparams = layer.backward(params, saved, dy)
    derivation = Derivation(layer, (7, 5), None, {})
    [stage] = derivation.stages
    given = {"X": x, stage.y.symbol.gradient.latex: dy}
    given |= {f"{sign}^{{{stage.number}}}": params[name] for sign, name in signs(params)}
    names = {name: identifier(name) for name in given} | constants(stage)
    found = {identifier(name): np.asarray(value) for name, value in given.items()}
    exec(HELPERS, found)
    for line in derivation.lines:
        if line.layer != "the objective ρ":
            exec(as_numpy(line.formula, names), found)
    expected = {stage.y.symbol.name.latex: y, "dX": dx}
    expected |= {f"d{sign}^{{{stage.number}}}": dparams[name] for sign, name in signs(params)}
    for name, value in expected.items():
        np.testing.assert_allclose(found[identifier(name)], value, rtol=1e-9, atol=1e-12, err_msg=name)


def signs(params):
    """(LaTeX, name) of each parameter."""
    return [(name if len(name) == 1 else rf"\{name}", name) for name in params]


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("loss", LOSSES, ids=str)
@pytest.mark.parametrize("outputs", [1, 3])
def test_a_loss_computes_what_its_equations_say(loss, outputs):
    rng = np.random.default_rng(0)
    y, t, w = rng.normal(size=(5, outputs)), rng.uniform(size=(5, outputs)), rng.uniform(size=5)
    value, dy = loss(y, t, w)
    found = {"Y": y, "T": t, "w": w[:, None]}
    names = {name: name for name in found} | {"K": str(outputs), "c": "0.5"}
    exec(HELPERS, found)
    for equation in (*loss.equations.forward, *loss.equations.backward):
        exec(as_numpy(read(equation), names), found)
    assert found["rho"].item() == pytest.approx(float(value), rel=1e-12)
    np.testing.assert_allclose(found["dY"], dy, rtol=1e-12)


@pytest.mark.parametrize(
    "equation",
    [
        "X",
        "P(M_j = 0) = p",
        r"Y_{n,j} = X_{n,j+s}",
        r"Y_t = X_t W",
        r"dX_{n,q} = \sum_{j: q} X_{n,j}",
        r"Y = \log",
        r"Y = \sigma'(X)",
        r"Y = Q X",
        r"Y = X^{q}",
        "[X, W] = X",
    ],
)
def test_what_has_no_line_of_numpy_is_said(equation):
    with pytest.raises(NoNumPy, match="no line of NumPy"):
        as_numpy(read(equation), dict(NAMES))


def test_every_activation_is_run():
    """A new one is added to the list above, or it is not known whether it does what it says."""
    activations = {type(layer) for layer, _ in EXAMPLES if isinstance(layer, dr.layers.layer.Elementwise)}
    assert activations - {dr.Dropout, dr.SpatialDropout} <= {type(layer) for layer in RUN}
    assert jax.config.jax_enable_x64 is False
