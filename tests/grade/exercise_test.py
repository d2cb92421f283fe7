"""Exercises: their keys are right by the layers' own derivatives, their sheets can be filled in, seeds repeat."""

import numpy as np
import pytest

from deltarule.errors import SettingError
from deltarule.grade import EXERCISES, chain, exercise, generate, grade
from deltarule.grade.chain import LOSSES
from deltarule.grade.exercise import draws_of
from deltarule.grade.functions import ACTIVATIONS


def shape(sizes, draw):
    return tuple(draw.sizes.get(size, size) for size in sizes)


def every_key(task):
    """The key in its first notation, its second, and so on."""
    for at in range(max(len(asked.lines) for asked in task.asked)):
        yield "\n".join(asked.lines[min(at, len(asked.lines) - 1)] for asked in task.asked)


@pytest.mark.parametrize("name", EXERCISES)
def test_keys_hold_and_shapes_are_those_of_the_sheet(name):
    task = exercise(name)
    for text in every_key(task):
        report = grade(text, name)
        assert report.score == 1, str(report)
    for draw in draws_of(task, 0):
        for stated in task.given:
            assert draw.known[stated.name].shape == shape(stated.shape, draw)
        for stated in task.asked:
            assert draw.reference[stated.name].shape == shape(stated.shape, draw)


def test_keys_of_generated_chains_hold():
    tasks = [generate(seed, 1 + seed) for seed in range(4)]
    assert {any(g.name == "X" for g in task.given) for task in tasks} == {True, False}
    for task in tasks:
        for text in every_key(task):
            assert grade(text, task).score == 1, (task.text, text)


def test_the_reference_of_a_chain_is_the_derivative_of_its_loss():
    """Central differences of the loss as the sheet states it, by every weight."""
    task = chain(("tanh", "softplus"), "squared error", outputs=True, batch=True)
    draw = draws_of(task, 0)[0]
    values = dict(draw.values)

    def loss(name, at, step):
        v = {key: array.copy() for key, array in values.items()}
        v[name][at] += step
        h1 = np.tanh(v["W1"] @ v["X"] + v["b1"])
        h2 = np.log1p(np.exp(v["W2"] @ h1 + v["b2"]))
        return ((v["Y"] - v["W3"] @ h2 - v["b3"]) ** 2).mean()

    for name in ("W1", "b1", "W2", "b2", "W3", "b3"):
        for at in np.ndindex(values[name].shape):
            slope = (loss(name, at, 1e-5) - loss(name, at, -1e-5)) / 2e-5
            assert slope == pytest.approx(draw.reference[f"d{name}"][at], abs=1e-8)


def test_lengths_differ_from_each_other_and_from_draw_to_draw():
    for task in (exercise("R1"), generate(1, 4)):
        first, second, *_ = (draw.sizes for draw in draws_of(task, 0))
        assert len(set(first.values())) == len(first)
        assert first != second


def test_the_same_seed_makes_the_same_exercise():
    assert generate(7, 3).sheet() == generate(7, 3).sheet()
    assert len({generate(seed, 3).sheet().split("\n", 1)[1] for seed in range(20)}) > 10
    one, other = draws_of(generate(7, 3), 1)[0], draws_of(generate(7, 3), 1)[0]
    assert all(np.array_equal(one.values[name], other.values[name]) for name in one.values)


@pytest.mark.parametrize("name", EXERCISES)
def test_a_sheet_is_an_answer_with_nothing_in_it(name):
    report = grade(exercise(name).sheet(), name)
    assert report.points == 0
    assert {mark.kind for mark in report.marks} == {"missing"}
    assert max(map(len, exercise(name).sheet().splitlines())) <= 110


def test_zero_initialisation_moves_the_last_bias_alone():
    draw = draws_of(exercise("R20"), 0)[0]
    assert draw.reference["db2"].any()
    assert not any(draw.reference[name].any() for name in ("dC", "db1", "dW"))
    assert draw.reference["b2_end"] == pytest.approx(draw.values["Y"].mean(keepdims=True))


def test_the_output_size_is_that_of_thirty_and_of_a_stride_that_does_not_divide():
    draws = draws_of(exercise("R23"), 0)
    rest = [(d["d"] - d["k"] + 2 * d["P"]) % d["s"] for d in (draw.sizes for draw in draws)]
    assert 0 in rest
    assert sum(map(bool, rest)) >= 3


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: exercise("R2"), "expected one of R1"),
        (lambda: chain(("swish",)), "swish"),
        (lambda: chain((), "hinge"), "'hinge'"),
        (lambda: chain((), "softmax cross-entropy"), "outputs=True"),
        (lambda: chain(("tanh",) * 6), "1 to 6"),
        (lambda: generate(-1), "seed of 0 or more"),
        (lambda: generate(0, 0), "depth of 1 to 6"),
    ],
)
def test_an_exercise_that_cannot_be_is_refused(make, words):
    with pytest.raises(SettingError, match=words):
        make()


def test_generated_exercises_meet_every_loss_and_activation():
    texts = "".join("\n".join(generate(seed, 4).text) for seed in range(40))
    assert all(name in texts for name in ACTIVATIONS)
    assert all(word in texts for word in ("softmax", "sigmoid(f)", "(Y - F)**2")), LOSSES
