"""Minibatches that are made outside train to the same numbers as arrays do, in their own order and sizes."""

import itertools

import numpy as np
import pytest

import deltarule as dr
from deltarule.data.batches import STEPS, Batches
from deltarule.training.streaming import chunk_program


def model(*layers, loss=None, seed=3):
    net = dr.Chain(dr.Dense(7), *layers, dr.Dense(3))
    return dr.Model(net, loss=loss or dr.SoftmaxCrossEntropy(), optimizer=dr.Adam(1e-2), seed=seed)


def problem(n=46, classes=3):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(n, 5)).astype(np.float32)
    return x, rng.integers(classes, size=n), rng.uniform(0.5, 2, n).astype(np.float32)


def cut(*arrays, size=8):
    """Batches of the arrays, in order; the last one is smaller."""
    return [tuple(a[at : at + size] for a in arrays) for at in range(0, len(arrays[0]), size)]


@pytest.mark.parametrize("layer", [dr.Tanh(), dr.BatchNorm()], ids=["each by itself", "mixed"])
@pytest.mark.parametrize("weighted", [False, True])
def test_batches_train_to_what_arrays_in_their_order_do(layer, weighted):
    x, y, weight = problem()
    given = (x, y, weight) if weighted else (x, y)
    ours, theirs = model(layer), model(layer)
    settings = {"epochs": 3, "progress": False}
    history = ours.fit(cut(*given), **settings)
    expected = theirs.fit(x, y, batch_size=8, order="none", sample_weight=weight if weighted else None, **settings)
    np.testing.assert_allclose(history["loss"], expected["loss"], rtol=1e-5)
    np.testing.assert_allclose(ours.predict(x), theirs.predict(x), rtol=2e-4, atol=1e-6)
    got, wanted = ours.evaluate(cut(*given)), theirs.evaluate(x, y, weight if weighted else None)
    np.testing.assert_allclose(list(got.values()), list(wanted.values()), rtol=1e-4)


def test_sizes_may_differ_in_any_order():
    x, y, _ = problem(40)
    ends = [0, 3, 11, 16, 24, 25, 40]
    batches = [(x[a:b], y[a:b]) for a, b in itertools.pairwise(ends)]
    chunks = [(chunk.examples, chunk.steps, chunk.size) for chunk in Batches(batches).chunks(0)]
    assert chunks == [(3, 1, 3), (13, 2, 8), (9, 2, 8), (15, 1, 15)]
    ours, one_by_one = model(), model()
    ours.fit(batches, epochs=1, progress=False)
    for a, b in itertools.pairwise(ends):
        one_by_one.fit(x[a:b], y[a:b], epochs=1, batch_size=b - a, order="none", progress=False)
    np.testing.assert_allclose(ours.predict(x), one_by_one.predict(x), rtol=2e-4, atol=1e-6)


def test_many_batches_are_one_program():
    x, y, _ = problem(8 * (STEPS + 5) + 3)
    ours = model(dr.Sigmoid())
    ours.fit(cut(x, y), epochs=2, validation=cut(x, y, size=20), progress=False)
    assert chunk_program(ours.step().structure())._cache_size() == 1
    assert int(ours.state.step) == 2 * (STEPS + 6)
    assert np.isfinite(ours.history["validation_loss"]).all()


def test_a_source_may_have_names_be_a_function_or_last_one_epoch():
    x, y, _ = problem()
    plain, named, made, once = (model() for _ in range(4))
    plain.fit(cut(x, y), epochs=2, progress=False)
    named.fit([{"x": x, "label": y} for x, y in cut(x, y)], epochs=2, progress=False)
    made.fit(lambda: iter(cut(x, y)), epochs=2, progress=False)
    for other in (named, made):
        np.testing.assert_array_equal(plain.predict(x), other.predict(x))
    columns = [{**{name: x[:, i] for i, name in enumerate("abcde")}, "label": y} for x, y in cut(x, y)]
    once.fit(iter(columns), epochs=1, progress=False)
    assert once.history["loss"] == plain.history["loss"][:1]
    with pytest.raises(dr.SettingError, match="an iterator of batches lasts for one epoch"):
        once.fit(iter(cut(x, y)), epochs=2, progress=False)


def test_a_run_over_batches_goes_on_bit_for_bit(tmp_path):
    x, y, _ = problem()
    whole, cut_short = model(), model()
    whole.fit(cut(x, y), epochs=4, progress=False)
    cut_short.fit(cut(x, y), epochs=2, progress=False, checkpoint=tmp_path)
    again = model()
    again.fit(cut(x, y), epochs=4, progress=False, checkpoint=tmp_path, resume=True)
    np.testing.assert_array_equal(again.predict(x), whole.predict(x))


@pytest.mark.parametrize(
    ("given", "settings", "says"),
    [
        ([], {}, "expected targets y"),
        (iter([]), {}, "there is none"),
        (lambda: 3, {}, "what it gave is of the type int; let it yield them"),
        ([(np.float32(3), np.float32(3))], {}, "batch 0: x: expected an array of examples"),
        ([(np.zeros((4, 5)),)], {}, "batch 0: expected arrays"),
        ([(np.zeros((4, 5)), np.zeros(3, int))], {}, "batch 0: x and y: expected one target"),
        ([(np.full((4, 5), np.nan), np.zeros(4, int))], {}, "batch 0: x: expected finite"),
        ([{"x": np.zeros((4, 5)), "z": np.zeros(4)}], {}, "expected one of the names y, label"),
        ([{"x": np.zeros((4, 5)), "z": np.zeros(4), "y": np.zeros(4)}], {}, "x: expected a number for each"),
        ([(np.zeros((4, 5)), np.zeros(4, int)), (np.zeros((4, 6)), np.zeros(4, int))], {}, "batches of examples"),
        ("good", {"batch_size": 4}, "batch_size cannot be said of batches"),
        ("good", {"order": "none", "devices": 2}, "devices, order cannot be said of batches"),
        ("good", {"validation": 0.2}, "no share to hold out"),
        ("good", {"lengths": [3, 3]}, "go with arrays x and y"),
        ("good", {"window": 3}, "window goes with sequences"),
    ],
)
def test_batches_that_cannot_be_are_refused(given, settings, says):
    x, y, _ = problem()
    with pytest.raises((dr.DataError, dr.ShapeError, dr.SettingError), match=says):
        model().fit(cut(x, y) if given == "good" else given, progress=False, **settings)


def test_batches_of_other_examples_than_in_training_are_refused():
    x, y, _ = problem()
    ours = model()
    ours.fit(x, y, epochs=1, progress=False)
    with pytest.raises(dr.ShapeError, match=r"examples of shape \(5,\), as in training"):
        ours.fit(cut(x[:, :4], y), progress=False)
    with pytest.raises(dr.ShapeError, match=r"examples of shape \(5,\), as in training"):
        ours.evaluate(cut(x[:, :4], y))


@pytest.mark.torch
def test_a_data_loader_is_taken_as_it_is(torch):
    x, y, _ = problem()
    data = torch.utils.data.TensorDataset(torch.from_numpy(x), torch.from_numpy(y))
    ours, theirs = model(), model()
    loader = torch.utils.data.DataLoader(data, batch_size=8)
    history = ours.fit(loader, epochs=2, validation=loader, progress=False)
    theirs.fit(cut(x, y), epochs=2, progress=False)
    np.testing.assert_array_equal(ours.predict(x), theirs.predict(x))
    assert Batches(loader).examples == len(x)
    torch.manual_seed(0)
    shuffled = torch.utils.data.DataLoader(data, batch_size=8, shuffle=True)
    history = ours.fit(shuffled, epochs=3, progress=False)
    assert history["loss"][-1] < history["loss"][0]
