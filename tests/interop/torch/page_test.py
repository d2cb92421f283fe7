"""The code of *Coming from PyTorch*, from top to bottom, PyTorch's own parts too."""

import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[3] / "docs" / "coming-from" / "pytorch.md"


@pytest.mark.torch
def test_the_page_does_what_it_says(torch, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python( torch)?\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert [bool(mark) for mark, _ in blocks] == [False, True, True, False]
    names = {}
    for _, code in blocks:
        exec(code, names)
    printed = capsys.readouterr().out
    assert "(0): Conv2d(3, 8, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1))" in printed
    assert "{'0.bias': (64,), '0.weight': (64, 4), '3.bias': (3,), '3.weight': (3, 64)}" in printed
