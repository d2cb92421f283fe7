"""A text learned, measured in bits and drawn from: the state goes on, and what was never seen has a rule."""

from pathlib import Path

import jax
import numpy as np
import pytest

import deltarule as dr
from deltarule.data.text import TextStream
from deltarule.errors import DataError, SettingError
from deltarule.experiment import evaluate, language, predict, sample
from deltarule.experiment.run import prepare
from deltarule.experiment.use import load_prepared
from deltarule.job import Job
from experiment.jobs import BUNDLED, left, run

SENTENCES = ["the cat sat on the mat.\n", "a dog ran to the park!\n", "who can see the moon?\n"]
SETTINGS = {"hidden": (24,), "window": 16, "epochs": 8, "learning_rate": 0.02}


def written(tmp_path: Path, sentences: int = 500, end: str = "", name: str = "corpus.txt") -> Path:
    """A text of sentences in random order."""
    order = np.random.default_rng(0).integers(0, 3, sentences)
    (tmp_path / name).write_text("".join(SENTENCES[each] for each in order) + end)
    return tmp_path / name


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A model of the sentences, and their file."""
    folder = tmp_path_factory.mktemp("corpus")
    path = written(folder)
    return run(folder, path, **SETTINGS), path


def test_a_text_is_learned_to_what_is_left_to_chance(trained):
    result, path = trained
    summary = result.summary
    assert (summary["task"], summary["metric"]) == ("language", "bits_per_character")
    entropy = np.log2(3) * 500 / len(path.read_text())  # one sentence of three
    assert entropy < summary["validation"] < entropy + 0.1
    assert entropy < summary["ngram_bits"] < 1
    assert summary["ngram_order"] == 5
    assert summary["loss"] == pytest.approx(summary["validation"] * np.log(2))
    size = len(set("".join(SENTENCES))) + 1
    assert result.model.net == dr.Chain(dr.Embedding(size, size), dr.Recurrent(dr.GRU(24)), dr.Dense(size))
    assert {path.name for path in result.folder.iterdir()} == {
        *("curves.svg", "metrics.jsonl", "model.safetensors", "run.toml", "sample.txt"),
        *("record.json", "report.html"),
    }
    assert len((result.folder / "sample.txt").read_text()) == 1000
    assert len(result.notes) == 1
    assert "20 different ones, are learned" in result.notes[0]


def test_bits_are_those_of_the_predictions_with_the_state_carried_on(trained, monkeypatch):
    result, path = trained
    monkeypatch.setattr(language, "CHUNK", 7)
    _, vocabulary = load_prepared(str(result.folder))
    symbols = np.frombuffer(path.read_bytes(), np.uint8)[:2100]
    measured = language.measure(result.model, TextStream(symbols, vocabulary, 2, 7))
    codes = vocabulary.codes(symbols)[: 2 * 1049 + 1]
    p = result.model.predict(codes[:-1].reshape(2, 1049))
    right = np.take_along_axis(p, codes[1:].reshape(2, 1049, 1).astype(int), 2)
    assert measured["bits_per_character"] == pytest.approx(-np.log2(right).mean(), rel=1e-4)
    assert evaluate(str(result.folder), str(path))[0]["rows"] == 11 * ((len(path.read_text()) - 1) // 11)


def test_the_likeliest_text_is_that_of_the_predictions(trained):
    result, _ = trained
    _, vocabulary = load_prepared(str(result.folder))
    prompt = "the mat.\na d"
    text, notes = sample(str(result.folder), 12, prompt, temperature=0)
    codes = vocabulary.encode(prompt).tolist()
    for _ in range(12):
        codes.append(int(result.model.predict([codes])[0, -1, 1:].argmax()) + 1)
    assert text == vocabulary.decode(codes[len(prompt) :])
    assert text.startswith("og ran to t")
    assert notes == []


def test_text_is_drawn_anew_by_the_seed_and_keeps_to_its_temperature(trained):
    folder = str(trained[0].folder)
    first, again, other = (sample(folder, 300, seed=seed)[0] for seed in (0, 0, 1))
    assert first == again != other
    lines = first.splitlines(keepends=True)[:-1]
    assert sum(line in SENTENCES for line in lines) > 0.7 * len(lines) > 5
    assert {line[:3] for line in lines} >= {"the", "a d", "who"}
    wild = sample(folder, 300, temperature=5.0)[0].splitlines(keepends=True)
    assert not any(line in SENTENCES for line in wild)


def test_what_was_never_seen_is_never_drawn(trained):
    model, vocabulary = load_prepared(str(trained[0].folder))
    dense = model.state.params[2]
    raised = {**dense, "b": dense["b"].at[0].set(50.0)}
    model.state = model.state._replace(params=(*model.state.params[:2], raised))
    assert language.measure(model, TextStream(np.full(99, 97), vocabulary, 1, 9))["bits_per_character"] > 20
    assert "�" not in language.draw(model, vocabulary, 200, "", 1.0, 0, [])


def test_characters_that_training_lacks_share_a_code_and_are_told(tmp_path):
    result = run(tmp_path, written(tmp_path, end="Ü?Ü" * 5), **{**SETTINGS, "epochs": 1})
    assert result.notes[1].startswith(
        "10 of 2,296 held-out characters are not in the training part; they share one"
    )
    assert result.summary["validation"] < 20
    folder = str(result.folder)
    _, notes = sample(folder, 5, "the Ü cat")
    assert notes == ["1 of 9 characters of the prompt are not in the training text."]
    other = written(tmp_path, 50, "Ü", "other.txt")
    measured, notes = evaluate(folder, str(other))
    assert measured["unknown"] == 1
    assert notes == [f"1 of {len(other.read_text()):,} characters were never seen in training; they share a code."]


def test_bytes_are_learned_where_they_are_asked_for(tmp_path):
    path = written(tmp_path, 100, name="corpus.md")
    result = run(tmp_path, path, **{**SETTINGS, "epochs": 1}, task="language", unit="bytes", network="lstm")
    assert result.summary["metric"] == "bits_per_byte"
    assert result.model.net.layers[1] == dr.Recurrent(dr.LSTM(24))
    assert result.model.notes["preprocessing"]["unit"] == "bytes"


def test_the_training_part_is_read_as_streams_and_the_rest_is_held_out(tmp_path):
    path = written(tmp_path)
    symbols = np.frombuffer(path.read_bytes(), np.uint8)
    prepared = prepare(Job(str(path), window=16, batch_size=5, validation=0.3), None)
    kept = len(symbols) - round(0.3 * len(symbols))
    np.testing.assert_array_equal(prepared.training.symbols, symbols[:kept])
    assert prepared.training.chunk_shape == (5, 2048 if kept > 5 * 2048 else (kept - 1) // 5)
    np.testing.assert_array_equal(prepared.text.symbols, symbols[kept:])
    x, y, weight = prepared.held_out
    codes = prepared.preprocessing.codes(symbols[kept:])
    assert x.shape == y.shape == ((len(codes) - 1) // 512, 512)
    np.testing.assert_array_equal(x[0], codes[:512])
    np.testing.assert_array_equal(y[-1], codes[-512:])
    np.testing.assert_array_equal(x[:, 1:], y[:, :-1])
    assert weight.tolist() == [1] * len(x)


@pytest.mark.parametrize(("characters", "streams"), [(12, 1), (64, 6), (2000, 32)])
def test_a_short_text_has_fewer_streams(characters, streams, tmp_path):
    (tmp_path / "a.txt").write_text("abcd" * (characters // 4))
    assert prepare(Job(str(tmp_path / "a.txt"), window=8), None).training.streams == streams


@pytest.mark.parametrize(
    ("text", "settings", "error", "words"),
    [
        ("", {}, DataError, "the file is empty"),
        ("abc" * 5, {}, DataError, r"at least 65 characters to learn from \(1 streams, window 64\).*are 12 and 3"),
        ("abc" * 90, {"batch_size": 9}, DataError, r"577 characters to learn from \(9 streams, window 64\)"),
        ("abc" * 90, {"batch_size": 0}, SettingError, "batch_size: expected a whole number of at least 1"),
        ("abc" * 90, {"validation": 0.005}, DataError, "and 2 held out, but there are 269 and 1"),
        ("abc" * 90, {"validation": 1.0}, DataError, "leaves rows on both sides|share that leaves"),
        ("abc" * 90, {"window": 0}, SettingError, "window: expected a whole number of at least 1"),
        ("abc" * 90, {"target": "a"}, SettingError, "target is for tables: of a text the next character"),
        (
            "abc" * 90,
            {"horizon": 2},
            SettingError,
            r"horizon is for series \(task = forecast\), and this is a text",
        ),
        ("abc" * 90, {"network": "dense"}, SettingError, "network = dense is for .*, and this is a text"),
        ("abc" * 90, {"network": "resnet"}, SettingError, "network = resnet is for images, and this is a text"),
        ("abc" * 90, {"activation": "tanh"}, SettingError, "activation is for dense networks"),
        ("abc" * 90, {"hidden": ()}, SettingError, "width of at least one recurrent layer"),
        ("a" * 900, {}, DataError, "at least two different characters"),
    ],
)
def test_what_cannot_be_learned_is_refused(text, settings, error, words, tmp_path):
    (tmp_path / "a.txt").write_text(text)
    with pytest.raises(error, match=words):
        run(tmp_path, tmp_path / "a.txt", **{"hidden": None, **settings})
    assert not left(tmp_path)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"length": 0}, "length: expected a whole number of at least 1, but got 0"),
        ({"temperature": -1.0}, "temperature: expected a number of at least 0"),
        ({"temperature": float("nan")}, "temperature: .* got nan"),
        ({"seed": -1}, "seed: expected a whole number from 0"),
    ],
)
def test_what_cannot_be_drawn_is_refused(settings, words, trained):
    with pytest.raises(SettingError, match=words):
        sample(str(trained[0].folder), **settings)


def test_a_text_is_drawn_from_and_a_table_is_predicted(trained, tmp_path):
    with pytest.raises(SettingError, match="trained on a text; draw from it with deltarule sample"):
        predict(str(trained[0].folder), str(trained[1]))
    table = run(tmp_path, BUNDLED / "iris.csv", epochs=1)
    with pytest.raises(SettingError, match="not trained on a text; use deltarule predict"):
        sample(str(table.folder))


def test_drawing_compiles_once(trained):
    model, vocabulary = load_prepared(str(trained[0].folder))
    program = language.sampling_program(language.carrying(model.net), model.precision, 31)
    for seed, temperature in ((0, 1.0), (1, 0.5), (2, 0.0)):
        language.draw(model, vocabulary, 31, "the", temperature, seed, [])
    assert program._cache_size() == 1
    assert jax.config.jax_enable_x64 is False
