"""Progress in a notebook's kernel: one output of the cell, which is replaced and ends with the last epoch."""

import re
import sys
from types import SimpleNamespace

import pytest

from deltarule.dqn import show as dqn
from deltarule.training import live_lines, progress
from deltarule.training.live_lines import NotebookLine, in_notebook
from deltarule.training.progress import Progress

TRAINS = """
import numpy as np
import deltarule as dr
from deltarule.dqn import show as dqn
from deltarule.training import live_lines, progress

progress.LIVE_AFTER = -1.0
live_lines.EVERY = 0.0
x = np.linspace(-1, 1, 32).reshape(32, 1)
model = dr.Model(dr.Dense(1), loss=dr.SquaredError())
history = model.fit(x, x, epochs=40, batch_size=16{progress})
"""


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_cell_has_one_output_that_ends_with_the_last_epoch():
    nbclient, nbformat = pytest.importorskip("nbclient"), pytest.importorskip("nbformat")
    cells = [TRAINS.format(progress=""), TRAINS.format(progress=", progress=False")]
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    updates = []

    class Client(nbclient.NotebookClient):
        """Notes every state of an output."""

        def process_message(self, message, cell, index):
            if message["msg_type"] in ("display_data", "update_display_data"):
                updates.append((index, message["msg_type"], message["content"]["data"]["text/plain"]))
            return super().process_message(message, cell, index)

    Client(book, timeout=60, kernel_name="python3").execute()
    [shown], silent = (cell["outputs"] for cell in book["cells"])
    assert silent == []
    assert shown["output_type"] == "display_data"
    assert shown["data"]["text/plain"].startswith("epoch 40/40  loss")
    assert 'value="1.0000"' in shown["data"]["text/html"]
    assert "epoch 40/40  loss" in shown["data"]["text/html"]
    of_training = [(kind, text) for index, kind, text in updates if index == 0]
    assert [kind for kind, _ in of_training] == ["display_data", *["update_display_data"] * (len(of_training) - 1)]
    epochs = [int(re.match(r"epoch (\d+)/40", text)[1]) for _, text in of_training]
    assert epochs == sorted(set(epochs))
    assert epochs[-1] == 40
    assert len(epochs) > 1


class Handle:
    """What IPython gives for an output, and what it was told."""

    def __init__(self):
        self.told, self.html = [], []

    def update(self, seen, raw):
        assert raw
        self.told.append(seen["text/plain"])
        self.html.append(seen["text/html"])


@pytest.fixture
def kernel(monkeypatch):
    """A notebook's shell, as far as it is asked; its output's states."""
    handle = Handle()

    class IPython:
        @staticmethod
        def get_ipython():
            return type("Shell", (), {"kernel": object()})()

    class Display:
        @staticmethod
        def display(seen, raw, display_id):
            assert display_id
            handle.update(seen, raw)
            return handle

    monkeypatch.setitem(sys.modules, "IPython", IPython)
    monkeypatch.setitem(sys.modules, "IPython.display", Display)
    return handle


def test_states_are_apart_and_the_last_is_shown(kernel, monkeypatch):
    clock = iter([10.0, 10.0, 10.05, 10.09, 10.11, 10.11, 10.15, 10.2])
    monkeypatch.setattr(live_lines.time, "perf_counter", lambda: next(clock))
    line = NotebookLine()
    for text in "abcde":
        line.update(text, 0.5)
    assert kernel.told == ["a", "d"]
    line.stop()
    assert kernel.told == ["a", "d", "e"]
    line.stop()
    assert kernel.told == ["a", "d", "e"]


def test_a_run_in_a_kernel_is_shown_and_writes_nothing_on_standard_error(kernel, monkeypatch, capsys):
    assert in_notebook()
    monkeypatch.setattr(progress, "LIVE_AFTER", -1.0)
    for wanted in (None, True, False):
        with Progress(3, 100, wanted) as shown:
            for epoch in (1, 2, 3):
                shown.show({"epoch": epoch, "loss": 0.5, "seconds": 1.0 * epoch})
    assert [text[:9] for text in kernel.told] == ["epoch 1/3", "epoch 3/3"] * 2
    assert capsys.readouterr() == ("", "")


def test_an_agent_is_shown_by_its_steps(kernel, monkeypatch):
    monkeypatch.setattr(progress, "LIVE_AFTER", -1.0)
    row = {"return": 20.0, "epsilon": 0.5, "loss": 0.1, "q": 1.0, "seconds": 1.0}
    with dqn.Progress(1000, 3000, "compiled", None) as shown:
        for count, steps in ((1, 1500), (2, 3000)):
            shown.show([row | {"steps": steps}], SimpleNamespace(rows=[[{}] * count], moves=steps - 1000))
    assert [text[:17] for text in kernel.told] == ["step 1,500/3,000 ", "step 3,000/3,000 "]
    assert [re.search(r'value="([\d.]+)"', html)[1] for html in kernel.html] == ["0.2500", "1.0000"]


def test_a_shell_without_a_kernel_is_no_notebook(monkeypatch):
    assert not in_notebook()
    monkeypatch.setitem(sys.modules, "IPython", type("IPython", (), {"get_ipython": staticmethod(lambda: None)}))
    assert not in_notebook()
