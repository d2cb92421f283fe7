"""`deltarule trace`: a step in a terminal, as a page, as a notebook, and as one line of JSON."""

import json

import numpy as np
import pytest

import deltarule as dr
from deltarule.cli.main import main

NETWORK = ["trace", "Dense(2), Tanh(), Dense(1)", "--x", "4x3"]


def test_a_step_for_a_terminal(capsys):
    assert main(NETWORK) == 0
    text = capsys.readouterr().out
    assert "∈ ℝ^{4×2}" in text
    assert "W¹ ← W¹ − 0.1 dW¹" in text


@pytest.mark.parametrize(
    ("form", "begins"), [("html", "<!doctype html>"), ("notebook", '{\n "cells": ['), ("text", "")]
)
def test_a_step_is_written_to_a_file(form, begins, tmp_path, capsys):
    path = tmp_path / "step"
    assert main([*NETWORK, "--format", form, "--output", str(path), "--seed", "3"]) == 0
    assert path.read_text().startswith(begins)
    assert str(path) in capsys.readouterr().out


def test_json_is_the_last_line_and_a_models_own_loss_is_taken(tmp_path, capsys):
    model = dr.Model(dr.Dense(2), loss=dr.Huber(), optimizer=dr.Adam(0.01))
    model.fit(np.ones((6, 3), np.float32), np.ones((6, 2), np.float32), epochs=1)
    model.save(tmp_path / "model.safetensors")
    assert main(["trace", str(tmp_path / "model.safetensors"), "--x", "2", "--json"]) == 0
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert told["lines"][-1]["text"] == "b¹ ← Adam(b¹, db¹)"
    assert np.shape(told["values"]["dW^{1}"]) == (3, 2)


def test_what_cannot_be_traced_is_said(tmp_path, capsys):
    assert main([*NETWORK, "--output", str(tmp_path / "none" / "step")]) == 2
    assert "cannot be written" in " ".join(capsys.readouterr().err.split())
    assert main(["trace", "Dense(2), Reshape(3)", "--x", "4x3"]) == 2
    assert "layer 1, Reshape" in capsys.readouterr().err
