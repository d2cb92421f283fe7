"""The README's code does what it says."""

import re
from dataclasses import dataclass
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

import deltarule as dr

README = (Path(__file__).parent.parent / "README.md").read_text()
NETWORK, LAYER, MINE, SEQUENCES, GROWING, GAME = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


def test_the_network_trains_and_comes_back(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    exec(NETWORK, {})
    assert (tmp_path / "model.safetensors").exists()
    assert "accuracy" in capsys.readouterr().out


def test_the_sequences_are_learned_in_windows():
    names = {"np": np, "dr": dr}
    exec(SEQUENCES, names)
    losses = names["model"].history["loss"]
    assert losses[-1] < 0.5 * losses[0]
    assert int(names["model"].state.step) == 3 * 4 * 13


def test_a_hundred_models_grow_from_one(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names = {"np": np, "dr": dr}
    exec(GROWING, names)
    assert len(names["ten"].members) == 10
    assert names["result"].programs == 1
    assert len(names["result"].rows) == 48
    assert "8 configurations" not in capsys.readouterr().out  # 8 draws of 2 values of dropout
    assert names["best"].evaluate(names["x"], names["y"])["accuracy"] > 0.8


def test_the_game_is_played(capsys):
    names = {"dr": dr}
    exec(GAME, names)
    assert len(names["agent"].history.rows) > 1
    assert "interquartile_mean" in capsys.readouterr().out


def test_the_layer_is_dense():
    names = {"dataclass": dataclass, "Layer": dr.Layer, "Equations": dr.Equations, "Cost": dr.Cost}
    exec(LAYER, names)
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
    plan = dr.plan(net, (64, 784), loss=dr.SoftmaxCrossEntropy(), optimizer=dr.Adam(1e-3))
    assert plan.table(80).partition("\n\n")[0].rstrip() in README


def test_the_equations_are_those_that_are_printed():
    net = dr.Chain(dr.Dense(4), dr.Sigmoid(), dr.Dense(4), dr.Sigmoid(), dr.Dense(1))
    text = dr.explain(net, (1, 3), loss=dr.SquaredError(), convention="column").text()
    for line in re.findall(r"^ +\(\d+\)  .+$", README, re.MULTILINE):
        assert line in text.splitlines()


def test_the_wrong_layer_is_told_as_it_is_printed():
    names = {}
    exec(MINE, names)
    told = str(dr.check(names["net"], (8, 4)))
    block = README[README.index("  ✗ layer 2, Mine(3)") :].partition("```")[0]
    assert block.rstrip() in told


@pytest.mark.parametrize("link", re.findall(r"\]\(([^)#]+)\)", README))
def test_what_it_links_to_is_there(link):
    assert (Path(__file__).parent.parent / link).exists()


def test_every_layer_is_in_the_table_with_its_equation():
    layers = README.partition("Every layer is a file")[2]
    rows = re.findall(r"^\| (`.*`.*?) \| (.+) \|$", layers, re.MULTILINE)
    named = {name for names, equation in rows if equation for name in re.findall(r"`(\w+)", names)}
    assert named == set(dr.layers.__all__)
