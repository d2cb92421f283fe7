"""State dicts in files: written and read without PyTorch, and by it."""

import subprocess
import sys

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import deltarule as dr
from deltarule.errors import FileError, SettingError
from deltarule.interop.torch import read_state_dict, state_dict, to_torch, write_state_dict

NET = dr.Chain(
    dr.Convolution(4, 3, bias=False),
    dr.BatchNormReLU(),
    dr.Chain(dr.Flatten(), dr.Dense(5)),
    dr.Residual(dr.Dense(5)),
)
X = np.random.default_rng(0).normal(size=(12, 4, 3, 2))


def model_of(net, x, seed=0):
    model = dr.Model(net, loss=dr.SquaredError(), optimizer=dr.SGD(0.01), seed=seed)
    model.fit(x, np.zeros(net.shape(x.shape)), epochs=1)
    return model


def test_the_names_are_those_of_pytorch_and_the_file_comes_back_bit_for_bit(tmp_path):
    model, other = model_of(NET, X), model_of(NET, X, seed=1)
    write_state_dict(model, tmp_path / "net.safetensors")
    statistics = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    assert list(state_dict(model)) == [
        *("0.weight", *(f"1.0.{name}" for name in statistics), "2.1.weight", "2.1.bias", "3.0.weight", "3.0.bias")
    ]
    assert load_file(tmp_path / "net.safetensors")["0.weight"].shape == (4, 2, 3, 3)
    read_state_dict(other, tmp_path / "net.safetensors")
    np.testing.assert_array_equal(other.predict(X), model.predict(X))
    fresh = dr.Model(NET, loss=dr.SquaredError())
    read_state_dict(fresh, state_dict(model), x=(4, 3, 2))
    np.testing.assert_array_equal(fresh.predict(X), model.predict(X))
    assert fresh.fit(X, np.zeros((12, 5)), epochs=1)["loss"][0] > 0


def test_recurrent_layers_have_the_names_of_one_module():
    net = dr.Chain(
        dr.Chain(dr.Bidirectional(dr.GRU(3)), dr.Dropout(0.1), dr.Bidirectional(dr.GRU(3))), dr.Dense(2)
    )
    found = state_dict(model_of(net, np.ones((2, 4, 5))))
    weights = [f"{name}_l{k}{d}" for k in (0, 1) for d in ("", "_reverse") for name in ("weight_ih", "weight_hh")]
    biases = [name.replace("weight", "bias") for name in weights]
    assert set(found) == {f"0.{name}" for name in (*weights, *biases)} | {"1.weight", "1.bias"}
    assert found["0.weight_ih_l1_reverse"].shape == (9, 6)
    assert not found["0.bias_hh_l0"][:6].any()


@pytest.mark.torch
def test_pytorch_reads_what_is_written_and_writes_what_is_read(torch, tmp_path):
    from safetensors.torch import load_file, save_file

    model, path = model_of(NET, X), tmp_path / "net.safetensors"
    write_state_dict(model, path)
    module = to_torch(model_of(NET, X, seed=1))
    module.load_state_dict(load_file(path))
    x = torch.tensor(X, dtype=torch.float32).permute(0, 3, 1, 2)
    np.testing.assert_allclose(module(x).detach(), model.predict(X), rtol=1e-5, atol=1e-6)
    with torch.no_grad():
        module.train()(x)
        for parameter in module.parameters():
            parameter.mul_(1.1)
        y = module.eval()(x)
    for given in (module.state_dict(), path):
        save_file(module.state_dict(), path)
        again = dr.Model(NET, loss=dr.SquaredError())
        read_state_dict(again, given, x=(4, 3, 2))
        np.testing.assert_allclose(again.predict(X), y, rtol=1e-5, atol=1e-6)


def test_a_state_dict_that_does_not_fit_is_told_name_by_name(tmp_path):
    model = model_of(NET, X)
    before, given = model.predict(X), state_dict(model)
    given["more"] = given.pop("0.weight")
    given["2.1.bias"] = np.zeros(6, np.float32)
    save_file(given, tmp_path / "net.safetensors")
    message = (
        r"net\.safetensors does not fit the network: missing: 0\.weight; not expected: more; of another shape: "
        r"2\.1\.bias \(expected \(5,\), got \(6,\)\); give the network that it was written from"
    )
    with pytest.raises(FileError, match=message):
        read_state_dict(model, tmp_path / "net.safetensors")
    with pytest.raises(FileError, match="the state dict does not fit the network"):
        read_state_dict(model, given)
    np.testing.assert_array_equal(model.predict(X), before)


def test_a_scale_that_the_layer_has_not_must_be_one():
    model = model_of(dr.Chain(dr.Dense(4), dr.BatchNorm(scale=False), dr.LayerNorm(scale=False)), np.ones((3, 2)))
    given = state_dict(model)
    read_state_dict(model, given)
    for name in ("1.weight", "2.weight"):
        with pytest.raises(
            FileError, match="weight: expected 1 everywhere, for the layer here has none of its own"
        ):
            read_state_dict(model, given | {name: np.full(4, 2.0)})


def test_a_batch_normalisation_needs_no_count_of_its_batches():
    model = model_of(dr.Chain(dr.Dense(4), dr.BatchNorm()), np.ones((3, 2)))
    given = state_dict(model)
    del given["1.num_batches_tracked"]
    read_state_dict(model, given)


def test_files_and_models_that_cannot_be_are_refused(tmp_path):
    fresh = dr.Model(NET, loss=dr.SquaredError())
    with pytest.raises(SettingError, match="the model has not been trained"):
        write_state_dict(fresh, tmp_path / "net.safetensors")
    with pytest.raises(SettingError, match="the model has seen no data; say x, the shape of one example"):
        read_state_dict(fresh, {})
    with pytest.raises(FileError, match="nowhere: no such file"):
        read_state_dict(fresh, tmp_path / "nowhere", x=(4, 3, 2))
    (tmp_path / "other").write_bytes(b"PK\x03\x04 a file of torch.save")
    with pytest.raises(FileError, match="not a whole safetensors file of numbers"):
        read_state_dict(fresh, tmp_path / "other", x=(4, 3, 2))
    with pytest.raises(FileError, match="cannot be written"):
        write_state_dict(model_of(NET, X), tmp_path / "no folder" / "net.safetensors")


def test_importing_it_needs_no_pytorch():
    program = (
        "import sys; sys.modules['torch'] = None; import deltarule.interop.torch, deltarule.interop.torch.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
