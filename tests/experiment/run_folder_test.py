"""A run's folder: new for every run, and an error with a name where it cannot be written."""

import pytest

from deltarule.errors import FileError
from deltarule.experiment.run_folder import metrics_writer, new_folder


def test_every_run_has_a_folder_of_its_own(tmp_path):
    assert [new_folder(str(tmp_path / "runs"), "a").name for _ in range(3)] == ["a-1", "a-2", "a-3"]


def test_rows_that_cannot_be_written_are_named(tmp_path):
    with pytest.raises(FileError, match="cannot be written: Is a directory"):
        metrics_writer(tmp_path)({"epoch": 1})
