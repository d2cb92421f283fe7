"""Every tutorial runs from its first cell to its last, holds its claims, and comes with its outputs."""

import importlib.util
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
TUTORIALS = sorted((ROOT / "docs" / "tutorials").glob("*.ipynb"))


@pytest.fixture(scope="module")
def execute():
    """The file that executes notebooks."""
    pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    spec = importlib.util.spec_from_file_location("execute", ROOT / "docs" / "extensions" / "execute.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def code(book):
    return [cell for cell in book.cells if cell.cell_type == "code"]


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("path", TUTORIALS, ids=lambda path: path.stem)
def test_a_tutorial_runs_and_warns_of_nothing(path, execute):
    book = execute.executed(path)
    for cell in code(book):
        for output in cell.outputs:
            assert output.get("name") != "stderr", output.text
            assert output.output_type != "error"
    assert "assert " in "".join(cell.source for cell in code(book))


@pytest.mark.parametrize("path", TUTORIALS, ids=lambda path: path.stem)
def test_a_tutorial_comes_with_the_outputs_of_one_run(path, execute):
    import nbformat

    book = nbformat.read(path, as_version=4)
    nbformat.validate(book)
    assert [cell.execution_count for cell in code(book)] == list(range(1, len(code(book)) + 1))
    for cell in code(book):
        shows = cell.source.rstrip().splitlines()[-1].isidentifier() or "print(" in cell.source
        assert bool(cell.outputs) >= shows
        assert not any(output.output_type == "error" for output in cell.outputs)
    kinds = {kind for cell in code(book) for output in cell.outputs for kind in output.get("data", {})}
    assert {"image/svg+xml", "text/html"} <= kinds
    assert path.stat().st_size < 400_000
    text = path.read_text()
    assert str(ROOT) not in text
    assert sys.prefix not in text


def test_there_are_three_tutorials_in_notebooks():
    assert {path.stem for path in TUTORIALS} >= {"table-to-ensemble", "backpropagation-by-hand", "dqn"}


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_what_fails_in_a_cell_is_an_error_and_what_it_prints_is_stored(execute, tmp_path):
    import nbformat
    from nbclient.exceptions import CellExecutionError

    good = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("print(1)\nprint(2, flush=True)\nprint(3)")])
    nbformat.write(good, tmp_path / "good.ipynb")
    execute.stored(tmp_path / "good.ipynb")
    [cell] = nbformat.read(tmp_path / "good.ipynb", as_version=4).cells
    assert [output.text for output in cell.outputs] == ["1\n2\n3\n"]
    assert not cell.metadata
    bad = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("assert 1 > 2")])
    nbformat.write(bad, tmp_path / "bad.ipynb")
    with pytest.raises(CellExecutionError):
        execute.executed(tmp_path / "bad.ipynb")
