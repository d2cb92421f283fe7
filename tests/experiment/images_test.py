"""Images from files: learned as well as the arrays that they were, predicted and measured from the run folder."""

import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits

import deltarule as dr
from data.pictures import pixels, truncate, write
from deltarule.data.arrays import split
from deltarule.data.image_files import ImageFiles
from deltarule.data.image_preprocessing import ImagePreprocessing
from deltarule.data.image_stream import CodedImages
from deltarule.errors import DataError, DeltaruleError, FileError, SettingError
from deltarule.experiment import evaluate, images, predict, train
from deltarule.experiment.network import image_network
from deltarule.job import Job, read_settings
from deltarule.kernels.native import described
from experiment.jobs import arrays, left, run

SHOWN = 600
QUICK = {"network": "dense", "hidden": (16,), "epochs": 2}


def digits() -> tuple[np.ndarray, np.ndarray]:
    """Digits as bytes (n, 8, 8), and which they are, in the order in which their files are read."""
    images, labels = (found[:SHOWN] for found in load_digits(return_X_y=True))
    order = np.argsort(labels, kind="stable")
    return np.round(images[order] * 255 / 16).astype(np.uint8).reshape(-1, 8, 8), labels[order]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The digits as PNG files in a folder for each, a run that learned them, and a run that learned the arrays."""
    path = tmp_path_factory.mktemp("digits")
    for index, (image, label) in enumerate(zip(*digits(), strict=True)):
        write(path / "digits" / str(label) / f"{index:04}.png", image)
    np.savez(path / "digits.npz", x=digits()[0], y=digits()[1].astype(str))
    return path


@pytest.fixture(scope="module")
def result(folder):
    """A job on the files."""
    return run(folder, folder / "digits", network="dense", hidden=(32,), epochs=30)


def test_a_residual_network_can_be_chosen(result):
    preparation = ImagePreprocessing.from_json(result.model.notes["preprocessing"])
    net = image_network(preparation, Job("digits", network="resnet", augment=("flip",)))
    assert isinstance(net.layers[0], dr.RandomFlip)
    assert net.layers[1:] == dr.networks.resnet(classes=10).layers


def test_the_summary_tells_the_kernels(result):
    assert result.summary["kernels"] == described()


def spoiled(tmp_path: Path, folder: Path) -> Path:
    """The same digits, one of them truncated."""
    copy = tmp_path / "digits"
    for source in (folder / "digits").glob("*/*.png"):
        target = copy / source.parent.name / source.name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.symlink_to(source)
    broken = next(iter(sorted((copy / "3").iterdir())))
    content = broken.read_bytes()
    broken.unlink()
    broken.write_bytes(content)
    truncate(str(broken))
    return copy


def test_files_are_learned_as_the_arrays_are(folder, result):
    summary = json.loads(json.dumps(result.summary))
    assert (summary["task"], summary["metric"]) == ("classification", "accuracy")
    assert summary["validation"] > 0.94
    assert any(f"{SHOWN} images of 8x8 grey" in note for note in result.notes)
    same = run(folder, folder / "digits.npz", network="dense", hidden=(32,), epochs=30)
    assert same.model.history["loss"] == result.model.history["loss"]
    assert same.summary["validation"] == summary["validation"]


def test_the_run_folder_holds_all_of_the_run_and_runs_again(result):
    assert sorted(path.name for path in result.folder.iterdir()) == [
        *("confusion.svg", "curves.svg", "metrics.jsonl", "model.safetensors", "record.json", "report.html"),
        "run.toml",
    ]
    again = train(Job(**read_settings(str(result.folder / "run.toml"))))
    assert again.model.history["loss"] == result.model.history["loss"]
    assert again.folder != result.folder


def test_convolutions_learn_what_is_shifted_and_run_again(folder):
    settings = {"learning_rate": 0.005, "hidden": None, "augment": ("shift",), "epochs": 12}
    first, second = (run(folder, folder / "digits", **settings) for _ in range(2))
    assert first.summary["validation"] > 0.9
    assert first.model.history["loss"] == second.model.history["loss"]
    columns, _ = predict(first.summary["run"], str(folder / "digits"))
    again, _ = predict(first.summary["run"], str(folder / "digits"))
    assert (columns["class"] == digits()[1].astype(str)).mean() > 0.9
    np.testing.assert_array_equal(columns["probability of 3"], again["probability of 3"])


def test_predictions_of_files_are_those_of_the_arrays(folder, result):
    x, y = digits()
    columns, notes = predict(result.summary["run"], str(folder / "digits"))
    assert list(columns) == ["file", "class", *(f"probability of {label}" for label in range(10))]
    assert [Path(file).stem for file in columns["file"]] == [f"{index:04}" for index in range(SHOWN)]
    preparation = ImagePreprocessing.from_json(result.model.notes["preprocessing"])
    probabilities = result.model.predict(preparation.transform(x[..., None]))
    np.testing.assert_array_equal(np.stack(list(columns.values())[2:], 1), probabilities)
    assert (columns["class"] == y.astype(str)).mean() > 0.94
    assert not notes
    of_arrays, _ = predict(result.summary["run"], str(folder / "digits.npz"))
    np.testing.assert_array_equal(of_arrays["class"], columns["class"])
    assert "file" not in of_arrays
    one, _ = predict(result.summary["run"], columns["file"][7], columns["file"][400])
    assert one["file"].tolist() == [columns["file"][7], columns["file"][400]]
    assert one["class"].tolist() == [columns["class"][7], columns["class"][400]]


def test_training_and_held_out_images_are_apart(result, tmp_path):
    x, y = digits()
    kept, held = split(SHOWN, 0.2, 0, y)
    preparation = ImagePreprocessing.from_json(result.model.notes["preprocessing"])
    assert preparation.mean[0] == pytest.approx(x[kept].mean() / 255)
    assert preparation.deviation[0] == pytest.approx(x[kept].std() / 255)
    measured, _ = evaluate(result.summary["run"], str(arrays(tmp_path, x=x[held], y=y[held])))
    assert measured["rows"] == SHOWN // 5
    assert measured["accuracy"] == pytest.approx(result.summary["validation"])
    assert measured["loss"] == pytest.approx(result.summary["loss"])


def test_evaluation_is_by_the_names_of_folders(folder, result, tmp_path):
    measured, _ = evaluate(result.summary["run"], str(folder / "digits"))
    columns, _ = predict(result.summary["run"], str(folder / "digits"))
    right = columns["class"] == digits()[1].astype(str)
    assert measured["accuracy"] == pytest.approx(right.mean())
    assert measured["rows"] == SHOWN
    (tmp_path / "some" / "3").mkdir(parents=True)
    (tmp_path / "some" / "3" / "1.png").symlink_to(columns["file"][300])
    assert evaluate(result.summary["run"], str(tmp_path / "some"))[0]["rows"] == 1
    (tmp_path / "some" / "3").rename(tmp_path / "some" / "three")
    with pytest.raises(DataError, match=r"named after the classes of training \('0', .*but got 'three'"):
        evaluate(result.summary["run"], str(tmp_path / "some"))


def test_classes_that_are_numbers_are_found_by_the_names_of_folders(folder, tmp_path):
    x, y = digits()
    result = run(tmp_path, arrays(tmp_path, x=x, y=y), network="dense", hidden=(32,), epochs=30)
    files, _ = evaluate(result.summary["run"], str(folder / "digits"))
    assert files == evaluate(result.summary["run"], str(tmp_path / "arrays.npz"))[0]
    assert files["accuracy"] > 0.94


def test_a_number_is_predicted_from_images(tmp_path):
    x = np.random.default_rng(0).normal(size=(200, 5, 7)).astype(np.float32)
    result = run(tmp_path, arrays(tmp_path, x=x, y=3 * x.mean((1, 2)) + 50), network="dense", hidden=(), epochs=40)
    assert (result.summary["task"], result.summary["metric"]) == ("regression", "r2")
    assert result.summary["validation"] > 0.95
    columns, _ = predict(result.summary["run"], str(arrays(tmp_path, x=x)))
    np.testing.assert_allclose(columns["y"], 3 * x.mean((1, 2)) + 50, atol=0.2)


def test_images_without_a_label_are_left_out_and_weights_stay(tmp_path):
    x = np.stack([pixels(seed=seed) for seed in range(60)])
    y = np.where(np.arange(60) % 7, x.mean((1, 2)), np.nan)
    found = arrays(tmp_path, x=x, y=y, weight=1.0 + np.arange(60))
    result = run(tmp_path, found, task="regression", **QUICK)
    assert any("'y' is missing in 9 of 60" in note for note in result.notes)
    measured, _ = evaluate(result.summary["run"], str(found))
    assert measured["rows"] == 51
    kept = np.isfinite(y)
    alone, _ = evaluate(result.summary["run"], str(arrays(tmp_path, x=x[kept], y=y[kept])))
    weighed = arrays(tmp_path, x=x[kept], y=y[kept], weight=1.0 + np.arange(60)[kept])
    assert evaluate(result.summary["run"], str(weighed))[0]["loss"] == pytest.approx(measured["loss"])
    assert alone["loss"] != pytest.approx(measured["loss"])


def test_photos_are_resized_in_training_and_so_in_prediction(tmp_path):
    for index in range(12):
        for name, channels in (("grey", 1), ("red", 3)):
            image = pixels(20 + index, 30, channels, seed=index)
            write(tmp_path / "photos" / name / f"{index}.jpg", image, quality=95)
    result = run(tmp_path, tmp_path / "photos", image_size="6x9", channels=3, **QUICK)
    assert result.model.input_shape == (6, 9, 3)
    new = write(tmp_path / "new.png", pixels(50, 40))
    columns, _ = predict(result.summary["run"], new)
    assert columns["file"].tolist() == [new]
    assert evaluate(result.summary["run"], str(tmp_path / "photos"))[0]["rows"] == 24


def test_an_image_unlike_those_of_training_is_refused(result, tmp_path):
    file = write(tmp_path / "wide.png", pixels(8, 9))
    with pytest.raises(
        DataError, match=r"wide.png: expected an image of 8x8 grey, as in training, but got 8x9 grey"
    ):
        predict(result.summary["run"], file)
    with pytest.raises(DataError, match="8x8 grey, as in training, but got 8x8 colour"):
        predict(result.summary["run"], write(tmp_path / "red.png", pixels(8, 8, 3)))


def test_a_broken_file_is_refused_or_skipped_by_choice(folder, result, tmp_path):
    copy = spoiled(tmp_path, folder)
    for job in (
        lambda corrupt: run(tmp_path, copy, corrupt=corrupt, **QUICK).notes,
        lambda corrupt: predict(result.summary["run"], str(copy), corrupt=corrupt)[1],
        lambda corrupt: evaluate(result.summary["run"], str(copy), corrupt)[1],
    ):
        with pytest.raises(
            DataError, match=rf"1 of {SHOWN} files cannot be read .*digits/3/\d+.png \(.*truncated"
        ):
            job("refuse")
        assert not left(tmp_path)
        assert any(f"1 of {SHOWN} files cannot be read as images and are left out" in note for note in job("skip"))
        for file in (tmp_path / "runs").rglob("*.*"):
            file.unlink()
    columns, _ = predict(result.summary["run"], str(copy), corrupt="skip")
    whole, _ = predict(result.summary["run"], str(folder / "digits"))
    names = {Path(file).name: label for file, label in zip(whole["file"], whole["class"], strict=True)}
    assert len(columns["file"]) == SHOWN - 1
    assert [names[Path(file).name] for file in columns["file"]] == columns["class"].tolist()


MEMORY = "300kB"  # in which few of the digits are at a time


@pytest.fixture(scope="module")
def streamed(folder, tmp_path_factory):
    """A job on the files that reads them in chunks."""
    path = tmp_path_factory.mktemp("streamed")
    return run(path, folder / "digits", network="dense", hidden=(32,), epochs=30, memory=MEMORY)


def test_a_folder_is_streamed_within_a_memory(folder, result, streamed):
    """The same images are held out, and the same numbers standardise them, as in memory."""
    assert streamed.summary["validation"] > 0.94
    saved, whole = (each.model.notes["preprocessing"] for each in (streamed, result))
    assert saved["mean"] == pytest.approx(whole["mean"], rel=1e-12)
    assert saved["deviation"] == pytest.approx(whole["deviation"], rel=1e-12)
    assert {**saved, "mean": 0, "deviation": 0} == {**whole, "mean": 0, "deviation": 0}
    assert any("read in chunks of 192, within 300 kB; each chunk mixes" in note for note in streamed.notes)
    record = json.loads((streamed.folder / "record.json").read_text())
    assert record["data"] == {"file": str(folder / "digits"), "unit": "images", "training": 480, "held_out": 120}
    assert "picture" in record["worst"]["pictures"][0]


def test_a_streamed_run_goes_on_where_it_was_interrupted(folder, streamed, tmp_path, monkeypatch):
    once, count = CodedImages.read, 0

    def interrupted(self, block):
        nonlocal count
        count += 1
        if count > 100:
            raise KeyboardInterrupt
        return once(self, block)

    monkeypatch.setattr(CodedImages, "read", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, folder / "digits", network="dense", hidden=(32,), epochs=30, memory=MEMORY)
    monkeypatch.setattr(CodedImages, "read", once)
    begun = next((tmp_path / "runs").iterdir())
    again = train(Job(**read_settings(str(begun / "run.toml"))), begun=begun)
    assert again.model.history["loss"] == streamed.model.history["loss"]


def test_more_than_the_memory_is_predicted_and_measured_in_blocks(folder, result, monkeypatch):
    whole, measured = (
        command(result.summary["run"], str(folder / "digits"))[0] for command in (predict, evaluate)
    )
    monkeypatch.setattr(images, "MEMORY", "100kB")
    sizes, once = [], ImageFiles.pixels
    monkeypatch.setattr(ImageFiles, "pixels", lambda self, at: sizes.append(len(at)) or once(self, at))
    columns, _ = predict(result.summary["run"], str(folder / "digits"))
    assert max(sizes) < 20
    assert columns["file"].tolist() == whole["file"].tolist()
    np.testing.assert_allclose(columns["probability of 3"], whole["probability of 3"], rtol=1e-4, atol=1e-7)
    got, _ = evaluate(result.summary["run"], str(folder / "digits"))
    assert max(sizes) < 20
    assert got.pop("loss") == pytest.approx(measured["loss"], rel=1e-5)
    assert got.pop("accuracy") == pytest.approx(measured["accuracy"])
    assert got == {"task": "classification", "metric": "accuracy", "rows": SHOWN}


def test_a_stream_refuses_or_skips_a_broken_file_before_it_trains(folder, tmp_path):
    copy = spoiled(tmp_path, folder)
    with pytest.raises(DataError, match=rf"1 of {SHOWN} files cannot be read .*digits/3/\d+.png \(.*truncated"):
        run(tmp_path, copy, memory=MEMORY, **QUICK)
    assert not left(tmp_path)
    notes = run(tmp_path, copy, memory=MEMORY, corrupt="skip", **QUICK).notes
    assert any(f"1 of {SHOWN} files cannot be read as images and are left out" in note for note in notes)
    assert any(f"{SHOWN - 1} images of 8x8 grey" in note for note in notes)


def test_too_little_memory_is_told(folder, tmp_path):
    with pytest.raises(SettingError, match=r"memory = 2 kB is too little: .*; the least possible is \d+ bytes"):
        run(tmp_path, folder / "digits", memory="2kB", **QUICK)
    assert not left(tmp_path)


def test_one_class_is_refused(folder, tmp_path):
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "3").symlink_to(folder / "digits" / "3")
    with pytest.raises(DataError, match="a folder for each of at least two classes, but there is only '3'"):
        run(tmp_path, tmp_path / "one")
    assert not left(tmp_path)


@pytest.mark.parametrize(
    ("data", "settings", "words"),
    [
        ("digits", {"target": "class"}, "digits: the setting target is for tables: .* their folder"),
        ("digits.npz", {"target": "y"}, r"digits.npz: the setting target is for tables"),
        ("digits.npz", {"image_size": "8x8"}, "image_size is for image files, and these are arrays"),
        ("digits.npz", {"channels": 3}, "channels is for image files"),
        ("digits.npz", {"corrupt": "skip"}, "corrupt is for image files"),
        ("digits.npz", {"memory": "1MB"}, "memory is for image files, and these are arrays"),
        (
            "digits",
            {"image_size": "8"},
            "image_size: expected height x width in pixels, such as 32x32, but got '8'",
        ),
        ("digits", {"image_size": "0x8"}, "but got '0x8'"),
        ("digits", {"task": "regression"}, "expected numbers for a regression, but it holds text"),
        ("digits", {"network": "convolution", "hidden": (8,)}, "the setting hidden is for dense networks"),
        ("digits", {"network": "resnet", "activation": "tanh"}, "a resnet has ReLU; leave it out"),
        ("digits/0/0000.png", {}, "expected a folder that holds .* but this is a file"),
    ],
)
def test_settings_that_mean_nothing_are_refused(data, settings, words, folder, tmp_path):
    with pytest.raises(DeltaruleError, match=words):
        run(tmp_path, folder / data, **{"hidden": None, **settings})
    assert not left(tmp_path)


def test_arrays_without_labels_are_told(result, folder, tmp_path):
    found = arrays(tmp_path, x=digits()[0])
    for job in (lambda: run(tmp_path, found, **QUICK), lambda: evaluate(result.summary["run"], str(found))):
        with pytest.raises(DataError, match="arrays x and y, where y is the label of each image"):
            job()
    with pytest.raises(SettingError, match="corrupt = skip is for image files"):
        predict(result.summary["run"], str(found), corrupt="skip")


def test_tables_and_images_are_told_apart_by_the_model(result, folder, tmp_path):
    (tmp_path / "table.csv").write_text("a,b\n" + "".join(f"{n},{n % 2}\n" for n in range(40)))
    table = run(tmp_path, tmp_path / "table.csv").summary["run"]
    with pytest.raises(FileError, match=r"trained on images; but got the suffix '\.csv'"):
        predict(result.summary["run"], str(tmp_path / "table.csv"))
    for command in (predict, evaluate):
        with pytest.raises(FileError, match="expected a file, because the model was trained on a table"):
            command(table, str(folder / "digits"))
        with pytest.raises(
            SettingError, match="corrupt = skip is for images, and the model was trained on a table"
        ):
            command(table, str(tmp_path / "table.csv"), corrupt="skip")
    with pytest.raises(SettingError, match=r"expected one file, .*but got 2"):
        predict(table, str(tmp_path / "table.csv"), str(tmp_path / "table.csv"))


def test_the_model_itself_refuses_images_of_another_shape(result):
    with pytest.raises(
        dr.ShapeError, match=r"examples of shape \(n, 8, 8, 1\), as in training, got \(3, 8, 9, 1\)"
    ):
        result.model.predict(np.zeros((3, 8, 9, 1)))
