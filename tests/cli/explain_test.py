"""`deltarule explain`: a network's equations in a terminal, for a paper, as a page, and as one line of JSON."""

import json
from xml.etree import ElementTree

import pytest

from deltarule.cli.main import main

NETWORK = ["explain", "Dense(4), Sigmoid(), Dense(1)", "--x", "1x3", "--loss", "SquaredError()"]


def printed(capsys, *arguments):
    assert main([*NETWORK, "--convention", "column", *arguments]) == 0
    return capsys.readouterr().out


def test_equations_for_a_terminal_and_for_a_paper(capsys):
    text = printed(capsys)
    assert "∂ρ/∂f = 2(f − y) = δ³" in text
    assert max(map(len, text.splitlines())) <= 80
    assert r"\frac{\partial\rho}{\partial f} &= 2(f - y) = \delta^{3}" in printed(capsys, "--format", "latex")


def test_lengths_may_have_names(capsys):
    text = printed(capsys, "--sizes", "4=d_H, 3=d_{in}")
    assert "δ² xᵀ             ∈ ℝ^{d_H×dᵢₙ}" in text
    assert r"\mathbb{R}^{d_H \times d}" in printed(capsys, "--sizes", "4=d_H,3=d", "--format", "latex")
    assert json.loads(printed(capsys, "--sizes", "3=d", "--json"))["lines"][-1]["shape"] == [4, "d"]


def test_a_page_is_whole_and_needs_nothing_else(capsys):
    page = printed(capsys, "--format", "html")
    assert "http" not in page.replace("http://www.w3.org/1998/Math/MathML", "")
    assert "<script" not in page
    ElementTree.fromstring(page[page.index("<body>") : page.index("</html>")])


def test_json_is_the_last_line(capsys):
    told = json.loads(printed(capsys, "--json").splitlines()[-1])
    assert told["convention"] == "column"
    last = told["lines"][-1]
    assert (last["path"], last["layer"], last["text"], last["shape"]) == (
        "0",
        "Dense(4)",
        "∂ρ/∂W¹ = δ² xᵀ",
        [4, 3],
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["Dense(4)"], "the input's shape is missing"),
        (["Dense(4)", "--x", "1x3", "--loss", "SquareError()"], "did you mean SquaredError?"),
        (["Dense(4)", "--x", "1x3", "--loss", "ReLU()"], "expected words such as SquaredError(); got 'ReLU()'"),
        (["Dense(4)", "--x", "1x3", "--loss", "("], "is neither SquaredError() nor its like"),
        *(
            (["Dense(4)", "--x", "1x3", "--sizes", wrong], f"such as 784=d,64=d_H; got '{wrong}'")
            for wrong in ("d=3", "3", "3=d,3=e", "3=d;4=e", "3=")
        ),
        (["Dense(4), Reshape(3, 3)", "--x", "1x3"], "layer 1, Reshape"),
    ],
)
def test_what_cannot_be_explained_is_said(arguments, words, capsys):
    assert main(["explain", *arguments]) == 2
    shown = capsys.readouterr()
    assert not shown.out
    assert words in " ".join(shown.err.split())
