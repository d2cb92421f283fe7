"""The interpreter: within the language it gives what NumPy gives, and no array is larger than was foreseen."""

import re

import numpy as np
import pytest

from deltarule.grade.functions import FUNCTIONS
from deltarule.grade.interpreter import MOST_NUMBERS, evaluate
from deltarule.grade.language import parse
from deltarule.grade.notation import Refused

AGREED = """
    A @ B - A.T.T @ B.T.T / 2; -A ** 2; (-A) ** 2; 2 ** -n; A - A - 1; A / 2 / 3; A // 0.3 % 2; n - (n - 1);
    (A > 0) * A; A <= B.T; A == A; A >= A; A > A; A < A; A <= A; A != B.T;
    sum(A, axis=1, keepdims=True); A.mean(0); A.max(); -A.min(axis=-1);
    outer(v, v); where(A > 0, A, 0); maximum(A, 0); A[1, 2]; A[:, None]; A[::-1, 1:3]; A[-1]; v[0:2];
    exp(A) ** 0.5; A.reshape(2, 6); A.reshape((4, 3)); np.sum(A * B.T); A.T[0] * v; v @ v; A.sum(axis=(0, 1))
"""


def test_the_interpreter_agrees_with_numpy():
    """Within the language our value is NumPy's: the interpreter is held to what the notation says."""
    rng = np.random.default_rng(0)
    values = {
        "A": rng.normal(size=(3, 4)),
        "B": rng.normal(size=(4, 3)),
        "v": rng.normal(size=3),
        "n": np.array(3.0),
    }
    functions = {name: getattr(np, name) for name in ("exp", "maximum", "outer", "where", "sum", "mean")}
    names = {**values, "np": np, **functions}
    for text in map(str.strip, AGREED.split(";")):
        ours = evaluate(parse(f"r = {text}")["r"].tree, values, {})
        theirs = np.asarray(eval(text, dict(names)), np.float64)
        assert ours.shape == theirs.shape, text
        assert np.array_equal(ours, theirs), text


def test_sums_over_indices_are_loops():
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(3, 4)), rng.normal(size=5)
    values = {"a": a, "b": b, "n": np.array(3.0)}
    for text, wanted in (
        ("sum(a[i, j] * b[j] for i in range(n) for j in range(4))", (a * b[:4]).sum()),
        ("sum(a[i, j] for j in range(1, 4) for i in range(j))", None),
        ("sum(b[i + 1] for i in range(5) if i < 4)", b[1:].sum()),
        ("sum(b[i] for i in range(5) if i > 0 and i != 2)", b[[1, 3, 4]].sum()),
        (
            "sum(sum(a[i, j] for j in range(4) if j > i) * b[i] for i in range(n))",
            (np.triu(a, 1).sum(1) * b[:3]).sum(),
        ),
        ("sum(i * 10 + j for i in range(2) for j in range(3))", 36),
        ("sum(1 for i in range(0))", 0),
    ):
        if wanted is None:
            with pytest.raises(Refused):
                evaluate(parse(f"r = {text}")["r"].tree, values, {})
        else:
            assert evaluate(parse(f"r = {text}")["r"].tree, values, {}) == pytest.approx(wanted)


def test_every_function_keeps_within_the_room_that_it_states():
    rng = np.random.default_rng(2)
    series, matrix = rng.normal(size=7), rng.normal(size=(3, 2))
    for name, function in FUNCTIONS.items():
        for x in (series, matrix):
            arguments = [x, np.array(2.0), np.array(1.0), np.array(1.0)][: function.arguments[0]]
            if name == "correlate":
                arguments = [x, series[:3], np.array(2.0)]
            if name in ("ones", "zeros", "eye"):
                arguments = [np.array(5.0)]
            room = function.room or (lambda *a: np.broadcast(*a).size if a[0] is not None else 0)
            try:
                with np.errstate(all="ignore"):
                    made = np.asarray(function.compute(*arguments))
            except ValueError:
                continue
            assert made.size <= room(*arguments) <= MOST_NUMBERS, name


@pytest.mark.parametrize(
    ("text", "kind", "words"),
    [
        ("ones((120, 120)) @ ones((120, 120))", "size", "more work than an answer needs"),
        ("ones((1, 128)) + ones((129, 1))", "size", "has 16512 numbers; at most 16384"),
        ("v ** 17", "size", "powers up to 16"),
        ("v[None, None, None, None]", "size", "has 5 axes; at most 4"),
        ("sum(v[j - 1] for j in range(3))", "index", "the index j - 1 is -1 somewhere, outside of 0 to 2"),
        ("sum(v[j / 2] for j in range(3))", "index", "the index j / 2 is 0.5 somewhere"),
        ("sum(v[j] for j in range(4))", "index", "the index j is 3 somewhere"),
        ("v + w", "name", "the name w is not known"),
        ("dsigma(v)", "name", "name the activation, as in dtanh"),
        ("sum(v.T[0] for j in range(2) for j in range(2))", "size", "there already"),
        ("log(0 * v)", "other", "not finite"),
        ("ones(2.5)", "shape", "expected one whole number"),
        ("outer(v, v)[j, 0]", "name", "the name j is not known"),
        ("sum(outer(v, v) for j in range(2))", "shape", "outer stands in a sum over indices"),
        ("correlate(v, ones(4))", "shape", "a kernel of 4 does not fit into a series of 3"),
        ("dilate(ones((2, 2)), 2)", "shape", "expected a series"),
        ("dilate(v, -1)", "shape", "expected a stride of at least 1"),
    ],
)
def test_what_has_no_value_is_refused_with_its_reason(text, kind, words):
    with pytest.raises(Refused, match=re.escape(words)) as refused:
        evaluate(parse(f"r = {text}")["r"].tree, {"v": np.ones(3)}, {})
    assert refused.value.kind == kind
