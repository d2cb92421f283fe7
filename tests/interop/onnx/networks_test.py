"""Whole networks: their predictions, the layouts of their arrays, and sizes that are left open."""

import numpy as np
import onnx
import polars as pl
import pytest

import deltarule as dr
from deltarule.errors import SettingError
from deltarule.interop.onnx import export, from_onnx, to_onnx
from deltarule.interop.onnx.writing import write
from interop.onnx.models import computed, drawn, kinds, model_of, session

FILM = dr.TimeDistributed(dr.Chain(dr.Convolution(4, 3), dr.ReLU(), dr.Flatten(), dr.Dense(6)))
READ = dr.Chain(dr.Bidirectional(dr.LSTM(4)), dr.Dense(4), dr.Bidirectional(dr.GRU(5), last=True), dr.Dense(3))
NETWORKS = {
    "lenet": (dr.networks.lenet(10, padding=2), (28, 28, 1), 2, 64, 0.05),
    "resnet": (dr.networks.resnet(8, width=8), (16, 16, 3), 1, 64, 0.15),
    "basic resnet": (dr.networks.resnet(8, width=8, block="basic"), (16, 16, 3), 1, 64, 0.15),
    "nature": (dr.networks.nature(4, (64,)), (84, 84, 4), 2, 16, 0.02),
    "voxnet": (dr.networks.voxnet(10), (32, 32, 32, 1), 2, 8, 0.02),
    "gru": (
        dr.Chain(dr.Recurrent(dr.GRU(8)), dr.Recurrent(dr.GRU(8), last=True), dr.Dense(3)),
        (12, 5),
        1,
        64,
        0.3,
    ),
    "both directions": (READ, (12, 5), 1, 64, 0.3),
    "film": (dr.Chain(FILM, dr.Recurrent(dr.LSTM(5), last=True)), (4, 5, 6, 2), 3, 16, 0.3),
}


@pytest.mark.parametrize(("net", "shape", "transposes", "n", "spread"), NETWORKS.values(), ids=NETWORKS)
def test_a_network_predicts_the_same_and_turns_its_arrays_at_borders_only(net, shape, transposes, n, spread):
    model, x = model_of(net, shape, spread=spread), drawn(shape, n)
    written, expected = to_onnx(model), model.predict(x)
    assert expected.std(0).max() > 0.1  # the examples are told apart
    assert kinds(written).count("Transpose") == transposes
    running = session(written)
    for rows in (1, 7, n):
        np.testing.assert_allclose(running.run(None, {"x": x[:rows]})[0], expected[:rows], rtol=0, atol=1e-5)
    again = from_onnx(written, dr.SquaredError())
    np.testing.assert_allclose(again.predict(x), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("loss", [dr.SoftmaxCrossEntropy(), dr.BinaryCrossEntropy(), dr.SquaredError()])
@pytest.mark.parametrize(
    "net", [dr.Dense(3), dr.Chain(dr.Recurrent(dr.GRU(4)), dr.Dense(3))], ids=["dense", "gru"]
)
def test_what_the_loss_makes_of_outputs_is_written_and_read_back(loss, net):
    model, x = model_of(net, (6, 5), loss), drawn((6, 5), 16)
    written, expected = to_onnx(model), model.predict(x)
    np.testing.assert_allclose(computed(written, x), expected, rtol=0, atol=1e-6)
    again = from_onnx(written, type(loss)())
    assert again.net == net
    np.testing.assert_allclose(again.predict(x), expected, rtol=0, atol=1e-6)


def test_a_recurrent_network_takes_sequences_of_any_length():
    model = model_of(NETWORKS["gru"][0], (12, 5))
    written, longer = to_onnx(model), drawn((20, 5), 8)
    assert [d.dim_param or d.dim_value for d in written.graph.input[0].type.tensor_type.shape.dim] == ["n", "t", 5]
    np.testing.assert_allclose(computed(written, longer), model.predict(longer), rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    "last",
    [dr.Flatten(), dr.Reshape(2, -1), dr.Convolution(2, 3, stride=2), dr.MaxPool(3, stride=2, padding="same")],
    ids=str,
)
def test_where_a_layer_takes_one_length_the_file_says_so(last):
    net = dr.Chain(dr.Recurrent(dr.GRU(4)), last)
    model, x = model_of(net, (6, 5)), drawn((6, 5), 8)
    written = to_onnx(model)
    assert [d.dim_value for d in written.graph.input[0].type.tensor_type.shape.dim] == [0, 6, 5]
    np.testing.assert_allclose(computed(written, x), model.predict(x), rtol=0, atol=1e-5)


def test_a_file_says_what_wrote_it_and_what_it_holds(tmp_path):
    model = model_of(dr.Chain(dr.Dense(3), dr.RMSNorm()), (5,))
    export(model, tmp_path / "model.onnx")
    written = onnx.load(tmp_path / "model.onnx")
    assert (written.producer_name, written.producer_version) == ("deltarule", dr.__version__)
    assert [(each.domain, each.version) for each in written.opset_import] == [("", 23)]
    about = {each.key: each.value for each in written.metadata_props}
    assert about["net"].startswith('{"Chain": {"layers": [{"Dense": {"features": 3')
    assert about["loss"] == '{"SquaredError": {}}'
    assert [each.version for each in to_onnx(model_of(dr.Dense(3), (5,))).opset_import] == [21]
    assert from_onnx(tmp_path / "model.onnx", dr.SquaredError()).net == model.net


def test_what_was_read_trains_further():
    model = model_of(dr.Chain(dr.Convolution(3, 3), dr.BatchNorm(), dr.Flatten(), dr.Dense(2)), (4, 5, 2))
    again = from_onnx(to_onnx(model), dr.SquaredError(), dr.SGD(0.01))
    x, y = drawn((4, 5, 2), 16), drawn((2,), 16)
    before = again.evaluate(x, y)["loss"]
    again.fit(x, y, epochs=5, batch_size=8)
    assert again.evaluate(x, y)["loss"] < 0.9 * before


def test_a_frames_columns_are_put_in_order_by_what_was_read_back():
    frame = pl.DataFrame({"a": [1.0, 2.0], "b": [5.0, 3.0], "price": [1.0, 0.0]})
    model = model_of(dr.Dense(1), (2,))
    model.fit(frame, "price", epochs=1)
    again = from_onnx(to_onnx(model), dr.SquaredError())
    turned = frame.select("b", "a")
    np.testing.assert_array_equal(again.predict(turned), model.predict(turned))
    assert again.notes == {"columns": ["a", "b"]}
    foreign = to_onnx(model)
    foreign.producer_name = "another"
    assert from_onnx(foreign, dr.SquaredError()).notes == {}


class OwnReLU(dr.ReLU):
    """A layer that the library does not have."""


class Doubled(dr.SquaredError):
    """A loss that makes something of its outputs."""

    def predict(self, y):
        return 2 * y


@pytest.mark.parametrize(
    ("net", "shape", "words"),
    [
        (dr.Chain(dr.Dense(3), dr.Chain(OwnReLU())), (5,), r"layer 1\.0, OwnReLU: expected one of Deltarule's"),
        (dr.Residual(dr.Chain(dr.Recurrent(dr.GRU(5), carry=True))), (4, 5), r"layer 0\.0, Recurrent: carry=True"),
    ],
    ids=["own", "carry"],
)
def test_what_onnx_has_no_form_of_is_named_by_its_path(net, shape, words):
    with pytest.raises(SettingError, match=words):
        to_onnx(model_of(net, shape))


def test_a_cell_of_ones_own_is_named():
    from layers.own_cell import MinimalGatedUnit

    with pytest.raises(SettingError, match="Recurrent: ONNX has no form of the cell MinimalGatedUnit; use"):
        to_onnx(model_of(dr.Recurrent(MinimalGatedUnit(3)), (4, 5)))


def test_a_layer_of_ones_own_can_be_given_a_form():
    from deltarule.interop.onnx import writes
    from deltarule.interop.onnx.writing.registry import WRITERS

    writes(OwnReLU)(lambda here, x: here.apply("Relu", x))
    try:
        assert kinds(to_onnx(model_of(dr.Chain(dr.Dense(3), OwnReLU()), (5,)))) == ["Gemm", "Relu", "Identity"]
    finally:
        del WRITERS[OwnReLU]


def test_a_model_that_cannot_be_written_is_refused(monkeypatch):
    with pytest.raises(SettingError, match="the model has not been trained"):
        to_onnx(dr.Model(dr.Dense(1), loss=dr.SquaredError()))
    with pytest.raises(SettingError, match="Doubled: a loss of your own that makes predictions"):
        to_onnx(model_of(dr.Dense(1), (3,), Doubled()))
    monkeypatch.setattr(write, "MOST_BYTES", 15)
    with pytest.raises(SettingError, match="an ONNX file holds 2 GiB at most, and the parameters take 16 bytes"):
        to_onnx(model_of(dr.Dense(1), (3,)))
