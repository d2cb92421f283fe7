"""`deltarule check`: sound layers, broken ones, and what cannot be checked."""

import json

import pytest

from deltarule.cli.main import main

BROKEN = """
import deltarule as dr
class Doubled(dr.Tanh):
    def backward(self, params, saved, dy):
        return 2 * dr.Tanh.backward(self, params, saved, dy)[0], {}
net = dr.Chain(dr.Dense(4), Doubled())
"""


def test_sound_layers_pass_law_by_law(capsys):
    assert main(["check", "Tanh()", "--x", "6x3"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("Tanh, x (6, 3): every law holds")
    assert said.count("✓") == 12
    assert main(["check", "Tanh()", "--x", "6x3", "--json"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["ok"]


def test_a_broken_law_is_told_and_the_status_is_1(tmp_path, capsys):
    (tmp_path / "net.py").write_text(BROKEN)
    with pytest.raises(SystemExit) as ended:
        main(["check", f"{tmp_path}/net.py:net", "--x", "6x3", "--json"])
    assert ended.value.code == 1
    (finding,) = json.loads(capsys.readouterr().out.splitlines()[-1])["findings"]
    assert (finding["path"], finding["parameter"], finding["cause"]) == ("1", "dx", "a factor 2")


def test_shapes_that_do_not_fit_are_bad_input(capsys):
    assert main(["check", "Dense(4), Convolution(2, 3)", "--x", "6x3"]) == 2
    assert "layer 1, Convolution" in capsys.readouterr().err
