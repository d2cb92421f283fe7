"""Where images are found: class folders, files and arrays; what is left out is told, what cannot be is named."""

from pathlib import Path

import numpy as np
import pytest

from data.pictures import pixels, write
from deltarule.data.images import Reader, image_files, labelled_files, read_image_arrays
from deltarule.errors import DataError, DeltaruleError, FileError, ShapeError


@pytest.fixture
def pets(tmp_path):
    """A folder of two classes."""
    for name in ("dogs/10.png", "dogs/9.PNG", "cats/b.png", "cats/a.jpeg", "cats/.hidden.png", ".git/x.png"):
        write(tmp_path / "pets" / name)
    return tmp_path / "pets"


def names(files: list[str], folder: Path) -> list[str]:
    """The files as paths inside the folder."""
    return [str(Path(file).relative_to(folder)) for file in files]


def test_classes_and_files_come_by_name_in_order_without_what_is_hidden(pets):
    notes: list[str] = []
    files, labels = labelled_files(str(pets), notes)
    assert names(files, pets) == ["cats/a.jpeg", "cats/b.png", "dogs/10.png", "dogs/9.PNG"]
    assert labels == ["cats", "cats", "dogs", "dogs"]
    assert not notes


def test_what_is_left_out_is_told(pets):
    write(pets / "stray.png")
    write(pets / "cats" / "more" / "deep.png")
    (pets / "readme.txt").touch()
    (pets / "dogs" / "Thumbs.db").touch()
    (pets / "dogs" / "scan.tiff").touch()
    notes: list[str] = []
    assert len(labelled_files(str(pets), notes)[0]) == 4
    assert notes == [
        f"{pets}: images beside the class folders belong to no class and are left out (1): 'stray.png'.",
        f"{pets / 'cats'}: folders inside it are not read: 'more'.",
        f"{pets}: files that are neither PNG nor JPEG are left out (3): 'readme.txt', 'Thumbs.db', 'scan.tiff'.",
    ]


def test_links_are_followed_and_one_that_leads_nowhere_is_named(pets, tmp_path):
    write(tmp_path / "elsewhere" / "1.png")
    (pets / "fish").symlink_to(tmp_path / "elsewhere")
    (pets / "dogs" / "linked.png").symlink_to(tmp_path / "elsewhere" / "1.png")
    (pets / "dogs" / "lost.png").symlink_to(tmp_path / "nowhere")
    (pets / "loop").symlink_to(pets / "loop")
    notes: list[str] = []
    files, _ = labelled_files(str(pets), notes)
    assert names(files[-4:], pets) == ["dogs/9.PNG", "dogs/linked.png", "dogs/lost.png", "fish/1.png"]
    assert "'loop'" in notes[0]
    with pytest.raises(DataError, match=r"lost.png \(No such file or directory\)"):
        Reader().read(files, None, [])


def test_labels_stay_with_their_images_where_a_file_is_skipped(pets):
    given = [pixels(seed=seed) for seed in range(3)]
    files = [write(pets / f"{seed}.png", each) for seed, each in enumerate(given)]
    (pets / "bad.png").touch()
    found = Reader(corrupt="skip").read([files[0], str(pets / "bad.png"), *files[1:]], ["a", "b", "c", "d"], [])
    assert found.labels.to_list() == ["a", "c", "d"]
    assert found.files == tuple(files)
    np.testing.assert_array_equal(found.pixels[..., 0], given)


def test_an_empty_class_folder_is_named(pets):
    (pets / "fish").mkdir()
    (pets / "fish" / ".DS_Store").touch()
    with pytest.raises(DataError, match=r"fish: expected PNG or JPEG images of the class .* but there are none"):
        labelled_files(str(pets), [])


def test_a_folder_above_the_classes_is_told_where_to_go(pets):
    with pytest.raises(DataError, match=r"only folders \('cats', 'dogs'\).*give .*pets instead if those are"):
        labelled_files(str(pets.parent), [])


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda folder: folder.mkdir(), "a folder for each class, but there are neither folders nor images"),
        (lambda folder: write(folder / "1.png"), r"only images \(1\) in it. Move .* as in .*data/cats/1.png"),
        (lambda folder: folder.touch(), "but this is a file"),
        (lambda folder: None, "but there is none"),
    ],
    ids=["empty", "flat", "file", "nothing"],
)
def test_what_holds_no_classes_is_said(make, words, tmp_path):
    make(tmp_path / "data")
    with pytest.raises(DeltaruleError, match=words):
        labelled_files(str(tmp_path / "data"), [])


def test_a_folder_that_may_not_be_read_is_named(pets, monkeypatch):
    def refuse(folder):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(FileError, match=r"pets: the folder cannot be read \(Permission denied\)"):
        labelled_files(str(pets), [])


def test_images_to_predict_are_files_and_those_in_folders(pets, tmp_path):
    notes: list[str] = []
    write(pets / "stray.png")
    write(pets / "cats" / "more" / "deep.png")
    (pets / "readme.txt").touch()
    one = write(tmp_path / "one.jpg")
    files = image_files([one, str(pets), str(pets / "dogs")], notes)
    assert files[0] == one
    assert names(files[1:6], pets) == ["stray.png", "cats/a.jpeg", "cats/b.png", "dogs/10.png", "dogs/9.PNG"]
    assert names(files[6:], pets) == ["dogs/10.png", "dogs/9.PNG"]
    assert notes == [
        f"{pets / 'cats'}: folders inside it are not read: 'more'.",
        f"{pets}: files that are neither PNG nor JPEG are left out (1): 'readme.txt'.",
    ]


def test_what_holds_no_image_to_predict_is_said(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "table.csv").touch()
    for name, words in (
        ("empty", "expected PNG or JPEG images in the folder, but there are none"),
        ("none.png", "expected an image or a folder, but there is none"),
        ("table.csv", "trained on images; but got the suffix '.csv'"),
    ):
        with pytest.raises(FileError, match=f"{name}: .*{words}"):
            image_files([str(tmp_path / name)], [])


def test_arrays_are_images_with_channels_last(tmp_path):
    grey = np.stack([pixels(seed=seed) for seed in range(3)])
    for x, shape in ((grey, (3, 5, 7, 1)), (np.stack([grey] * 4, -1), (3, 5, 7, 4))):
        np.savez(tmp_path / "a.npz", x=x, y=["a", "b", "a"], weight=[1, 2, 0])
        found = read_image_arrays(str(tmp_path / "a.npz"), [])
        np.testing.assert_array_equal(found.pixels, x.reshape(shape))
        assert found.pixels.dtype == np.uint8
        assert found.labels.to_list() == ["a", "b", "a"]
        assert found.weight.tolist() == [1, 2, 0]
    np.savez(tmp_path / "a.npz", x=grey.astype(int))
    found = read_image_arrays(str(tmp_path / "a.npz"), [])
    assert found.pixels.dtype == np.float32
    assert found.labels is None


def test_channels_that_seem_to_come_first_are_told(tmp_path):
    notes: list[str] = []
    for shape in ((2, 3, 5, 7), (2, 5, 7, 3), (2, 3, 7, 3)):
        np.savez(tmp_path / "a.npz", x=np.ones(shape))
        read_image_arrays(str(tmp_path / "a.npz"), notes)
    [note] = notes
    assert "height 3 with 7 channels" in note
    assert "x.transpose(0, 2, 3, 1)" in note


@pytest.mark.parametrize(
    ("found", "error", "words"),
    [
        ({"x": np.ones((2, 3))}, ShapeError, r"expected images x of shape .* but got \(2, 3\)"),
        ({"x": np.ones((0, 3, 2))}, ShapeError, r"but got \(0, 3, 2\)"),
        ({"x": np.full((2, 3, 2), np.nan)}, DataError, "12 of 12 are NaN"),
        ({"x": np.ones((2, 3, 2)), "y": np.ones(3)}, DataError, r"expected y of shape \(2,\), one an image"),
        ({"x": np.ones((2, 3, 2)), "y": np.full(2, np.datetime64("2020"))}, DataError, "y cannot be the labels"),
        ({"x": np.ones((2, 3, 2)), "weight": np.ones(3)}, ShapeError, "weight: expected one number"),
        ({"x": np.full((2, 3, 2), "a")}, DataError, "expected booleans, integers or floats"),
    ],
)
def test_arrays_that_are_no_images_are_refused(found, error, words, tmp_path):
    np.savez(tmp_path / "a.npz", **found)
    with pytest.raises(error, match=words):
        read_image_arrays(str(tmp_path / "a.npz"), [])
