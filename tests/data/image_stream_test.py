"""A stream of image files: every image once, decoded as in memory, within its memory, and from any chunk on."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import deltarule as dr
from data.pictures import pixels, truncate, write
from deltarule.data.image_files import AS_THEY_ARE, ImageFiles, read_images
from deltarule.data.image_preprocessing import ImagePreprocessing
from deltarule.data.image_stream import CodedImages, block_length, image_stream
from deltarule.data.target import Target
from deltarule.errors import DataError, FileError, SettingError
from deltarule.training.checkpoint import Checkpoints

GOAL = Target("class", "classification", ("dark", "light"))
MEMORY = 40_000


def images(folder: Path, count: int = 150) -> tuple[list[str], np.ndarray]:
    """(files, classes): dark ones, and behind them light ones; the first pixel of each is its number."""
    files, y = [], np.sort(np.arange(count) % 2).astype(np.int32)
    for number in range(count):
        array = pixels(seed=number) // 2 + 128 * y[number].astype(np.uint8)
        array[0, 0] = number
        files.append(write(folder / f"{number:03}.png", array))
    return files, y


def streamed(folder: Path, memory: int = MEMORY, seed: int | None = 0):
    """(the stream of all of them, x in memory, y)."""
    files, y = images(folder)
    whole = read_images(files, AS_THEY_ARE)[0]
    preprocessing = ImagePreprocessing.fit(whole, GOAL)
    found = ImageFiles(files, AS_THEY_ARE, memory=memory)
    stream = image_stream(found, preprocessing, np.arange(len(y)), y, memory, seed)
    return stream, preprocessing.transform(whole), y


def read(stream, epoch: int = 0, batch_size: int = 10, **more):
    """(x, y) of an epoch, in the order of its batches."""
    chunks = list(stream.chunks(epoch, batch_size, **more))
    return np.concatenate([each.x[: each.examples] for each in chunks]), np.concatenate(
        [each.y for each in chunks]
    )


def test_every_image_comes_once_an_epoch_as_in_memory_with_its_class(tmp_path):
    stream, x, y = streamed(tmp_path)
    assert 3 <= 150 // stream.chunk_rows(10) < 10
    orders = []
    for epoch in range(2):
        seen, classes = read(stream, epoch)
        at = [int(np.flatnonzero((x == image).all((1, 2, 3)))[0]) for image in seen]
        assert sorted(at) == list(range(150))
        assert (y[at] == classes).all()
        orders.append(at)
    assert orders[0] != orders[1]
    np.testing.assert_array_equal(read(streamed(tmp_path)[0])[0], x[orders[0]])
    assert (read(streamed(tmp_path, seed=1)[0])[0] != x[orders[0]]).any()


def test_as_they_are_images_keep_their_order(tmp_path):
    stream, x, y = streamed(tmp_path, seed=None)
    seen, classes = read(stream, order="none")
    np.testing.assert_array_equal(seen, x)
    np.testing.assert_array_equal(classes, y)


def test_a_batch_mixes_folders_that_stand_apart(tmp_path):
    """Its mean class varies as in a permutation of all images, though files come class by class."""
    stream, _, _ = streamed(tmp_path)
    means = [read(stream, epoch)[1].reshape(-1, 10).mean(1) for epoch in range(20)]
    assert np.concatenate(means).var() < 1.3 * 0.25 / 10


def test_a_run_goes_on_midway_bit_for_bit(tmp_path, monkeypatch):
    stream, _, _ = streamed(tmp_path / "set")

    def fitted(**settings):
        model = dr.Model(dr.Chain(dr.Flatten(), dr.Dense(2)), dr.SoftmaxCrossEntropy(), dr.Adam(0.0625))
        return model.fit(stream, epochs=3, batch_size=10, progress=False, **settings)

    whole, once, count = fitted(), CodedImages.read, 0

    def interrupted(self, block):
        nonlocal count
        count += 1
        if count == 2 * len(stream.blocks):
            raise KeyboardInterrupt
        return once(self, block)

    monkeypatch.setattr(CodedImages, "read", interrupted)
    kept = Checkpoints(tmp_path / "run", every_steps=1)
    with pytest.raises(KeyboardInterrupt):
        fitted(checkpoint=kept)
    seen = []
    monkeypatch.setattr(CodedImages, "read", lambda self, block: seen.append(block) or once(self, block))
    assert fitted(checkpoint=kept, resume=True)["loss"] == whole["loss"]
    assert len(seen) < 2 * len(stream.blocks)


def test_a_file_that_changes_or_breaks_while_it_is_read_is_named(tmp_path):
    stream, _, _ = streamed(tmp_path)
    write(tmp_path / "007.png", pixels(5, 8))
    with pytest.raises(FileError, match=r"007.png: the file was changed while it was read"):
        read(stream)
    (tmp_path / "007.png").unlink()
    with pytest.raises(FileError, match=r"007.png: there is no such file, or there is none any more"):
        read(stream)


@pytest.mark.parametrize("corrupt", ["refuse", "skip"])
def test_a_broken_file_that_nobody_looked_into_is_named(tmp_path, corrupt):
    files, y = images(tmp_path)
    truncate(files[7])
    found = ImageFiles(files, AS_THEY_ARE, corrupt=corrupt)
    preprocessing = ImagePreprocessing.fit(pixels()[None, ..., None], GOAL)
    stream = image_stream(found, preprocessing, np.arange(150), y, MEMORY)
    error, words = (
        (DataError, r"1 of 150 files cannot be read .*007.png")
        if corrupt == "refuse"
        else (FileError, r"\d.png and what is read beside it: an image can be read no more")
    )
    with pytest.raises(error, match=words):
        read(stream)


def test_the_order_is_that_of_any_machine(tmp_path, monkeypatch):
    """Few threads decode at a time, whose number follows from the memory."""
    stream, _, _ = streamed(tmp_path)
    assert stream.source.found.threads == MEMORY // 4 // (12 * 35 + 16 * 35)
    sizes = set()
    for cores in (1, 64):
        monkeypatch.setattr("os.cpu_count", lambda cores=cores: cores)
        sizes.add(streamed(tmp_path)[0].chunk_rows(10))
    assert sizes == {stream.chunk_rows(10)}


def test_too_little_memory_says_how_much_is_the_least(tmp_path):
    stream, _, _ = streamed(tmp_path, memory=7_000)
    with pytest.raises(
        SettingError, match=r"memory = 7 kB is too little: reading a block takes .* least possible"
    ):
        stream.chunk_rows(10)
    assert block_length(stream.source.preprocessing, 7_000) == 7_000 // 16 // (5 * 35)
    assert block_length(stream.source.preprocessing, 1) == 1


@pytest.fixture
def photos(tmp_path):
    """A folder of class folders: 40 dark and 60 light images, and what belongs to no class."""
    for number in range(100):
        light = number >= 40
        array = pixels(6, 8, 3, seed=number) // 2 + 128 * np.uint8(light)
        write(tmp_path / "photos" / ("light" if light else "dark") / f"{number:03}.png", array)
    (tmp_path / "photos" / "light" / "notes.txt").write_text("taken in May")
    return tmp_path / "photos"


def test_a_folder_is_a_stream_that_a_model_learns_from(photos):
    data = dr.stream(photos, memory="100 kB")
    assert data.shape == (100, 6, 8, 3)
    assert data.chunk_rows(10) < 100
    assert data.source.found.threads == 100_000 // 4 // (12 * 48 + 16 * 144)
    x, y = read(data, order="none")
    files = sorted(photos.rglob("*.png"))
    for path, image, kind in zip((data.source.files.paths[at] for at in range(100)), x, y, strict=True):
        np.testing.assert_allclose(image, read_images([str(path)], AS_THEY_ARE)[0][0] / 255, rtol=1e-6)
        assert ("dark", "light")[kind] == path.parent.name
    assert sorted(data.source.files.paths) == files
    model = dr.Model(dr.Chain(dr.Flatten(), dr.Dense(2)), dr.SoftmaxCrossEntropy(), dr.Adam(0.01))
    history = model.fit(data, epochs=15, batch_size=10, validation=0.2, progress=False)
    assert history["validation_accuracy"][-1] > 0.9
    assert model.evaluate(data)["accuracy"] > 0.9
    assert model.evaluate(x, y)["loss"] == pytest.approx(model.evaluate(data)["loss"])


def test_processes_share_a_folder(photos):
    """Each reads its half of the batches of one."""
    one, *two = (dr.stream(photos, memory="100 kB", shard=shard) for shard in ((0, 1), (0, 2), (1, 2)))
    for whole, *halves in zip(*(each.chunks(1, 10) for each in (one, *two)), strict=True):
        together = [half.x[: len(half.y)].reshape(-1, 5, *one.shape[1:]) for half in halves]
        np.testing.assert_array_equal(
            np.concatenate(together, 1).reshape(-1, *one.shape[1:])[: len(whole.y)], whole.x[: len(whole.y)]
        )


def test_images_of_a_folder_are_converted_and_broken_ones_left_out(photos):
    write(photos / "dark" / "large.png", pixels(20, 30))
    truncate(str(photos / "dark" / "large.png"))
    with pytest.raises(DataError, match="Set image_size = 6x8 to resize all, and channels = 3"):
        dr.stream(photos)
    data = dr.stream(photos, image_size="4x5", channels=1, corrupt="skip")
    assert data.shape == (100, 4, 5, 1)
    x, y = read(data)
    assert 0 <= x.min() < x.max() <= 1
    assert (y == (x.mean((1, 2, 3)) > 0.5)).all()


def test_a_tenth_of_a_small_folder_is_held_out(photos):
    assert 8 <= dr.stream(photos).divided(0.1)[1].examples <= 12


def test_a_table_with_figures_beside_it_is_a_table(photos):
    (photos / "table.csv").write_text("a,y\n1,2\n3,4\n")
    assert dr.stream(photos).shape == (2, 1)


def test_a_folder_that_cannot_be_is_told(photos):
    for folder, settings, error, said in (
        (photos, {"target": "class"}, SettingError, "target is for tables; of images"),
        (
            photos,
            {"image_size": (4, 5)},
            SettingError,
            r"height x width in pixels, such as 32x32, but got \(4, 5\)",
        ),
        (photos, {"channels": 2}, SettingError, "channels must be 1 for grey or 3 for colour.* got channels=2"),
        (photos, {"corrupt": "ignore"}, SettingError, "corrupt='ignore'"),
        (photos / "dark", {}, DataError, r"expected a folder for each class, but there are only images \(40\)"),
        (photos.parent, {}, FileError, "expected files with the suffix .parquet"),
        ("absent.csv", {"channels": 1}, SettingError, "corrupt are for a folder that holds .* absent.csv is none"),
    ):
        with pytest.raises(error, match=said):
            dr.stream(folder, **settings)
    (photos / "dark").rename(photos.parent / "dark")
    with pytest.raises(DataError, match="at least two classes, but there is only 'light'"):
        dr.stream(photos)


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="Linux tells of the peak of its memory")
def test_memory_stays_within_its_bound(tmp_path):
    """Images that are 79 MB as numbers, within 12 MB."""
    for number in range(400):
        write(tmp_path / "ab"[number % 2] / f"{number}.jpg", pixels(128, 128, 3, seed=number % 7), quality=30)
    program = [sys.executable, "-c", GROWTH, str(tmp_path), "12000000"]
    done = subprocess.run(program, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert 2_000_000 < int(done.stdout) <= 12_000_000


GROWTH = """
import gc, sys
import jax, numpy as np
import deltarule as dr
from deltarule.data.image_files import AS_THEY_ARE, ImageFiles
from deltarule.data.image_preprocessing import ImagePreprocessing, moments
from deltarule.data.image_stream import image_stream
from deltarule.data.images import labelled_files
from deltarule.data.target import Target

def status(name):
    return 1024 * next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith(name))

files, labels = labelled_files(sys.argv[1], [])
found = ImageFiles(files, AS_THEY_ARE, memory=int(sys.argv[2]))
y = np.array([label == "a" for label in labels]).astype(np.int32)
facts = moments(found.pixels(range(8))[0])
goal = Target("class", "classification", ("a", "b"))
coded = ImagePreprocessing.of(facts, found.shape, "uint8", goal, AS_THEY_ARE)
model = dr.Model(dr.Chain(dr.Flatten(), dr.Dense(2)), dr.SoftmaxCrossEntropy())
few, all = (image_stream(found, coded, np.arange(n), y[:n], int(sys.argv[2]), 0) for n in (40, 400))
model.fit(few, epochs=2, batch_size=8, progress=False)
gc.collect()
open("/proc/self/clear_refs", "w").write("5")
before = status("VmRSS")
for _ in found.of_each(lambda image: moments(image[None]), found.whole):
    pass
model.fit(all, epochs=1, batch_size=8, progress=False)
print(status("VmHWM") - before)
"""
