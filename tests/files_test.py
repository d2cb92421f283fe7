"""Files that are either whole or not there."""

import errno
import os
import stat
import tempfile

import pytest

from deltarule.errors import FileError
from deltarule.files import lock, make_folder, write_whole


def test_content_is_written_and_replaced(tmp_path):
    path = tmp_path / "file"
    for content in (b"first, and longer", b"second", b""):
        write_whole(path, content)
        assert path.read_bytes() == content
    assert list(tmp_path.iterdir()) == [path]


def test_the_file_has_the_permissions_of_any_new_file(tmp_path):
    write_whole(tmp_path / "ours", b"")
    (tmp_path / "any").touch()
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "any").stat().st_mode


@pytest.mark.parametrize("operation", ["fsync", "fdopen", "replace"])
@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO, errno.EROFS], ids=errno.errorcode.get)
def test_an_error_at_any_point_leaves_the_old_file_and_nothing_beside(operation, error, tmp_path, monkeypatch):
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def fail(*arguments, **options):
        raise OSError(error, os.strerror(error))

    monkeypatch.setattr(os, operation, fail)
    with pytest.raises(FileError, match=f"{os.strerror(error)}; nothing was changed"):
        write_whole(path, b"new")
    monkeypatch.undo()
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_goes_while_a_file_is_written_is_named(tmp_path, monkeypatch):
    folder = tmp_path / "folder"
    folder.mkdir()

    def swap(file):
        folder.rename(tmp_path / "aside")
        folder.touch()

    monkeypatch.setattr(os, "fsync", swap)
    with pytest.raises(FileError, match="cannot be written: Not a directory; nothing was changed"):
        write_whole(folder / "file", b"new")


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(FileError, match=r"missing/file cannot be written: No such file or directory"):
        write_whole(tmp_path / "missing" / "file", b"")


def test_a_file_in_the_place_of_the_folder_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(FileError, match="Not a directory"):
        write_whole(tmp_path / "file" / "inner", b"")
    with pytest.raises(FileError, match=r"the folder .* cannot be made"):
        make_folder(tmp_path / "file")


def test_a_folder_in_the_place_of_the_file_is_named(tmp_path):
    (tmp_path / "folder").mkdir()
    with pytest.raises(FileError, match="cannot be written: Is a directory"):
        write_whole(tmp_path / "folder", b"")
    assert [entry.name for entry in tmp_path.iterdir()] == ["folder"]


def test_a_folder_that_may_not_be_written_is_named(tmp_path, monkeypatch):
    def refuse(**options):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(tempfile, "mkstemp", refuse)  # an administrator may write anywhere
    with pytest.raises(FileError, match="Permission denied; nothing was changed"):
        write_whole(tmp_path / "file", b"")


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="an administrator may write anywhere")
def test_a_folder_without_write_permission_is_named(tmp_path):
    tmp_path.chmod(stat.S_IRUSR | stat.S_IXUSR)
    with pytest.raises(FileError, match="Permission denied"):
        write_whole(tmp_path / "file", b"")


def test_a_folder_is_made_with_those_above_it_and_may_be_there(tmp_path):
    for _ in range(2):
        assert make_folder(tmp_path / "a" / "b").is_dir()


def test_the_name_of_a_new_file_is_synchronised_too(tmp_path, monkeypatch):
    kinds, fsync = [], os.fsync

    def look(file):
        kinds.append(stat.S_IFMT(os.fstat(file).st_mode))
        fsync(file)

    monkeypatch.setattr(os, "fsync", look)
    write_whole(tmp_path / "file", b"new")
    assert kinds == [stat.S_IFREG, stat.S_IFDIR]


@pytest.mark.parametrize(("error", "fails"), [(errno.EIO, True), (errno.EINVAL, False)])
def test_a_folder_that_cannot_be_synchronised_is_told_where_it_could_have_been(
    error, fails, tmp_path, monkeypatch
):
    fsync = os.fsync

    def fail(file):
        if stat.S_ISDIR(os.fstat(file).st_mode):
            raise OSError(error, os.strerror(error))
        fsync(file)

    monkeypatch.setattr(os, "fsync", fail)
    if fails:
        with pytest.raises(FileError, match="it is there, but a loss of power may undo it"):
            write_whole(tmp_path / "file", b"new")
    else:
        write_whole(tmp_path / "file", b"new")
    assert (tmp_path / "file").read_bytes() == b"new"


def test_a_folder_is_held_by_one_at_a_time(tmp_path):
    with lock(tmp_path), pytest.raises(FileError, match="another process writes there now"):
        lock(tmp_path)
    lock(tmp_path).close()
    with pytest.raises(FileError, match="missing cannot be written: No such file"):
        lock(tmp_path / "missing")
