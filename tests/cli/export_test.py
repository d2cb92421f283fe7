"""`deltarule export`: a run folder in, a file out, which gives what `deltarule predict` gives of raw data."""

import json
import sys

import numpy as np
import onnx
import polars as pl
import pytest

import deltarule as dr
from deltarule.cli import export
from deltarule.cli.main import main
from deltarule.errors import FileError, SettingError


def test_the_file_gives_what_predict_gives_of_the_raw_table(model, frame, tmp_path, capsys):
    onnxruntime = pytest.importorskip("onnxruntime")
    export.main([str(model), str(tmp_path / "sold.onnx")])
    table = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [line[:3] for line in table[:4]] == [
        ["input", "size", "double"],
        ["input", "town", "string"],
        ["output", "sold", "string"],
        ["output", "probabilities", "float"],
    ]
    assert " ".join(table[4]) == "operator sets: ai.onnx 21, ai.onnx.ml 3"
    assert " ".join(table[5]) == f"{(tmp_path / 'sold.onnx').stat().st_size:,} bytes in {tmp_path / 'sold.onnx'}"
    changed = frame.with_columns(
        size=pl.Series([None, float("inf"), *frame["size"][2:]]),
        town=pl.Series([*["Kiel", None], *frame["town"][2:]]),
    )
    changed.write_csv(tmp_path / "new.csv")
    assert main(["predict", str(model), str(tmp_path / "new.csv"), "--output", str(tmp_path / "out.csv")]) == 0
    expected = pl.read_csv(tmp_path / "out.csv")
    session = onnxruntime.InferenceSession(str(tmp_path / "sold.onnx"))
    columns = {
        "size": changed["size"].fill_null(np.nan).to_numpy(),
        "town": np.array(changed["town"].fill_null("").to_list(), object),
    }
    labels, probabilities = session.run(None, columns)
    assert labels.tolist() == expected["sold"].to_list()
    np.testing.assert_allclose(probabilities, expected.drop("sold").to_numpy(), rtol=0, atol=1e-6)


def test_the_result_is_one_line_of_json(model, tmp_path, capsys):
    export.main([str(model / "model.safetensors"), str(tmp_path / "sold.onnx"), "--json"])
    summary = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert summary["output"] == str(tmp_path / "sold.onnx")
    assert summary["inputs"][1] == {"name": "town", "type": "string", "shape": ["n"]}
    assert summary["outputs"][1] == {"name": "probabilities", "type": "float", "shape": ["n", 2]}
    assert summary["operator_sets"] == {"ai.onnx": 21, "ai.onnx.ml": 3}
    assert summary["bytes"] == (tmp_path / "sold.onnx").stat().st_size
    assert onnx.load(tmp_path / "sold.onnx").producer_name == "deltarule"


def test_that_a_series_is_prepared_elsewhere_is_told(tmp_path, capsys):
    model = dr.Model(dr.Dense(1), loss=dr.SquaredError())
    model.fit(np.ones((8, 3)), np.ones(8), epochs=1)
    model.notes["preprocessing"] = {"kind": "series"}
    model.save(tmp_path / "model.safetensors")
    export.main([str(tmp_path), str(tmp_path / "model.onnx")])
    assert "the ONNX file holds the network alone" in " ".join(capsys.readouterr().err.split())


def test_what_cannot_be_is_said(model, tmp_path, monkeypatch):
    with pytest.raises(SettingError, match=r"expected an output file of the suffix \.onnx, got 'sold.txt'"):
        export.main([str(model), "sold.txt"])
    with pytest.raises(FileError, match="no such file"):
        export.main([str(tmp_path / "none"), "sold.onnx"])
    with pytest.raises(FileError, match="cannot be written: No such file or directory"):
        export.main([str(model), str(tmp_path / "none" / "sold.onnx")])
    monkeypatch.setitem(sys.modules, "onnx.checker", None)
    with pytest.raises(SettingError, match=r"onnx\S* is not installed; pip install 'deltarule\[onnx\]' brings it"):
        export.main([str(model), str(tmp_path / "sold.onnx")])
