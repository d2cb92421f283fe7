"""Marks: each equation for itself, errors that are not passed on, and what an answer's lines may rest on."""

import re

import pytest

from deltarule.errors import FileError, SettingError
from deltarule.grade import exercise, generate, grade

R1 = exercise("R1").key()
NOTATIONS = [
    ("R1", "d4", "-2 * (y - f)"),
    ("R1", "d4", "2 * f - 2 * y"),
    ("R1", "d4", "(f - y) + (f - y)"),
    ("R1", "dW3", "np.outer(d4, H2)"),
    ("R1", "dW3", "(H2 @ d4).T"),
    ("R1", "dW3", "d4 * H2.T"),
    ("R1", "dW3", "np.matmul(d4, np.transpose(H2))"),
    ("R1", "d3", "(1 - tanh(Z2) ** 2) * (W3.T @ d4)"),
    ("R1", "d3", "(W3 * d4).T * (1 - np.square(H2))"),
    ("R1", "d3", "diag(1 - H2 ** 2) @ W3.T @ d4"),
    ("R1", "d3", "(d4 @ W3 * dtanh(Z2).T).T"),
    ("R1", "d3", "W3.T.dot(d4) * (1 - H2) * (1 + H2)"),
    ("R1", "d3", "W3.T @ (2 * (f - y)) * 4 / (exp(Z2) + exp(-Z2)) ** 2"),
    ("R1", "d3", "W3.T @ d4 * (Z2 * Z2 > -1).astype(float) * dsigma(Z2)"),
    ("R1", "δ3", "W3.T @ δ4 * dσ(Z2)"),
    ("R1", "db2", "W3.T @ d4 * dsigma(Z2)"),
    ("R1", "db2", "d3.sum(axis=1, keepdims=True)"),
    ("R1", "dW2", "d3 * H1[:, 0][None, :]"),
    ("R1", "dW1", "d2 * x.reshape(1, d)"),
    ("R9", "P", "1 / sum(exp(Z[None, :, :] - Z[:, None, :]), axis=1)"),
    ("R9", "P", "exp(Z) / (ones((K, K)) @ exp(Z))"),
    ("R9", "P", "exp(Z) / exp(Z).sum(0, keepdims=True)"),
    ("R9", "dZ", "P / M - Y / M"),
    ("R9", "dS", "P * G - P * (P * G).sum(axis=0)"),
    ("R9", "dS", "P * (G - ones((1, K)) @ (G * P))"),
    ("R17", "var", "mean(Z ** 2, axis=1, keepdims=True) - mu ** 2"),
    ("R17", "var", "mean(Z * Z, axis=1, keepdims=True) - mean(Z, axis=1, keepdims=True) ** 2"),
    ("R17", "dbeta", "dY @ ones((M, 1))"),
    ("R17", "dgamma", "(dY * (Z - mu)).sum(axis=1, keepdims=True) * (var + eps) ** -0.5"),
    ("R17", "dZ", "gamma / (M * sqrt(var + eps)) * (M * dY - dbeta - Zhat * dgamma)"),
    (
        "R17",
        "dZ",
        "gamma * (dY - mean(dY, 1, keepdims=True) - Zhat * mean(dY * Zhat, -1, keepdims=True)) / sqrt(var + eps)",
    ),
    ("R20", "dW", "zeros((h, d))"),
    ("R20", "dW", "0 * W"),
    ("R20", "b2_end", "(Y @ ones((M, 1))) / M"),
    ("R20", "db2", "-2 * mean(Y, axis=1, keepdims=True)"),
    ("R22", "db", "sum(dZ[j] for j in range(e))"),
    ("R22", "dK[m]", "sum(X[j * s + m - P] * dZ[j] for j in range(e) if 0 <= j * s + m - P < d)"),
    ("R22", "dK", "correlate(pad(X, P), dilate(dZ, s))[0:k]"),
    (
        "R22",
        "dX[q]",
        "sum(K[q + P - j * s] * dZ[j] for j in range(e) if 0 <= q + P - j * s and q + P - j * s < k)",
    ),
    (
        "R22",
        "dX[q]",
        "sum(K[m] * dZ[(q + P - m) // s] for m in range(k) if (q + P - m) % s == 0 and 0 <= (q + P - m) // s < e)",
    ),
    ("R22-channels", "db", "dZ.sum(axis=0)"),
    (
        "R22-channels",
        "dX[i, a]",
        "sum(K[m, a, n] * dZ[j, n] for j in range(e) for m in range(k) if j * s + m == i + P for n in range(o))",
    ),
    ("R23", "e", "(d - k + 2 * P) // s + 1"),
    ("R23", "e", "(d + 2 * P - k + s) // s"),
    ("R23", "e", "1 + floor((d + P + P - k) / s)"),
    ("R23", "P_same", "(k - 1) * 0.5"),
]


@pytest.mark.parametrize(("name", "left", "right"), NOTATIONS)
def test_a_right_answer_is_right_in_any_notation(name, left, right):
    task = exercise(name)
    plain = left.split("[")[0].replace("δ", "d")
    lines = [f"{left} = {right}" if asked.name == plain else asked.lines[0] for asked in task.asked]
    report = grade("\n".join(lines), task, seed=3)
    assert report.score == 1, str(report)
    assert report[plain].kind == "holds"


def replaced(name, right, before=""):
    lines = [f"{name} = {right}" if line.startswith(f"{name} =") else line for line in R1.splitlines()]
    return before + "\n".join(lines)


def test_an_error_is_not_passed_on():
    report = grade(replaced("d3", "W3.T @ d4"), "R1")
    assert [mark.name for mark in report.marks if not mark.holds] == ["d3"]
    assert (report.points, report.max_points, report["d3"].max_points) == (10, 12, 2)
    assert report.score == pytest.approx(10 / 12)


def test_what_is_right_with_an_own_earlier_error_counts():
    text = replaced("d3", "W3.T @ d4").replace("d2 = W2.T @ d3", "d2 = W2.T @ (d3 * dsigma(Z2))")
    report = grade(text, "R1")
    assert (report["d3"].kind, report["d2"].kind, report["d2"].detail) == (
        "missing term",
        "follows",
        "follows from your d3",
    )
    text = replaced("d3", "(W3.T @ d4).T").replace("dW2 = d3 @", "dW2 = d3.T @").replace("db2 = d3", "db2 = d3.T")
    report = grade(text, "R1")
    assert not report["d3"].holds
    assert [report[name].kind for name in ("dW2", "db2")] == ["follows", "follows"]
    assert report["d2"].kind == "holds"


def test_nothing_follows_from_an_own_answer_that_is_zero():
    text = (
        replaced("d3", "0 * Z2").replace("db2 = d3", "db2 = 3 * d3 ** 2").replace("dW2 = d3 @", "dW2 = d3 * d3 @")
    )
    report = grade(text, "R1")
    assert not report["db2"].holds
    assert not report["dW2"].holds


def test_helpers_are_put_in():
    text = replaced("d3", "back * slope", "slope = 1 - H2 ** 2\n").replace("d3 =", "back = W3.T @ d4\nd3 =")
    assert grade(text, "R1").score == 1
    wrong = text.replace("H2 ** 2", "H1 ** 2")
    mark = grade(wrong, "R1")["d3"]
    assert mark.kind == "variable"
    assert mark.detail.startswith("H1 where H2 belongs; ")


def test_a_later_answer_may_not_be_taken_for_granted():
    """db2 = δ³: whoever leaves db2 blank must not get δ³ from it."""
    lines = R1.splitlines()
    rest = [line for line in lines if not line.startswith(("d3 =", "db2 ="))]
    at = next(i for i, line in enumerate(rest) if line.startswith("dW2"))
    for above, kind in (("db2 = ...", "missing"), ("", "name"), ("db2 = 2 * W3.T @ d4", "factor")):
        text = "\n".join([*rest[:at], above, "d3 = db2", *rest[at:]])
        assert grade(text, "R1")["d3"].kind != "holds", kind
    text = "\n".join([*rest[:at], "db2 = W3.T @ d4 * dsigma(Z2)", "d3 = db2", *rest[at:]])
    assert grade(text, "R1").score == 1
    assert not grade("d3 = d3", "R1")["d3"].holds


def test_blanks_cost_their_own_points_alone():
    report = grade(replaced("d3", "..."), "R1")
    assert report["d3"].kind == "missing"
    assert report.points == 10
    for meant, line in (("dW_3", 3), ("dw3", 3)):
        report = grade(R1.replace("dW3 =", f"{meant} ="), "R1")
        assert report["dW3"].detail == f"no answer; expected a line dW3 = ...; is {meant} in line {line} meant?"


@pytest.mark.parametrize("right", ["", "   # I do not know", "\t"])
def test_nothing_behind_the_sign_is_a_blank(right):
    report = grade(replaced("d3", right), "R1")
    assert (report["d3"].kind, report["d3"].line, report.points) == ("missing", 4, 10)


@pytest.mark.parametrize(
    "right",
    ["2(f - y", "= 2", "1 +", "2W3", "(1", "σ'(Z2)", '"""', "W3 · d4", "W3.T·d4", "(" * 250 + "1" + ")" * 250],
)
def test_a_line_that_cannot_be_read_costs_its_own_points(right):
    report = grade(replaced("d3", right), "R1")
    assert (report["d3"].kind, report["d3"].line, report.points) == ("language", 4, 10)
    assert re.search("line 4: .* cannot be read .*; write it as NumPy would have it", report["d3"].detail)


def test_a_name_may_not_be_stated_twice_because_one_line_cannot_be_read():
    with pytest.raises(FileError, match="line 2: d3 is stated twice, first in line 1"):
        grade("d3 = 2(\nd3 = 2", "R1")


def test_indents_line_ends_and_typeset_signs_are_taken_as_they_are_meant():
    assert grade("".join(f"  {line}\r\n" for line in R1.splitlines()), "R1").score == 1
    text = replaced("d4", "−2*(y − f)").replace("W3.T @ d4 *", "W₃ᵀ @ δ₄ ⊙").replace("dW3", "∂W₃")
    report = grade(text.replace("dsigma(Z2)", "(1 − H2²)"), "R1")
    assert report.score == 1, str(report)


@pytest.mark.parametrize(
    ("right", "kind", "words"),
    [
        ("W3.T @ d4 * dsigma(Z3)", "name", "line 4: the name Z3 is not known; .*is .. meant"),
        ("W3.T @ later", "name", "line 4: later is stated below, in line 10"),
        ("db1 + 0", "name", "line 4: db1 is stated below"),
        ("W3.T @ d4 * np.random.rand(4)", "language", "line 4: .*outside the language"),
        ("W3.T ^ 2", "language", r"a power is written \*\*"),
        ("fourier(Z2)", "language", "the functions are .*dtanh"),
        ("W3 @ W3 @ d4", "shape", "have no matrix product"),
        ("W3.T @ d4 + W1", "shape", "do not fit each other"),
        ("d4 / 0", "other", "not finite"),
        ("2e9 * W3.T", "size", r"line 4: expected numbers up to 1e\+09"),
        ("2(f - y)", "language", "a product is written with a sign"),
        ("W3.T(d4)", "language", "a product is written with a sign"),
        ("f" + " < f" * 500, "language", "outside the language"),
        ("9" * 4000, "size", r"expected numbers up to 1e\+09"),
        ("-0x" + "f" * 10000, "size", r"expected numbers up to 1e\+09"),
        ("W3.T * d3", "name", "line 4: d3 rests on itself"),
        ("w3.T * d4", "name", "the name w3 is not known.*is W3 meant"),
        (
            "sum(j for i in range(5) for j in range(i))",
            "index",
            "runs by another index, i; .*if j < i",
        ),
        ("maximum(Z2)", "language", "maximum: expected 2 arguments, got 1"),
        ("sum(Z2, axis=7)", "language", "an axis is a whole number"),
        ("Z2[9]", "shape", "out of bounds"),
        ("sum(Z2[j, 0] for j in range(9))", "index", "outside of 0 to"),
        ("sum(Z2[j] for j in range(2))", "shape", "expected 2 indices"),
        ("sum(Z2[x, 0] for x in range(2))", "name", "the index x is a name already"),
        ("sum(Z2 for j in range(2))", "shape", r"write Z2\[...\]"),
    ],
)
def test_what_is_wrong_with_one_equation_is_told_with_its_line(right, kind, words):
    mark = grade(replaced("d3", right) + "\nlater = 1", "R1")["d3"]
    assert not mark.holds
    assert mark.kind == kind
    assert re.search(words, mark.detail), mark.detail


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("d4 = 1\nd4 = 2", "line 2: d4 is stated twice, first in line 1"),
        ("W1 = 2", "line 1: W1 is given"),
        ("exp = 2", "line 1: exp is given"),
        ("h1 = 2", "line 1: h1 is given"),
        ("import os", "line 1: expected name = expression, got an import"),
        ("\nd4 += 1", "line 2: .*an assignment that adds"),
        ("f(1)", "an expression without a name"),
        ("def f(): pass", "a function of its own"),
        ("a, b = 1, 2", "several names"),
        ("a.b = 1", "several names, or an item"),
        ("the rest I do not know", "line 1: expected a line such as"),
        ("d4 == = 2", "line 1: expected a line such as"),
        ("d4 = 2\n  3 +", "line 2"),
        ("if 1:\nd4 = 2", "line 1: .* an indented block"),
        ("d4 = '\0'", "is no text"),
        ("d4 = '\ud800'", "is no text"),
        ("d4 = " + "-" * 5000 + "1", "deep"),
        ("\n".join(f"a{i} = (" for i in range(300)), "is no text"),
        ("d4 = " + "+".join(["1"] * 500), "too long or nested"),
        ("d4 = " + "[" * 90 + "]" * 90, "too long or nested"),
        ("\n".join(f"a{i} = 1" for i in range(101)), "at most 100 lines"),
        ("# " + "x" * 20000, "at most 16384 bytes"),
    ],
)
def test_a_file_that_is_no_answer_is_refused(text, words):
    with pytest.raises(FileError, match=words):
        grade(text, "R1")


def test_where_numbers_part_is_told():
    mark = grade(replaced("d3", "-W3.T @ d4 * dsigma(Z2)"), "R1")["d3"]
    assert (mark.kind, mark.factor, mark.index) == ("factor", "−1", (0, 0))
    assert mark.expected is not None
    assert mark.got == pytest.approx(-mark.expected)
    assert mark.said.startswith("factor: it is −1 times the right value; d3[0, 0]: expected ")
    mark = grade(replaced("d3", "d4 @ W3"), "R1")["d3"]
    assert (mark.shape, mark.got_shape) == ((4, 1), (1, 4))
    assert "expected the shape (4, 1), got the shape (1, 4) (at d = 5, h1 = 3, h2 = 4)" in mark.said


def test_the_report_speaks_to_autograders_and_notebooks():
    report = grade(replaced("d3", "W3.T @ d4"), "R1")
    told = report.to_json()
    assert [(t["name"], t["score"], t["max_score"]) for t in told["tests"]][3] == ("d3", 0, 2)
    assert (told["points"], told["max_points"], told["fraction"]) == (10, 12, pytest.approx(10 / 12))
    assert told["equations"][3]["kind"] == "missing term"
    assert "score" not in told  # Gradescope would take it for the sum of the tests
    assert "<td>✗</td><td>0/2</td><td>missing term: dsigma(Z2) is left out" in report._repr_html_()
    assert str(report).splitlines()[3].startswith("✗ d3   0/2  missing term")
    assert "&lt;" in grade(replaced("d3", "W3.T @ d4 * (Z2 < 0)"), "R1")._repr_html_()


def test_a_mean_over_a_batch_is_missed_by_its_name():
    task = next(t for t in map(generate, range(20)) if t.given[0].name == "X")
    top = task.asked[0]
    mark = grade(f"{top.name} = M * ({top.keys[0]})", task)[top.name]
    assert (mark.kind, mark.factor) == ("factor", "M")


def test_almost_right_is_wrong():
    """A number that is off in its eighth place, and a length that is right on the first draw alone."""
    assert not grade("d4 = 2.0000001 * (f - y)", "R1")["d4"].holds
    mark = grade("mu = sum(Z, axis=1, keepdims=True) / 5", "R17")["mu"]
    assert not mark.holds
    assert mark.sizes["M"] == 7
    assert not grade("e = (d - k + 2 * P) / s + 1", "R23")["e"].holds


def test_a_zero_of_another_shape_is_no_missing_term():
    mark = grade("dC = 0", "R20")["dC"]
    assert mark.kind == "shape"
    assert "the right numbers in another shape; expected the shape (1, 4), got a number" in mark.said


def test_a_negative_seed_and_a_mark_that_is_none_are_told():
    with pytest.raises(SettingError, match="expected a seed of 0 or more, got -1"):
        grade(R1, "R1", seed=-1)
    with pytest.raises(KeyError, match="d9"):
        grade(R1, "R1")["d9"]
