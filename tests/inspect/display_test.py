"""What a notebook shows: whole HTML without a script, whose names are text and whose numbers are true."""

import subprocess
import sys
from dataclasses import dataclass
from types import SimpleNamespace
from xml.etree import ElementTree

import numpy as np
import pytest

import deltarule as dr
from deltarule.inspect.display import of_history, of_model, spread
from deltarule.inspect.polylines import panels

NET = dr.Chain(dr.Dense(6), dr.Tanh(), dr.Residual(dr.Chain(dr.Dense(6, bias=False), dr.ReLU())), dr.Dense(1))
X = np.linspace(-1, 1, 60).reshape(20, 3)


@dataclass(frozen=True)
class Marked(dr.Dense):
    """A layer of the user's own, whose settings look like markup, and which states no cost."""

    note: str = "plain"

    def cost(self, x):
        raise NotImplementedError


def trained(net=NET, epochs=3):
    model = dr.Model(net, loss=dr.SquaredError(), optimizer=dr.SGD(0.01), seed=7)
    model.fit(X, X[:, :1] ** 2, epochs=epochs, batch_size=10, validation=0.2)
    return model


def parsed(html):
    """The display as a tree; it is whole, and holds neither a script nor anything that is fetched."""
    root = ElementTree.fromstring(f"<div>{html}</div>")
    for element in root.iter():
        assert element.tag.rpartition("}")[2] not in ("script", "link", "img", "iframe")
        assert not any(name.startswith("on") or name == "src" for name in element.attrib)
    assert "url(" not in html.replace("url(#", "")
    return root


def table_rows(html):
    """The cells of every row, as text."""
    rows = [row for row in parsed(html).iter() if row.tag.rpartition("}")[2] == "tr"]
    return [["".join(cell.itertext()) for cell in row] for row in rows]


def words(html):
    return " ".join(parsed(html).itertext())


def test_a_network_is_told_layer_by_layer():
    assert table_rows(NET._repr_html_()) == [
        ["", "layer"],
        ["0", "Dense(6)"],
        ["1", "Tanh()"],
        ["2", "Residual"],
        ["2.0", "Chain"],
        ["2.0.0", "Dense(6, bias=False)"],
        ["2.0.1", "ReLU()"],
        ["3", "Dense(1)"],
    ]
    assert "Dense(4)" in words(dr.Dense(4)._repr_html_())


def test_a_trained_model_is_told_with_shapes_parameters_and_figures():
    model = trained()
    html = of_model(model)
    assert model._repr_html_() == html
    rows = table_rows(html)
    assert ["0", "Dense(6)", "6", "24"] in rows
    assert ["2.0.0", "Dense(6, bias=False)", "6", "36"] in rows
    assert ["3", "Dense(1)", "1", "7"] in rows
    assert f"{model.parameters} parameters" in words(html)
    assert "loss SquaredError(), optimizer SGD(learning_rate=0.01, " in words(html)
    assert f"{model.history['loss'][-1]:.4g}" in [cell for row in rows for cell in row]


def test_a_model_that_saw_no_data_is_told_too():
    html = of_model(dr.Model(NET, loss=dr.SquaredError()))
    assert ["", "layer"] in table_rows(html)
    assert "<svg" not in html


def test_a_layer_without_a_cost_is_told_by_its_name_and_names_are_no_markup():
    model = trained(dr.Chain(Marked(4, note="<b>&"), dr.Dense(1)))
    rows = table_rows(of_model(model))
    assert ["0", "Marked(4, note='<b>&')"] in rows
    assert "<b>" not in of_model(model)


def test_a_history_is_told_by_curves_and_rows():
    history = trained(epochs=25).history
    html = history._repr_html_()
    head, *rows = table_rows(html)
    assert head == ["epoch", "loss", "validation loss", "validation r2", "seconds"]
    assert (rows[0][0], rows[-1][0]) == ("1", "25")
    assert str(history.best_epoch) in [row[0] for row in rows]
    assert len(rows) <= 10
    lines = [each for each in parsed(html).iter() if each.tag.endswith("}polyline")]
    assert [len(each.attrib["points"].split()) for each in lines] == [25, 25, 25]


def test_the_curve_falls_where_the_figure_falls():
    html = of_history(dr.History(rows=[{"epoch": e, "loss": 1 / e} for e in range(1, 6)], best_epoch=5))
    [line] = [each for each in parsed(html).iter() if each.tag.endswith("}polyline")]
    points = [tuple(map(float, point.split(","))) for point in line.attrib["points"].split()]
    across, down = zip(*points, strict=True)
    assert across == tuple(sorted(across))
    assert down == tuple(sorted(down))  # downwards in SVG is more
    assert down[0] < down[-1]
    assert {"1", "0.6", "0.2"} <= {each.text for each in parsed(html).iter() if each.tag.endswith("}text")}


def test_a_history_of_no_epoch_and_of_one():
    assert "no epoch has ended" in words(dr.History()._repr_html_())
    one = dr.History(rows=[{"epoch": 1, "loss": 0.5}], best_epoch=1, notes=["<i>"])._repr_html_()
    assert "circle" in one
    assert "<i>" in words(one)


def test_what_is_lost_is_left_out_of_the_curve():
    drawn = panels({"loss": {"training": [(1, 2.0), (2, float("nan")), (3, 1.0)]}}, "epoch")
    [line] = [each for each in parsed(drawn).iter() if each.tag.endswith("}polyline")]
    assert len(line.attrib["points"].split()) == 2
    assert panels({"loss": {"training": [(1, float("inf"))]}}, "epoch") == ""


@pytest.mark.parametrize(("count", "best"), [(1, 0), (10, 3), (11, 4), (200, 57)])
def test_rows_are_spread_over_the_run(count, best):
    places = spread(count, best)
    assert {0, best, count - 1} <= set(places)
    assert places == sorted(places)
    assert len(places) <= 10


@pytest.fixture(scope="module")
def model():
    return trained()


@pytest.mark.parametrize("kind", ["plan", "symbols", "explain", "trace", "check", "broken"])
def test_what_is_told_of_a_network_is_whole_html(kind, model):
    shown = {
        "plan": lambda: model.plan(),
        "symbols": lambda: dr.plan(NET, x=("M", "d")),
        "explain": lambda: model.explain(),
        "trace": lambda: model.trace(X, X[:, :1]),
        "check": lambda: dr.check(dr.Dense(2), (3, 4)),
        "broken": lambda: dr.check(Marked(2), (3, 4)),
    }[kind]()
    expected = {"plan": "1,", "symbols": "M", "explain": "Forward", "trace": "Given", "check": "every law holds"}
    assert expected.get(kind, "break") in words(shown._repr_html_()).replace("training step", "1,")


def test_an_ensemble_tells_its_members():
    three = dr.ensemble(dr.Model(NET, loss=dr.SquaredError(), seed=4), 3)
    assert "3 models" in words(three._repr_html_())
    three.fit(X, X[:, :1], epochs=2, batch_size=10)
    head, *rows = table_rows(three._repr_html_())[-4:]
    assert head == ["seed", "best epoch", "loss"]
    assert [row[0] for row in rows] == ["4", "5", "6"]
    kept = [member.history.rows[member.history.best_epoch - 1]["loss"] for member in three.members]
    assert [row[2] for row in rows] == [f"{loss:.4g}" for loss in kept]


def test_a_sweep_tells_its_ranking_and_draws_it():
    result = dr.sweep(dr.Model(NET, loss=dr.SquaredError()), {"learning_rate": [1e-3, 1e-2]}).fit(
        X, X[:, :1], epochs=2, batch_size=8, validation=0.2
    )
    html = result._repr_html_()
    head, first, second = table_rows(html)
    assert head[:3] == ["", "learning rate", "validation loss"]
    assert [first[1], second[1]] == [f"{row['learning_rate']:.4g}" for row in result.ranking]
    assert html.count("<svg") == 1
    parsed(html)


def test_an_agent_tells_its_game_and_its_rules():
    agent = dr.DQN("CartPole-v1", hidden=(8,), gamma=0.97)
    told = words(agent._repr_html_())
    assert "CartPole-v1: 4 observed, 2 actions, path compiled, seed 0" in told
    assert "gamma 0.97" in told
    assert ["0", "Dense(8)"] in table_rows(agent._repr_html_())
    rows = [{"steps": s, "return": s / 2, "evaluated": None, "loss": None} for s in (10, 20)]
    agent.history.rows += rows
    assert "2 reports" in words(agent._repr_html_())


def test_a_population_of_agents_tells_its_ranking():
    from deltarule.dqn.display import of_population

    ranking = [{"gamma": 0.9, "mean": 20.5, "interquartile_mean": 21.0, "low": 19.0, "high": 22.25, "seeds": 3}]
    html = of_population(SimpleNamespace(rows=[{}] * 3, programs=1, ranking=lambda: ranking))  # type: ignore
    assert table_rows(html)[1] == ["1", "0.9", "20.5", "21", "19", "22.25", "3"]


def test_networks_models_and_histories_need_no_more_than_the_core():
    program = (
        "import sys\n"
        "for name in ('matplotlib', 'IPython', 'latex2mathml', 'rich', 'sympy'): sys.modules[name] = None\n"
        "import deltarule as dr\n"
        "from deltarule.inspect.display import of_model\n"
        "model = dr.Model(dr.Chain(dr.Dense(3), dr.ReLU()), loss=dr.SquaredError())\n"
        "model.input_shape = (5,)\n"
        "model.history = dr.History(rows=[{'epoch': 1, 'loss': 2.0}, {'epoch': 2, 'loss': 1.0}], best_epoch=2)\n"
        "print('18' in of_model(model), '<svg' in model.history._repr_html_())\n"
        "print('<table' in model.net._repr_html_())\n"
        "print('<table' in dr.ensemble(model, 2)._repr_html_(), '<table' in model.plan()._repr_html_())\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True"] * 5


def test_an_explanation_without_latex2mathml_is_text(monkeypatch):
    shown = dr.explain(NET, (4, 3))
    monkeypatch.setattr("deltarule.inspect.explain.find_spec", lambda name: None)
    assert shown._repr_html_().startswith("<pre>")
    assert "Z¹ = X W¹ + b¹" in words(shown._repr_html_())
