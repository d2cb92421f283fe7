"""Wrong answers, planted one at a time: every one is caught, and its kind is named."""

from pathlib import Path

from deltarule.grade import exercise, generate, grade

MEAN = "mean(Z, axis=1, keepdims=True)"
MEAN_DY = "mean(dY, axis=1, keepdims=True)"
SLIDE = "for m in range(k) for j in range(e)"
LONG = (
    "gamma * dY / sqrt(var + eps)"
    " - sum(gamma * dY, axis=1, keepdims=True) / sqrt(var + eps) / M"
    " - sum(gamma * dY * (Z - mu), axis=1, keepdims=True) * (Z - mu) / (var + eps) ** 1.5 / M"
)
PLANTED = [
    # exercise, equation, wrong answer, kind
    ("R1", "d4", "f - y", "factor"),
    ("R1", "d4", "2 * (y - f)", "factor"),
    ("R1", "d4", "(f - y) ** 2", "function"),
    ("R1", "d4", "2 * (f + y)", "factor"),
    ("R1", "d4", "2 * f", "missing term"),
    ("R1", "db3", "-d4", "factor"),
    ("R1", "db3", "0 * d4", "missing term"),
    ("R1", "dW3", "d4 * H2", "transpose"),
    ("R1", "dW3", "H2 @ d4", "transpose"),
    ("R1", "dW3", "d4 @ H1.T", "variable"),
    ("R1", "dW3", "d4 @ Z2.T", "variable"),
    ("R1", "dW3", "(2 * (f - y)) @ H2", "transpose"),
    ("R1", "d3", "W3.T @ d4", "missing term"),
    ("R1", "d3", "W3 @ d4 * (1 - H2 ** 2)", "transpose"),
    ("R1", "d3", "W3.T @ d4 * dtanh(Z1)", "variable"),
    ("R1", "d3", "W3.T @ d4 * tanh(Z2)", "function"),
    ("R1", "d3", "W3.T @ d4 * (1 - H2)", "function"),
    ("R1", "d3", "W3.T @ d4 * (1 + H2 ** 2)", "factor"),
    ("R1", "d3", "W3.T @ d4 * dsigma(H2)", "variable"),
    ("R1", "d3", "W3.T @ d4 * dsigma(Z2) * H2", "extra term"),
    ("R1", "d3", "(W3.T @ d4 * dsigma(Z2)).T", "transpose"),
    ("R1", "d3", "d4 * W3 * dsigma(Z2).T", "transpose"),
    ("R1", "db2", "d4", "variable"),
    ("R1", "db2", "d3.sum()", "axis"),
    ("R1", "dW2", "H1 @ d3.T", "transpose"),
    ("R1", "dW2", "d3 @ H2.T", "variable"),
    ("R1", "dW2", "d3 @ Z1.T", "variable"),
    ("R1", "dW2", "W3.T @ d4 @ H1.T", "missing term"),
    ("R1", "d2", "W2 @ d3 * dsigma(Z1)", "transpose"),
    ("R1", "d2", "W2.T @ d3 * dsigma(Z2)", "variable"),
    ("R1", "d2", "W2.T @ d3 * dsigma(Z1) + b1", "extra term"),
    ("R1", "d2", "2 * W2.T @ d3 * dsigma(Z1)", "factor"),
    ("R1", "dW1", "d2 @ H1.T", "variable"),
    ("R1", "dW1", "d2 * x", "transpose"),
    ("R1", "dW1", "np.outer(x, d2)", "transpose"),
    ("R9", "P", "exp(Z) / (sum(exp(Z), axis=0, keepdims=True) - exp(Z))", "extra term"),
    ("R9", "P", "exp(Z) / sum(exp(Z), axis=1, keepdims=True)", "axis"),
    ("R9", "P", "exp(Z) / sum(exp(Z))", "axis"),
    ("R9", "P", "exp(Z) / exp(sum(Z, axis=0, keepdims=True))", "function"),
    ("R9", "P", "exp(-Z) / sum(exp(-Z), axis=0, keepdims=True)", "factor"),
    ("R9", "P", "Z / sum(Z, axis=0, keepdims=True)", "function"),
    ("R9", "dZ", "P - Y", "factor"),
    ("R9", "dZ", "(Y - P) / M", "factor"),
    ("R9", "dZ", "(P - Y) / K", "variable"),
    ("R9", "dZ", "-Y / P / M", "other"),
    ("R9", "dZ", "P * (1 - P) / M", "function"),
    ("R9", "dZ", "(P - Y) * P * (1 - P) / M", "extra term"),
    ("R9", "dS", "P * (1 - P) * G", "axis"),
    ("R9", "dS", "P * G", "missing term"),
    ("R9", "dS", "P * (G - sum(G * P, axis=1, keepdims=True))", "axis"),
    ("R9", "dS", "P * (G - sum(G, axis=0, keepdims=True))", "missing term"),
    ("R9", "dS", "P * (G + sum(G * P, axis=0, keepdims=True))", "factor"),
    ("R9", "dS", "G - sum(G * P, axis=0, keepdims=True)", "missing term"),
    ("R17", "mu", "sum(Z, axis=1, keepdims=True)", "factor"),
    ("R17", "mu", "mean(Z, axis=0, keepdims=True)", "axis"),
    ("R17", "mu", "mean(Z, axis=1)", "shape"),
    ("R17", "var", f"mean(Z - {MEAN}, axis=1, keepdims=True)", "function"),
    ("R17", "var", "sum((Z - mu) ** 2, axis=1, keepdims=True) / (M - 1)", "extra term"),
    ("R17", "var", "mean(Z ** 2, axis=1, keepdims=True)", "missing term"),
    ("R17", "Zhat", "(Z - mu) / sqrt(var)", "missing term"),
    ("R17", "Zhat", "(Z - mu) / (var + eps)", "function"),
    ("R17", "Zhat", "(Z - mu) / (sqrt(var) + eps)", "brackets"),
    ("R17", "Zhat", "Z / sqrt(var + eps)", "missing term"),
    ("R17", "Y", "gamma * Zhat", "missing term"),
    ("R17", "Y", "gamma * Z + beta", "variable"),
    ("R17", "Y", "beta * Zhat + gamma", "variable"),
    ("R17", "dbeta", "sum(dY, axis=0, keepdims=True)", "axis"),
    ("R17", "dbeta", "mean(dY, axis=1, keepdims=True)", "factor"),
    ("R17", "dbeta", "dY", "axis"),
    ("R17", "dbeta", "dY.sum(axis=1)", "shape"),
    ("R17", "dgamma", "sum(dY * Z, axis=1, keepdims=True)", "variable"),
    ("R17", "dgamma", "sum(dY, axis=1, keepdims=True)", "missing term"),
    ("R17", "dZ", "gamma * dY / sqrt(var + eps)", "missing term"),
    ("R17", "dZ", "gamma / sqrt(var + eps) * (dY - Zhat * dgamma / M)", "missing term"),
    ("R17", "dZ", "gamma / sqrt(var + eps) * (dY - dbeta / M)", "missing term"),
    ("R17", "dZ", "gamma / sqrt(var + eps) * (dY - mean(dY, axis=1, keepdims=True))", "missing term"),
    ("R17", "dZ", "1 / sqrt(var + eps) * (dY - dbeta / M - Zhat * dgamma / M)", "missing term"),
    ("R17", "dZ", "gamma / sqrt(var + eps) * (dY - dbeta - Zhat * dgamma)", "missing term"),
    ("R17", "dZ", "gamma / sqrt(var + eps) * (dY - dbeta / M + Zhat * dgamma / M)", "factor"),
    ("R17", "dZ", "gamma / sqrt(var + eps) * (dY - dbeta / M - Z * dgamma / M)", "variable"),
    ("R17", "dZ", "gamma / (var + eps) * (dY - dbeta / M - Zhat * dgamma / M)", "function"),
    ("R17", "dZ", "gamma * sqrt(var + eps) * (dY - dbeta / M - Zhat * dgamma / M)", "function"),
    ("R17", "dZ", LONG.replace("1.5", "0.5"), "factor"),
    ("R17", "dZ", LONG.replace(" / M - sum(gamma * dY *", " / M + sum(gamma * dY *"), "factor"),
    ("R20", "db2", "zeros((1, 1))", "missing term"),
    ("R20", "db2", "mean(d3, axis=1, keepdims=True)", "factor"),
    ("R20", "dW", "d3.T @ ones((1, d))", "shape"),
    ("R20", "dC", "ones((1, h))", "other"),
    ("R20", "b2_end", "zeros((1, 1))", "missing term"),
    ("R20", "b2_end", "sum(Y, axis=1, keepdims=True)", "factor"),
    ("R20", "d3", "2 * (F - Y)", "factor"),
    ("R22", "Z", "correlate(X, flip(K), s, P) + b", "function"),
    ("R22", "Z", "correlate(X, K, s, P)", "missing term"),
    ("R22", "Z", "sum(K[m] * Xhat[j + m] for m in range(k)) + b", "missing term"),
    ("R22", "db", "mean(dZ)", "factor"),
    ("R22", "db", "dZ", "axis"),
    ("R22", "dK", "sum(Xhat[j + m] * dZ[j] for j in range(e))", "missing term"),
    ("R22", "dK", "flip(correlate(Xhat, dilate(dZ, s))[:k])", "function"),
    ("R22", "dK", "correlate(Xhat, dilate(dZ, s))[:k] / e", "factor"),
    ("R22", "dK", "correlate(Xhat, dZ)[:k]", "function"),
    ("R22", "dX", f"sum(K[m] * dZ[j] {SLIDE} if j * s + m == q)", "missing term"),
    ("R22", "dX", f"sum(K[m] * dZ[j] {SLIDE} if j + m - P == q)", "missing term"),
    ("R22", "dX", f"sum(K[k - 1 - m] * dZ[j] {SLIDE} if j * s + m - P == q)", "function"),
    ("R22", "dX", f"sum(K[m] * dZ[j] {SLIDE} if j * s + m + P == q)", "factor"),
    ("R22", "dX", "correlate(pad(dilate(dZ, s), k - 1, k - 1 + (d + 2 * P - k) % s), K)[P:P + d]", "function"),
    ("R22", "dX", "correlate(pad(dilate(dZ, s), k - 1, k - 1 + (d + 2 * P - k) % s), flip(K))", "shape"),
    ("R22-channels", "dK", "sum(Xhat[j * s + m, p] * dZ[j, q] for j in range(e)) / e", "factor"),
    (
        "R22-channels",
        "dX",
        f"sum(K[m, p, q] * dZ[j, q] {SLIDE} for q in range(o) if j + m - P == r)",
        "missing term",
    ),
    ("R22-channels", "db", "mean(dZ, axis=0)", "factor"),
    ("R22-channels", "db", "sum(dZ)", "axis"),
    ("R23", "e", "ceil((d - k + 2 * P) / s) + 1", "function"),
    ("R23", "e", "floor((d - k + 2 * P) / s)", "missing term"),
    ("R23", "e", "(d - k + 2 * P) / s + 1", "function"),
    ("R23", "e", "floor((d - k + P) / s) + 1", "factor"),
    ("R23", "e", "floor((d - k) / s) + 1", "missing term"),
    ("R23", "e", "floor((d + k + 2 * P) / s) + 1", "factor"),
    ("R23", "e", "(d - k + 2 * P + 1) // s", "brackets"),
    ("R23", "P_same", "k / 2", "missing term"),
    ("R23", "P_same", "k - 1", "factor"),
    ("R1", "d4", "2 * f - y", "brackets"),
    ("R1", "d4", "(f - y) / 2", "factor"),
    ("R1", "db3", "2 * d4", "factor"),
    ("R1", "db3", "sum(W3)", "variable"),
    ("R1", "dW3", "H2.T", "missing term"),
    ("R1", "dW3", "d4 @ H2.T * dsigma(Z2).T", "extra term"),
    ("R1", "dW3", "2 * d4 @ H2.T", "factor"),
    ("R1", "d3", "W3.T * d4 * (Z2 > 0)", "function"),
    ("R1", "d3", "W2 @ d4 * dsigma(Z2)", "variable"),
    ("R1", "d3", "W3.T @ d4 + dsigma(Z2)", "function"),
    ("R1", "d3", "d4 * dsigma(Z2)", "missing term"),
    ("R1", "d3", "W3.T @ d4 * (1 - Z2 ** 2)", "variable"),
    ("R1", "d3", "-W3.T @ d4 * (1 - H2 ** 2)", "factor"),
    ("R1", "db2", "d3.T", "transpose"),
    ("R1", "db2", "W3.T @ d4", "missing term"),
    ("R1", "dW2", "d3 @ x.T", "variable"),
    ("R1", "dW2", "np.outer(H1, d3)", "transpose"),
    ("R1", "dW2", "d3 * H1.T / 2", "factor"),
    ("R1", "d2", "W2.T @ d3 * dsigma(H1)", "variable"),
    ("R1", "d2", "W2.T @ (d3 * dsigma(Z2)) * dsigma(Z1)", "extra term"),
    ("R1", "d2", "d3.T @ W2 * dsigma(Z1).T", "transpose"),
    ("R1", "d2", "W2.T @ d3 * (1 - H1 * H2)", "variable"),
    ("R1", "dW1", "d2 @ x", "transpose"),
    ("R1", "dW1", "W2.T @ d3 @ x.T", "missing term"),
    ("R1", "db1", "d3", "variable"),
    ("R9", "P", "exp(Z) / sum(exp(Z), axis=0)[0]", "axis"),
    ("R9", "P", "log(Z**2) / sum(exp(Z), axis=0, keepdims=True)", "other"),
    ("R9", "P", "1 / (1 + exp(-Z))", "other"),
    ("R9", "P", "exp(Z) / mean(exp(Z), axis=0, keepdims=True)", "factor"),
    ("R9", "dZ", "(P + Y) / M", "factor"),
    ("R9", "dZ", "P - Y / M", "brackets"),
    ("R9", "dZ", "(Z - Y) / M", "variable"),
    ("R9", "dZ", "P / M", "missing term"),
    ("R9", "dS", "G * P - sum(G * P, axis=0, keepdims=True)", "brackets"),
    ("R9", "dS", "P * (sum(G * P, axis=0, keepdims=True) - G)", "factor"),
    ("R9", "dS", "P * (G - mean(G * P, axis=0, keepdims=True))", "factor"),
    ("R9", "dS", "Y * (G - sum(G * P, axis=0, keepdims=True))", "variable"),
    ("R17", "mu", "mean(Z)", "axis"),
    ("R17", "var", "mean((Z - mu) ** 2, axis=0, keepdims=True)", "axis"),
    ("R17", "var", "mean(Z**2, axis=1, keepdims=True) + mu**2", "factor"),
    ("R17", "Zhat", "(Z - mu) * sqrt(var + eps)", "function"),
    ("R17", "Zhat", "(Z + mu) / sqrt(var + eps)", "factor"),
    ("R17", "Y", "gamma * Zhat - beta", "factor"),
    ("R17", "Y", "gamma * (Zhat + beta)", "brackets"),
    ("R17", "dgamma", "sum(dY * Zhat)", "axis"),
    ("R17", "dgamma", "sum(dY * Zhat, axis=1)", "shape"),
    ("R17", "dgamma", "mean(dY * Zhat, axis=1, keepdims=True)", "factor"),
    ("R17", "dgamma", "sum(Zhat, axis=1, keepdims=True)", "missing term"),
    ("R17", "dgamma", "sum(gamma * dY * Zhat, axis=1, keepdims=True)", "extra term"),
    ("R17", "dZ", "gamma / sqrt(var + eps) * (dY + dbeta / M + Zhat * dgamma / M)", "factor"),
    ("R17", "dZ", "gamma / sqrt(var) * (dY - dbeta / M - Zhat * dgamma / M)", "missing term"),
    ("R17", "dZ", "beta / sqrt(var + eps) * (dY - dbeta / M - Zhat * dgamma / M)", "variable"),
    ("R17", "dZ", "gamma / sqrt(var + eps) * (dY - dbeta / M - dgamma / M)", "missing term"),
    (
        "R17",
        "dZ",
        f"gamma / sqrt(var + eps) * (dY - {MEAN_DY} - Zhat * {MEAN_DY})",
        "variable",
    ),
    ("R17", "dZ", "gamma * (dY - dbeta / M - Zhat * dgamma / M)", "missing term"),
    ("R20", "db2", "2 * sum(Y) / M", "factor"),
    ("R20", "b2_end", "sum(Y) / d", "variable"),
    ("R20", "d3", "(F - Y) / M", "factor"),
    ("R22", "db", "2 * sum(dZ)", "factor"),
    ("R22", "dK", "sum(X[j * s + m] * dZ[j] for j in range(e) if j * s + m < d)", "variable"),
    ("R22", "dK", "sum(Xhat[j * s + m] * dZ[e - 1 - j] for j in range(e))", "function"),
    ("R22", "dK", "correlate(X, dilate(dZ, s), 1, P)[:k] * 2", "factor"),
    ("R22", "dX", f"sum(K[m] * dZ[j] {SLIDE} if j * s - m - P == q)", "factor"),
    ("R22", "dX", f"sum(K[m] {SLIDE} if j * s + m - P == q)", "missing term"),
    ("R22", "Z", "sum(K[m] * X[j * s + m] for m in range(k) if j * s + m < d) + b", "variable"),
    ("R22", "Z", "sum(K[k - 1 - m] * Xhat[j * s + m] for m in range(k)) + b", "function"),
    ("R22", "Z", "sum(K[m] * Xhat[j * s + m] for m in range(k)) - b", "factor"),
    (
        "R22-channels",
        "Z",
        "sum(K[m, p, q] * Xhat[j * s + m, p] for m in range(k) for p in range(c))",
        "missing term",
    ),
    ("R22-channels", "dK", "sum(Xhat[j * s + m, p] * dZ[j, q] for j in range(e)) * 2", "factor"),
    (
        "R22-channels",
        "dX",
        f"sum(K[m, p, q] * dZ[j, q] {SLIDE} for q in range(o) if j * s + m == r)",
        "missing term",
    ),
    ("R23", "e", "floor((d - k + 2 * P) * s) + 1", "function"),
    ("R23", "e", "floor((d + 2 * P) / s) + 1", "missing term"),
    ("R23", "e", "floor((d - k + 2 * P) / s) - 1", "factor"),
    ("R23", "e", "floor((k - d + 2 * P) / s) + 1", "factor"),
    ("R23", "e", "floor(d - k + 2 * P) + 1", "missing term"),
    ("R23", "P_same", "(k + 1) / 2", "factor"),
    ("R23", "P_same", "(k - 1) / s", "variable"),
]
INDEXED = {"Z": "[j]", "dK": "[m]", "dX": "[q]"}
CHANNELS = {"Z": "[j, q]", "dK": "[m, p, q]", "dX": "[r, p]"}


def answer(task, name, wrong):
    """The right answers, but for one."""
    lines = []
    for asked in task.asked:
        left = asked.name
        if asked.name == name and "for " in wrong and task.name.startswith("R22"):
            left += (CHANNELS if task.name == "R22-channels" else INDEXED)[name]
        lines.append(f"{left} = {wrong}" if asked.name == name else asked.lines[0])
    return "\n".join(lines)


def caught(task, name, wrong):
    """The mark of a planted error; all other equations hold."""
    report = grade(answer(task, name, wrong), task)
    assert [mark.name for mark in report.marks if not mark.holds] in ([name], []), (name, wrong, str(report))
    return report[name]


def planted_in_chains():
    """(task, equation, wrong answer, kind) for generated networks."""
    for seed in range(4):
        task = generate(seed, 3)
        key = {asked.name: asked.keys[-1] for asked in task.asked}
        z = "F" if any(given.name == "F" for given in task.given) else "f"
        below = "X" if z == "F" else "x"
        back, slope = key["d3"].split(" * ", 1)
        yield task, "d4", f"-({key['d4']})", "factor"
        yield task, "d3", back, "missing term"
        yield task, "d3", f"{slope} * (W3 @ d4)", "transpose"
        yield task, "d2", key["d2"].replace("Z1", "Z2").replace("H1", "H2"), "variable"
        yield task, "d2", f"3 * {key['d2']}", "factor"
        yield task, "dW2", "H1 @ d3.T", "transpose"
        yield task, "dW3", "d4 @ Z2.T", "variable"
        yield task, "dW1", f"d2 @ {below}.T + W1", "extra term"
        if z == "F":
            yield task, "db1", "d2.sum(axis=0, keepdims=True)", "axis"
            yield task, "db2", "mean(d3, axis=1, keepdims=True)", "factor"
            yield task, "dW2", "d3 @ H1.T / M", "factor"


PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "grade.md"


def test_planted_errors_are_caught_and_named():
    cases = [(exercise(row), *rest) for row, *rest in PLANTED] + list(planted_in_chains())
    marks = [(caught(task, name, wrong), kind) for task, name, wrong, kind in cases]
    missed = [case[1:3] for case, (mark, _) in zip(cases, marks, strict=True) if mark.holds]
    misnamed = [
        (case[0].name, *case[1:], mark.kind, mark.detail)
        for case, (mark, kind) in zip(cases, marks, strict=True)
        if mark.kind != kind
    ]
    named = len(cases) - len(misnamed)
    print(f"grade: {len(cases) - len(missed)} of {len(cases)} planted errors caught, {named} named right")
    print(*misnamed, sep="\n")
    assert len(cases) >= 60
    assert not missed
    assert named >= 0.95 * len(cases), misnamed
    page = " ".join(PAGE.read_text().split())
    assert f"plant {len(cases)} wrong answers" in page
    assert f"of {named} the kind is named as it was planted" in page
