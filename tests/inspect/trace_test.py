"""One step written out: its numbers are the library's own, in the text, on the page, and in the notebook."""

import contextlib
import io
import json
import re
from dataclasses import replace

import jax
import numpy as np
import pytest

import deltarule as dr
from deltarule.errors import DataError, SettingError, ShapeError
from deltarule.inspect.notebook import notebook
from deltarule.inspect.trace import trace
from deltarule.training.step import Batch

SMALL = dr.Chain(dr.Dense(4), dr.Sigmoid(), dr.Dense(4), dr.Sigmoid(), dr.Dense(1))
NETWORKS = {
    "dense": (SMALL, (4, 3), None),
    "paths": (
        dr.Chain(
            *(
                dr.Dense(4),
                dr.LayerNorm(),
                dr.GELU(),
                dr.Residual(dr.Chain(dr.Dense(3), dr.BatchNorm(), dr.ELU())),
            ),
            *(dr.Dropout(0.3), dr.Branch(dr.Dense(2), dr.Dense(1, bias=False)), dr.SELU(), dr.Dense(3)),
        ),
        (6, 3),
        dr.SoftmaxCrossEntropy(),
    ),
    "images": (
        dr.Chain(dr.Convolution(2, 3), dr.ReLU(), dr.MaxPool(2), dr.Flatten(), dr.Dense(30), dr.Dense(40)),
        (2, 4, 4, 1),
        dr.Huber(0.5),
    ),
    "sequences": (
        dr.Chain(dr.Embedding(5, 3), dr.Recurrent(dr.GRU(4), last=True), dr.Recompute(dr.Dense(2), dr.Tanh())),
        (4, 6),
        dr.BinaryCrossEntropy(),
    ),
}


@pytest.fixture(scope="module", params=NETWORKS)
def traced(request):
    net, x, loss = NETWORKS[request.param]
    return trace(net, x, loss=loss)


def model_of(seed=0):
    """A model of the small network with its first parameters, and four examples."""
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(4, 3)).astype(np.float32), rng.normal(size=(4, 1)).astype(np.float32)
    model = dr.Model(SMALL, loss=dr.SquaredError(), optimizer=dr.Adam(0.01), l2=0.01, clip_norm=0.5)
    model.state = model.step().init(x.shape, seed=1)
    return model, x, y


def test_the_numbers_are_those_of_the_models_next_step():
    model, x, y = model_of()
    seen = model.trace(x, y).values
    step, batch = model.step(), Batch(x, y, np.ones(4, np.float32))
    moved, report = jax.jit(step)(model.state, batch)
    weighed = batch._replace(weight=np.full(4, 0.25, np.float32))
    _, dparams, _ = jax.jit(step.gradients)(model.state, weighed)
    assert seen[r"\rho"] == pytest.approx(float(report.loss), rel=1e-6)
    for number, index in ((1, 0), (2, 2), (3, 4)):
        for name in "Wb":
            here = f"{name}^{{{number}}}"
            np.testing.assert_allclose(seen[here], model.state.params[index][name])
            np.testing.assert_allclose(seen[f"d{here}"], dparams[index][name], rtol=1e-5, atol=1e-8)
            np.testing.assert_allclose(seen[rf"{here} \text{{ after}}"], moved.params[index][name], rtol=1e-5)
    np.testing.assert_allclose(seen["H^{3}"], model.predict(x), rtol=1e-5)


def test_every_array_of_every_line_is_shown(traced):
    for line in traced.lines:
        value = traced.values.get(line.array)
        if value is not None and line.phase != "update":
            assert value.shape == line.shape, line.text
        if line.shape is not None and not line.text.startswith("["):  # [dH¹, dH²] = dH³ are shown where they go
            assert traced.below(line), line.text


def test_the_notebook_runs_in_numpy_and_checks_itself(traced):
    written = json.loads(notebook(traced))
    assert (written["nbformat"], written["nbformat_minor"]) == (4, 4)
    names, printed = {}, io.StringIO()
    with contextlib.redirect_stdout(printed):
        for cell in written["cells"]:
            if cell["cell_type"] == "code":
                exec("".join(cell["source"]), names)
    final = "".join(written["cells"][-1]["source"])
    assert final.count("assert_allclose") == 1 + 2 * sum(line.phase == "update" for line in traced.lines)
    assert "deltarule" not in json.dumps(written)
    assert traced.lines[-1].latex in "".join("".join(cell["source"]) for cell in written["cells"])


def test_a_notebook_of_dense_layers_takes_nothing_from_the_step():
    source = notebook(trace(SMALL, (4, 3)))
    assert "as the step has it" not in source
    assert "dH2 = dH3 @ W3.T" in source
    assert "W1 = W1 - 0.1 * dW1" in source


def test_another_optimizers_update_is_taken_from_the_step():
    source = notebook(trace(SMALL, (4, 3), optimizer=dr.Adam()))
    assert source.count("as the step has it") == 6


def test_the_notebook_finds_a_number_that_is_not_the_steps():
    traced = trace(SMALL, (4, 3))
    traced = replace(traced, values=traced.values | {"dW^{1}": traced.values["dW^{1}"] + 0.01})
    cells = [cell for cell in json.loads(notebook(traced))["cells"] if cell["cell_type"] == "code"]
    names = {}
    with contextlib.redirect_stdout(io.StringIO()):
        for cell in cells[:-1]:
            exec("".join(cell["source"]), names)
        with pytest.raises(AssertionError):
            exec("".join(cells[-1]["source"]), names)


def test_text_stays_within_a_terminal_and_shows_numbers_or_statistics():
    text = trace(dr.Chain(dr.Dense(30), dr.ReLU(), dr.Dense(2)), (5, 3)).text()
    assert max(map(len, text.splitlines())) <= 80
    assert re.search(r"\(2\)  H¹ = max\(0, Z¹\) +∈ ℝ\^\{5×30\}\n +mean .*, zeros \d+%\n", text)


def test_a_page_and_json_hold_every_number():
    traced = trace(SMALL, (4, 3))
    assert traced._repr_html_().count("<pre>") == sum(bool(traced.below(line)) for line in traced.lines)
    told = json.loads(json.dumps(traced.to_json()))
    assert np.shape(told["values"]["dW^{1}"]) == (3, 4)


def test_the_same_seed_draws_the_same_and_what_is_given_is_taken():
    one, two, other = (trace(SMALL, (4, 3), seed=seed).values for seed in (1, 1, 2))
    np.testing.assert_array_equal(one["dW^{1}"], two["dW^{1}"])
    assert not np.allclose(one["dW^{1}"], other["dW^{1}"])
    x, y = np.arange(6.0).reshape(2, 3), [1, 2]
    given = trace(dr.Dense(1), x, y).values
    np.testing.assert_array_equal(given["X"], x)
    np.testing.assert_array_equal(given["T"], [[1], [2]])


@pytest.mark.parametrize(
    ("x", "y", "error", "words"),
    [
        (("M", 3), None, SettingError, r"trace: expected x as whole numbers, got \('M', 3\)"),
        ((4, 3, 1), None, ShapeError, "expected targets of the network's output shape"),
        (np.full((2, 3), np.nan), None, DataError, "NaN"),
        (np.ones((2, 3)), np.ones((3, 1)), ShapeError, r"expected targets .*\(2, 1\), got \(3, 1\)"),
    ],
)
def test_what_cannot_be_traced_is_said(x, y, error, words):
    with pytest.raises(error, match=words):
        trace(dr.Chain(dr.Dense(1)), x, np.ones(2) if np.ndim(x) == 1 else y)


@pytest.mark.parametrize(
    ("net", "settings", "message"),
    [
        ([dr.Dense(1)], {}, "trace: net must be a Layer, got .*write Dense"),
        (dr.Dense(1), {"loss": "mse"}, "trace: loss must be a Loss, got 'mse'"),
        (dr.Dense(1), {"optimizer": "sgd"}, "trace: optimizer must be an Optimizer, got 'sgd'"),
    ],
)
def test_a_part_of_another_kind_is_named(net, settings, message):
    with pytest.raises(SettingError, match=message):
        trace(net, (4, 3), **settings)
