"""The README's code does what it says."""

import re
from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
import pytest

import deltarule as dr
from deltarule.inspect.rates import Rates
from documents import DOCS, snippets
from documents import README as PAGE

README = PAGE.read_text()
GIVEN = {"dataclass": dataclass, "Layer": dr.Layer, "Equations": dr.Equations, "Cost": dr.Cost}  # of "A layer"

FLAT = ((1.0, 1e9), (1e12, 1e9))
SLOW = ((1.0, 1e8), (1e12, 1e8))
RATES = Rates("a machine", *[FLAT] * 5, roots=SLOW, dear=SLOW, sums=FLAT, operation=1e-6, round=1e-6)
HELD = r"^(class )?(history|Dense|Mine|ten|agent)\b"  # what the snippets make that a test of its own holds
OTHERS = [
    pytest.param(snippet, marks=pytest.mark.torch if snippet.torch else (), id=f"line {snippet.line}")
    for snippet in snippets(PAGE)
    if not re.search(HELD, snippet.text, re.MULTILINE)
]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """What the code writes is written in a folder of its own."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def after(record_property):
    """Executes the snippet that makes a name, with NumPy and Deltarule at hand; gives all names after it."""

    def run(name):
        [snippet] = [each for each in snippets(PAGE) if re.search(rf"^(class )?{name}\b", each.text, re.MULTILINE)]
        names = {"np": np, "dr": dr, **GIVEN}
        snippet.run(names)
        record_property("snippets", 1)
        return names

    return run


def test_the_network_trains_and_comes_back(after, tmp_path, capsys):
    after("history")
    assert (tmp_path / "model.safetensors").exists()
    assert "accuracy" in capsys.readouterr().out


def test_a_hundred_models_grow_from_one(after, capsys):
    names = after("ten")
    assert len(names["ten"].members) == 10
    assert names["result"].programs == 1
    assert len(names["result"].rows) == 48
    assert "8 configurations" not in capsys.readouterr().out  # 8 draws of 2 values of dropout
    assert names["best"].evaluate(names["x"], names["y"])["accuracy"] > 0.8


def test_the_game_is_played(after, capsys):
    names = after("agent")
    assert len(names["agent"].history.rows) > 1
    assert "interquartile_mean" in capsys.readouterr().out


def test_the_layer_is_dense(after):
    names = after("Dense")
    shown, ours, shape = names["Dense"](3), dr.Dense(3), (7, 5)
    rng = np.random.default_rng(0)
    params = {"W": jnp.asarray(rng.normal(size=(5, 3))), "b": jnp.asarray(rng.normal(size=3))}
    x, dy = jnp.asarray(rng.normal(size=shape)), jnp.asarray(rng.normal(size=(7, 3)))
    for (y, saved), layer in ((layer.forward(params, x, None), layer) for layer in (shown, ours)):
        np.testing.assert_array_equal(y, ours.forward(params, x, None)[0])
        dx, dparams = layer.backward(params, saved, dy)
        expected_dx, expected = ours.backward(params, x, dy)
        np.testing.assert_array_equal(dx, expected_dx)
        assert dparams.keys() == expected.keys()
    for figure in ("forward", "backward", "keeps_x"):
        assert getattr(shown.cost(shape), figure) == getattr(ours.cost(shape), figure)


def test_the_plan_is_the_one_that_is_printed():
    net = dr.Chain(dr.Dense(256), dr.ReLU(), dr.Dense(256), dr.ReLU(), dr.Dense(10))
    plan = dr.plan(net, (64, 784), loss=dr.SoftmaxCrossEntropy(), optimizer=dr.Adam(1e-3), rates=RATES)
    assert plan.table(80).partition("\n\n")[0].rstrip() in README


def test_the_equations_are_those_that_are_printed():
    net = dr.Chain(dr.Dense(4), dr.Sigmoid(), dr.Dense(4), dr.Sigmoid(), dr.Dense(1))
    text = dr.explain(net, (1, 3), loss=dr.SquaredError(), convention="column").text()
    for line in re.findall(r"^ +\(\d+\)  .+$", README, re.MULTILINE):
        assert line in text.splitlines()


def test_the_wrong_layer_is_told_as_it_is_printed(after):
    told = str(dr.check(after("Mine")["net"], (8, 4)))
    block = README[README.index("  ✗ layer 2, Mine(3)") :].partition("```")[0]
    assert block.rstrip() in told


@pytest.mark.parametrize("snippet", OTHERS)
def test_every_other_snippet_runs(snippet, record_property):
    snippet.run({"np": np, "dr": dr})
    record_property("snippets", 1)


def test_every_layer_is_in_the_table_with_its_equation():
    layers = (DOCS / "reference" / "at-a-glance.md").read_text()
    rows = re.findall(r"^\| (`.*`.*?) \| (.+) \|$", layers, re.MULTILINE)
    named = {name for names, equation in rows if equation for name in re.findall(r"`(\w+)", names)}
    assert named == set(dr.layers.__all__)
