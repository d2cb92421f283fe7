"""`deltarule plan`: a table, one line of JSON, formulas, and what it refuses."""

import json
from dataclasses import replace

import pytest

from deltarule.cli.main import main
from deltarule.inspect import plan as plan_file
from deltarule.inspect.rates import Rates

FLAT = ((1.0, 1e9), (1e12, 1e9))
SLOW = ((1.0, 1e8), (1e12, 1e8))
RATES = Rates("a machine", *[FLAT] * 5, roots=SLOW, dear=SLOW, sums=FLAT, operation=1e-6, round=1e-6)


@pytest.fixture(autouse=True)
def known_rates(monkeypatch):
    monkeypatch.setattr(plan_file, "measured_rates", lambda: replace(RATES))


def test_a_network_in_words_is_planned(capsys):
    words = [
        "Dense(11), Tanh(), Dense(3)",
        "--x",
        "7x5",
        "--loss",
        "Huber()",
        "--optimizer",
        "Adam",
        "--memory",
        "2MB",
    ]
    assert main(["plan", *words]) == 0
    text = capsys.readouterr().out
    assert "Dense(11)" in text
    assert "examples in 2.00 MB" in text
    assert max(map(len, text.splitlines())) <= 80
    assert main(["plan", *words, "--json"]) == 0
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert told["total"]["parameters"] == 102
    assert told["total"]["slot_bytes"] == 2 * told["total"]["parameter_bytes"] == 816
    assert told["peak_bytes"]["total"] > 3 * 408
    assert told["largest_batch"] > 1000
    assert told["seconds"] > 0
    assert "Huber" in told["step"]["loss"]


def test_symbols_give_formulas_and_the_textbook(capsys):
    assert main(["plan", "Dense(d_H), Tanh(), Dense(K)", "--x", "Mxd", "--textbook", "--json"]) == 0
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert told["rows"][0]["forward"] == "2*M*d*d_H + M*d_H"
    [term] = [term for term in told["textbook"]["numbers"]["terms"] if term["term"] == "M*d_H"]
    assert (term["text"], term["ours"]) == (2, 1)
    assert main(["plan", "Dense(d_H), Tanh(), Dense(K)", "--x", "Mxd", "--textbook"]) == 0
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 80


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ["Dense(4), Flatten(), MaxPool(2)", "--x", "7x5"],
            "layer 2, MaxPool(2): expected an input with axes of space",
        ),
        (["Dense(4)"], "the input's shape is missing"),
        (["Dense(4)", "--x", "7x5", "--memory", "2XB"], "expected a size such as 2GB or 512MiB, got '2XB'"),
        (["Dense(4)", "--x", "7x5", "--loss", "Dense(3)"], "expected words such as SquaredError()"),
        (["Dropout(p)", "--x", "7x5"], "Dropout(p): drop must be in [0, 1)"),
        (["ReLU(), MaxPool(2)", "--x", "Mxhxwx3"], "layer 1, MaxPool: a symbol where a number is needed"),
        (
            ["Dense(d_H), Flatten()", "--x", "Mx3", "--optimizer", "AdamW()"],
            "symbol where a number is needed",
        ),
    ],
)
def test_what_cannot_be_planned_is_refused(arguments, words, capsys):
    assert main(["plan", *arguments]) == 2
    assert words in " ".join(capsys.readouterr().err.split())
