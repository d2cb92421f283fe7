"""A model as a file: bit-equal when it comes back, and never trusted when anything about it is wrong."""

import errno
import hashlib
import json
import os
from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import save

import deltarule as dr
from deltarule.model_file import digest, read_model, write_model

RNG = np.random.default_rng(0)
X = RNG.normal(size=(12, 6)).astype(np.float32)
EMBEDDED = dr.Chain(dr.Columns(0, 2), dr.Embedding(5, 3), dr.Flatten())
NETS = [
    (dr.Dense(2, bias=False, W_init=dr.Orthogonal(0.5)), X),
    (dr.Chain(dr.Dense(4), dr.LeakyReLU(0.1), dr.Chain(dr.ELU(), dr.Dense(2, W_init=dr.Constant(0.25)))), X),
    (dr.Chain(dr.Branch(dr.Dense(3), dr.Identity()), dr.GELU(), dr.Dense(2)), X),
    (dr.Chain(dr.Residual(dr.Dense(6)), dr.Residual(dr.Chain(dr.Dense(4), dr.Tanh())), dr.Dense(2)), X),
    (dr.Chain(dr.Reshape(2, 3), dr.Dense(4), dr.Flatten(), dr.Softplus(), dr.Dense(2)), X),
    (dr.Chain(dr.Branch(EMBEDDED, dr.Columns(2, 6)), dr.SiLU(), dr.Dense(2)), abs(X).round()),
]
OPTIMIZERS = [
    dr.SGD(0.01, momentum=0.5),
    dr.RMSProp(dr.WarmUp(dr.InverseTimeDecay(1.0, 100.0), 3)),
    dr.AdaGrad(dr.ConstantRate(0.01)),
    dr.AdamW(dr.CosineDecay(0.01, 10)),
    dr.Adam(dr.StepDecay(0.01, 5)),
    dr.SGD(dr.PowerDecay(0.01, 0.75)),
]


def trained(net, x=X, optimizer=None, **options):
    model = dr.Model(net, dr.SquaredError(), optimizer or dr.SGD(0.01), **options)
    model.fit(x, RNG.normal(size=(len(x), 2)), epochs=1, batch_size=5)
    return model


@pytest.mark.parametrize(
    ("net", "x", "optimizer"), [(*net, o) for net, o in zip(NETS, OPTIMIZERS, strict=True)], ids=range(len(NETS))
)
def test_predictions_and_settings_come_back_bit_equal(net, x, optimizer, tmp_path):
    model = trained(net, x, optimizer, l2=dr.L2(0.01, exclude=("b", "W")), clip_norm=2.0, seed=5)
    model.notes = {"columns": ["größe", "b"], "means": [0.1, 1e-30], "classes": {"2": "a", "10": "b"}}
    model.save(tmp_path / "model.safetensors")
    same = dr.load(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(same.predict(x), model.predict(x))
    for name in ("net", "loss", "optimizer", "l2", "clip_norm", "seed", "input_shape", "history", "notes"):
        assert getattr(same, name) == getattr(model, name), name


def test_whole_numbers_as_names_in_notes_do_not_spoil_the_checksum(tmp_path):
    model = trained(dr.Dense(2))
    model.notes = {"classes": {2: "a", 10: "b"}}
    model.save(tmp_path / "model.safetensors")
    assert dr.load(tmp_path / "model.safetensors").notes == {"classes": {"2": "a", "10": "b"}}


def test_a_loaded_model_can_be_trained_on(tmp_path):
    trained(dr.Dense(2)).save(tmp_path / "model.safetensors")
    model = dr.load(tmp_path / "model.safetensors")
    assert len(model.fit(X, X[:, :2], epochs=2, batch_size=4).rows) == 2


@dataclass(frozen=True)
class Doubled(dr.Identity):
    """A layer of a user's own."""

    factor: float = 2.0

    def forward(self, params, x, context):
        return self.factor * x, ()

    def backward(self, params, saved, dy):
        return self.factor * dy, {}


def test_a_layer_of_the_users_own_comes_back_where_it_is_allowed(tmp_path):
    path = tmp_path / "model.safetensors"
    model = trained(dr.Chain(Doubled(3.0), dr.Dense(2)))
    model.save(path)
    with pytest.raises(dr.FileError, match="describes a Doubled, which is not known; if it is your own"):
        dr.load(path)
    same = dr.load(path, own={"Doubled": Doubled})
    np.testing.assert_array_equal(same.predict(X), model.predict(X))


class Tripled(Doubled):
    """One that only changes a method, and is no dataclass of its own."""

    def forward(self, params, x, context):
        return 3 * self.factor * x, ()


def test_a_subclass_without_a_decorator_comes_back_too(tmp_path):
    model = trained(dr.Chain(Tripled(), dr.Dense(2)))
    model.save(tmp_path / "model.safetensors")
    same = dr.load(tmp_path / "model.safetensors", own={"Tripled": Tripled})
    np.testing.assert_array_equal(same.predict(X), model.predict(X))


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The bytes of a model's file."""
    path = tmp_path_factory.mktemp("whole") / "model.safetensors"
    trained(dr.Chain(dr.Dense(4), dr.Tanh(), dr.Dense(2))).save(path)
    return path.read_bytes()


def refused(path, content):
    path.write_bytes(content)
    with pytest.raises(dr.FileError, match=r"broken\.safetensors"):
        dr.load(path)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "broken.safetensors"


def test_a_truncated_file_is_refused(whole, path):
    for length in [*range(24), *range(24, len(whole), 97), len(whole) - 1]:
        refused(path, whole[:length])


def test_a_file_with_a_flipped_byte_is_refused(whole, path):
    for at in range(0, len(whole), 50):
        refused(path, whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :])


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_other_content_is_refused(whole, path, data):
    at = data.draw(st.integers(0, len(whole) - 1))
    length = data.draw(st.integers(0, 40))
    patch = data.draw(st.binary(max_size=40))
    content = whole[:at] + patch + whole[at + length :]
    if content != whole:
        refused(path, content)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"PK\x03\x04" + bytes(100),
        b"x,y\n1,2\n" * 30,
        save({"W": X}),
        save({"W": X}, {"format": "pt"}),
        save({"W": X}, {"deltarule": "not JSON"}),
        save({"W": X}, {"deltarule": "{}"}),
        save({"W": X}, {"deltarule": "[]"}),
        save({"W": X}, {"deltarule": '"text"'}),
        save({"W": X}, {"deltarule": '{"format": "deltarule 1", "sha256": ""}'}),
        save({"W": X}, {"deltarule": '{"format": "deltarule 9", "sha256": ""}'}),
        save({"W": X}, {"deltarule": "[" * 100_000}),
    ],
    ids=[
        "empty", "zip", "csv", "no metadata", "foreign metadata", "no JSON", "no entries", "a list", "a text",
        "wrong checksum", "newer format", "too deep",
    ],
)  # fmt: skip
def test_a_foreign_file_is_refused(content, path):
    refused(path, content)


def rewritten(whole, path, change):
    """The file after a change of its header or arrays, with a checksum that agrees."""
    path.write_bytes(whole)
    arrays, header = read_model(path)
    change(arrays, header)
    write_model(path, arrays, header)
    return path.read_bytes()


FORGERIES = {
    "no net": lambda a, h: h.pop("net"),
    "no input shape": lambda a, h: h.update(input_shape=None),
    "input shape of text": lambda a, h: h.update(input_shape=["a"]),
    "another input shape": lambda a, h: h.update(input_shape=[7]),
    "no features": lambda a, h: h.update(input_shape=[]),
    "net of an unknown class": lambda a, h: h.update(net={"Perceptron": {}}),
    "net with an unknown setting": lambda a, h: h.update(net={"Dense": {"units": 3}}),
    "net with a wrong setting": lambda a, h: h.update(net={"Dense": {"features": "many"}}),
    "net of two classes": lambda a, h: h.update(net={"ReLU": {}, "Tanh": {}}),
    "net of no class": lambda a, h: h.update(net={}),
    "net of settings that are none": lambda a, h: h.update(net={"ReLU": 3}),
    "a loss as the net": lambda a, h: h.update(net=h["loss"]),
    "a number as the net": lambda a, h: h.update(net=3),
    "no loss": lambda a, h: h.update(loss=None),
    "an optimizer that is none": lambda a, h: h.update(optimizer={"ReLU": {}}),
    "a negative rate": lambda a, h: h.update(optimizer={"SGD": {"learning_rate": -1.0}}),
    "a rate of text": lambda a, h: h.update(optimizer={"SGD": {"learning_rate": "fast"}}),
    "l2 of text": lambda a, h: h.update(l2="strong"),
    "clip_norm of text": lambda a, h: h.update(clip_norm="short"),
    "seed of text": lambda a, h: h.update(seed="one"),
    "history of text": lambda a, h: h.update(history="long"),
    "one array less": lambda a, h: a.pop("params.0.W"),
    "one array more": lambda a, h: a.update(more=X),
    "an array of another shape": lambda a, h: a.update({"params.0.W": X}),
    "an array of another type": lambda a, h: a.update({"params.0.W": a["params.0.W"].astype(np.int8)}),
}


@pytest.mark.parametrize("change", FORGERIES.values(), ids=FORGERIES)
def test_a_header_that_does_not_fit_is_refused(change, whole, path):
    refused(path, rewritten(whole, path, change))


def test_the_checksum_covers_names_types_shapes_and_header():
    arrays, header = {"W": np.zeros((2, 3), np.float32)}, {"a": 1}
    others = [
        ({"V": arrays["W"]}, header),
        ({"W": arrays["W"].reshape(3, 2)}, header),
        ({"W": arrays["W"].view(np.int32)}, header),
        (arrays, {"a": 2}),
    ]
    assert digest(arrays, header) not in [digest(*other) for other in others]


def test_a_header_is_json_and_holds_no_code(whole):
    length = int.from_bytes(whole[:8], "little")
    header = json.loads(json.loads(whole[8 : 8 + length])["__metadata__"]["deltarule"])
    assert header["net"]["Chain"]["layers"][1] == {"Tanh": {}}
    assert set(header["versions"]) == {"deltarule", "jax", "numpy"}


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    for path in (tmp_path / "missing", tmp_path):
        with pytest.raises(dr.FileError, match=str(path)):
            dr.load(path)


def test_a_full_disk_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "model.safetensors"
    model = trained(dr.Dense(2))
    model.save(path)
    before = path.read_bytes()
    model.fit(X, X[:, :2], epochs=1, batch_size=4)

    def full(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(dr.FileError, match="No space left on device; nothing was changed"):
        model.save(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_notes_that_json_cannot_hold_are_named(tmp_path):
    model = trained(dr.Dense(2))
    model.notes = {"means": np.zeros(3)}
    with pytest.raises(dr.DeltaruleError, match="notes"):
        model.save(tmp_path / "model.safetensors")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "array",
    [
        np.float32(2.5),
        np.zeros((0, 3), np.float32),
        np.arange(12, dtype=np.int16).reshape(3, 4).T,
        np.array([True, False]),
        np.arange(3).astype(jnp.bfloat16),
    ],
    ids=["number", "empty", "transposed", "bool", "bfloat16"],
)
def test_the_checksum_is_over_the_bytes_of_any_array(array):
    array = np.asarray(array)
    sha = hashlib.sha256(b"{}" + f"W {array.dtype.str} {array.shape}".encode() + array.tobytes())
    assert digest({"W": array}, {}) == sha.hexdigest()
