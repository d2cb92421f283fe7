"""Executes notebooks and stores their outputs: `python docs/extensions/execute.py docs/tutorials/*.ipynb`."""

import os
import re
import sys
from pathlib import Path
from typing import Any

KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}
LONGEST = 200  # characters of a text behind which stands HTML


def executed(path: Path, seconds: int = 120) -> Any:
    """The notebook with the outputs of a fresh kernel; raises nbclient's CellExecutionError where a cell fails."""
    import nbclient
    import nbformat

    book = nbformat.read(path, as_version=4)
    resources = {"metadata": {"path": str(path.parent)}}
    nbclient.NotebookClient(book, timeout=seconds, kernel_name="python3", resources=resources).execute()
    return book


def stored(path: Path) -> None:
    """Writes the notebook anew, without what changes with each run and tells nothing, such as dates."""
    import nbformat

    book = executed(path)
    book.metadata = {"kernelspec": KERNEL, "language_info": {"name": "python"}}
    for cell in book.cells:
        cell.metadata.pop("execution", None)
        if "outputs" in cell:
            cell.outputs = joined(cell.outputs)
        for output in cell.get("outputs", ()):
            data = output.get("data", {})
            if "text/html" in data:
                data["text/plain"] = data["text/plain"][:LONGEST]
            if "image/svg+xml" in data:
                data["image/svg+xml"] = re.sub(
                    r" *<metadata>.*?</metadata>\n", "", data["image/svg+xml"], flags=re.S
                )
    nbformat.write(book, path)


def joined(outputs: list[Any]) -> list[Any]:
    """What was printed in parts, as one."""
    kept: list[Any] = []
    for output in outputs:
        if kept and output.get("name") and output.get("name") == kept[-1].get("name"):
            kept[-1]["text"] += output["text"]
        else:
            kept.append(output)
    return kept


if __name__ == "__main__":
    os.environ["DELTARULE_CACHE"] = "off"
    for given in sys.argv[1:]:
        print(given)
        stored(Path(given))
