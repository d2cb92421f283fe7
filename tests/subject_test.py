"""What a command looks at, as a person names it; and what names no network."""

import numpy as np
import pytest

import deltarule as dr
from deltarule.errors import FileError, SettingError
from deltarule.subject import read_subject, read_words


@pytest.mark.parametrize(
    ("text", "net"),
    [
        ("Dense(4)", dr.Dense(4)),
        ("Dense(4), dr.ReLU(), Dense(2, bias=False)", dr.Chain(dr.Dense(4), dr.ReLU(), dr.Dense(2, bias=False))),
        ("Residual(Chain(Dense(3), Tanh()))", dr.Residual(dr.Chain(dr.Dense(3), dr.Tanh()))),
        ("Recurrent(LSTM(3, peephole=True), last=True)", dr.Recurrent(dr.LSTM(3, peephole=True), last=True)),
        ("Convolution(4, (3, 2)), Reshape(-1)", dr.Chain(dr.Convolution(4, (3, 2)), dr.Reshape(-1))),
        ("networks.lenet(10)", dr.networks.lenet(10)),
    ],
)
def test_layers_are_read_as_they_are_written(text, net):
    subject = read_subject(text, "5x7")
    assert subject.net == net
    assert subject.x == (5, 7)


def test_a_model_knows_its_shape_and_its_loss(tmp_path):
    model = dr.Model(dr.Dense(2), loss=dr.Huber(), optimizer=dr.Adam(0.01))
    model.fit(np.ones((6, 3), np.float32), np.ones((6, 2), np.float32), epochs=1)
    model.save(tmp_path / "model.safetensors")
    for text in (tmp_path, tmp_path / "model.safetensors"):
        subject = read_subject(str(text))
        assert (subject.net, subject.x, subject.loss, subject.optimizer) == (
            dr.Dense(2),
            (32, 3),
            dr.Huber(),
            dr.Adam(0.01),
        )
        assert read_subject(str(text), "64").x == (64, 3)
        assert read_subject(str(text), "4x5").x == (4, 5)


def test_a_python_file_names_its_network(tmp_path):
    file = tmp_path / "net.py"
    file.write_text("import deltarule as dr\nnet = dr.Dense(3)\ndef made(): return dr.ReLU()\nlength = 3\n")
    assert read_subject(f"{file}:net", "2x5").net == dr.Dense(3)
    assert read_subject(f"{file}:made", "2x5").net == dr.ReLU()
    for name in ("length", "other"):
        with pytest.raises(FileError, match=f"expected a network by the name of '{name}'"):
            read_subject(f"{file}:{name}", "2x5")
    file.write_text("1 / 0")
    with pytest.raises(FileError, match="cannot be run to find 'net': ZeroDivisionError"):
        read_subject(f"{file}:net", "2x5")
    with pytest.raises(FileError, match="no such file"):
        read_subject("missing.py:net", "2x5")


@pytest.mark.parametrize(
    ("text", "x", "message"),
    [
        ("Dense(4)", None, "the input's shape is missing: say --x 64x784"),
        ("Dense(4)", "64xa", "expected the input's shape as 64x784.*got '64xa'"),
        ("Dense(4)", "0x3", "got '0x3'"),
        ("Dense(4", "2x3", "neither a file nor layers"),
        ("", "2x3", "expected a file, or layers"),
        ("4", "2x3", "expected a file, or layers"),
        ("Dens(4)", "2x3", "'Dens' is none of Deltarule's layers; did you mean Dense?"),
        ("Perceptron(4)", "2x3", "none of Deltarule's layers; write Dense"),
        ("Dense(width=4)", "2x3", "Dense does not take these settings"),
        ("Dense(d_H)", "2x3", "'d_H' is a symbol where a number is needed"),
        ("Dense(4)", "Mx3", "expected the input's shape as 64x784.*got 'Mx3'"),
        ("Dense(0)", "2x3", "features must be a whole number of at least 1, got 0"),
        ("Dense(1 + 1)", "2x3", "'1 \\+ 1' is neither a layer nor a plain value"),
        ("__import__('os').system('true')", "2x3", "none of Deltarule's layers"),
    ],
)
def test_what_is_no_network_is_refused(text, x, message):
    with pytest.raises(SettingError, match=message):
        read_subject(text, x)


def test_a_name_stands_for_a_number_where_symbols_are_asked_for():
    subject = read_subject("Dense(d_H), ReLU()", "Mx7", symbols=True)
    shape = subject.net.shape(subject.x)
    assert [str(length) for length in shape] == ["M", "d_H"]
    assert shape[0].is_positive
    assert read_subject("Dense(3)", "5x7", symbols=True).x == (5, 7)


def test_a_loss_and_an_optimizer_are_read_in_words():
    assert read_words("Huber(2.0)", dr.Loss) == dr.Huber(2.0)
    assert read_words("Adam", dr.Optimizer) == dr.Adam()
    assert read_words("SGD(CosineDecay(0.1, 10))", dr.Optimizer) == dr.SGD(dr.CosineDecay(0.1, 10))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Dense(4)", "expected words such as Adam\\(1e-3\\); got 'Dense\\(4\\)'"),
        ("SGD(0.1), SGD(0.1)", "expected words such as Adam"),
        ("Adam(1e-3", "neither Adam\\(1e-3\\) nor its like"),
        ("Adan(1e-3)", "did you mean Adam"),
        ("SGD(rate)", "'rate' is a symbol where a number is needed"),
    ],
)
def test_words_that_are_no_optimizer_are_refused(text, message):
    with pytest.raises(SettingError, match=message):
        read_words(text, dr.Optimizer)
