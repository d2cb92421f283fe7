"""Planted faults: each is found, at its layer and parameter, and its cause is told; what is sound passes."""

import functools
import json
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

import deltarule as dr
from deltarule.errors import DataError, SettingError, ShapeError
from deltarule.inspect.check import check
from deltarule.inspect.laws import sentence
from faulty.gradients import LOSSES, PRODUCTS, SLOPES, STATISTICS
from faulty.others import CELLS, PASSES, STATEMENTS, unwritten
from faulty.plant import planted

FAULTS = PRODUCTS | SLOPES | STATISTICS | LOSSES | CELLS | PASSES | STATEMENTS
TWICE = FAULTS["twice"].net
found = functools.cache(check)


def findings(name):
    return found(FAULTS[name].net, FAULTS[name].x).findings


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_is_found_at_its_place(name):
    fault = FAULTS[name]
    assert {(each.path, each.law) for each in findings(name)} == {(fault.path, sentence(fault.law))}
    assert fault.parameter in [each.parameter for each in findings(name)]


def test_the_cause_is_told_of_four_in_five():
    missed = [
        name
        for name, fault in FAULTS.items()
        if not any(each.parameter == fault.parameter and fault.cause in each.cause for each in findings(name))
    ]
    print(
        f"\nof {len(FAULTS)} faults the cause is told of {len(FAULTS) - len(missed)}; not of: {', '.join(missed)}"
    )
    assert len(FAULTS) >= 30
    assert len(missed) <= 0.2 * len(FAULTS)


@pytest.mark.parametrize(
    ("net", "x"),
    [
        (dr.Chain(dr.Embedding(5, 3), dr.Recurrent(dr.SimpleRNN(4), last=True)), (2, 6)),
        (dr.Chain(dr.BatchNorm(), dr.ReLU(), dr.Dropout(0.3)), (4, 3)),
        (dr.SoftmaxCrossEntropy(), (5, 3)),
        (dr.BinaryCrossEntropy(), (5, 3)),
        (dr.Huber(), (5, 3)),
    ],
    ids=["codes", "statistics", "classes", "0 and 1", "numbers"],
)
def test_what_is_sound_passes(net, x):
    checked = check(net, x)
    assert checked.ok, str(checked)
    assert checked.laws


def test_a_large_batch_is_tried_on_few_examples_unlike_any_other_axis():
    checked = found(TWICE, (1024, 3))
    assert checked.x == (5, 3)  # 3 inputs, 4 outputs
    assert checked.notes == ("tried on 5 examples in place of 1024: no other axis is as long",)


def test_layers_that_are_alike_are_tried_once_and_each_is_told():
    (finding,) = found(dr.Chain(TWICE, dr.Chain(TWICE, dr.Tanh()), TWICE), (6, 4)).findings
    assert (finding.path, finding.also) == ("0", ("1.0", "2"))


def test_a_container_is_not_told_for_what_it_holds():
    checked = found(dr.Chain(dr.Chain(TWICE)), (6, 3))
    assert [each.path for each in checked.findings] == ["0.0"]
    assert [note.split(" is not")[0] for note in checked.notes[1:]] == ["layer 0, Chain()", "the whole network"]


def test_shapes_that_do_not_fit_are_said_with_the_layer_and_both_shapes():
    with pytest.raises(ShapeError, match=r"layer 1\.0, Convolution.*expected.*got \(6, 4\)"):
        check(dr.Chain(dr.Dense(4), dr.Chain(dr.Convolution(2, 3))), (6, 3))


@pytest.mark.parametrize(
    ("net", "x", "settings", "message"),
    [
        (dr.Tanh(), 784, {}, "check: expected x as a shape, .*got 784; write x="),
        (dr.Tanh(), np.zeros((4, 3)), {}, "give x.shape"),
        (dr.Tanh(), (4.0, 3), {}, r"whole numbers of at least 1, got \(4.0, 3\)"),
        (dr.Tanh(), (0, 3), {}, r"whole numbers of at least 1, got \(0, 3\)"),
        (dr.Tanh, (4, 3), {}, "check: net must be a Layer or a Loss"),
        (dr.Model(dr.Tanh(), dr.SquaredError()), (4, 3), {}, "give the model's own: model.net"),
        (dr.Tanh(), (4, 3), {"seed": "one"}, "check: seed must be a whole number of at least 0, got 'one'"),
    ],
)
def test_what_is_no_network_or_no_shape_is_named(net, x, settings, message):
    with pytest.raises(SettingError, match=message):
        check(net, x, **settings)


@pytest.mark.parametrize("method", ["shape", "init", "memory"])
def test_a_layer_that_cannot_be_laid_out_is_found(method):
    net = dr.Chain(dr.Dense(4), dr.Chain(planted(dr.Tanh(), **{method: lambda self, *x: unwritten(self, x)})))
    (finding,) = check(net, (6, 3)).findings
    assert (finding.path, finding.parameter, finding.got) == ("1.0", method, "NotImplementedError")


def test_a_loss_that_takes_no_target_is_said():
    def prepare(self, target, y):
        raise DataError("never")

    with pytest.raises(DataError, match=r"takes neither classes, numbers, .* of outputs \(5, 3\)"):
        check(planted(dr.SquaredError(), prepare=prepare), (5, 3))


def test_a_setting_that_does_not_hash_is_no_hindrance():
    layer = planted(dr.Tanh())
    vars(layer)["table"] = np.ones(3)
    assert check(dr.Chain(layer, layer), (5, 3)).ok


@pytest.mark.parametrize(("net", "x"), [(TWICE, (6, 3)), (dr.Tanh(), (5, 3))], ids=["broken", "sound"])
def test_it_is_told_to_a_person_to_a_program_and_to_a_page(net, x):
    checked = found(net, x)
    text = str(checked)
    assert max(map(len, text.splitlines())) <= 80
    assert json.loads(json.dumps(checked.to_json(), allow_nan=False))["ok"] == checked.ok
    page = " ".join(ElementTree.fromstring(f"<div>{checked._repr_html_()}</div>").itertext())
    for each in (text, page):
        assert ("✗" in each, "✓" in each) == (not checked.ok, checked.ok)
        assert ("likely cause: a factor 2" in each) == (not checked.ok)


def test_numbers_that_are_none_are_told_to_a_program_too():
    (finding,) = findings("no number")
    assert np.isnan(finding.got)
    assert found(FAULTS["no number"].net, FAULTS["no number"].x).to_json()["findings"][0]["got"] == "nan"


def test_a_wide_recurrent_layer_is_sound_over_many_steps():
    assert check(dr.Recurrent(dr.GRU(64)), (2, 17, 6)).ok
