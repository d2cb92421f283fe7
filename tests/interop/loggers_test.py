"""Loggers, each against its real package and read back by it, without a network."""

import importlib
import json
import socket
import struct
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

import deltarule as dr
from deltarule.dqn.fitting import fit
from deltarule.errors import FileError, SettingError
from deltarule.interop.loggers import MLflow, TensorBoard, Trackio, WandB
from deltarule.interop.loggers.described import description, hyperparameters
from deltarule.interop.loggers.figures import figures, step_of

X = np.random.default_rng(0).normal(size=(48, 4))
Y = (X[:, 0] > 0).astype(int)
WATCHED = "watch/delta/2.0 Dense"  # of the layer inside the residual block


@pytest.fixture(autouse=True)
def no_network(monkeypatch, tmp_path):
    """Loopback alone can be reached; what would go out, from this process or one that it starts, is seen."""
    connect, asked = socket.socket.connect, []

    def guarded(self, address):
        if self.family != socket.AF_UNIX and address[0] not in ("127.0.0.1", "::1", "localhost"):
            asked.append(address)
            raise OSError(f"the network is not there for {address}")
        return connect(self, address)

    listener = socket.create_server(("127.0.0.1", 0))
    proxy = f"http://127.0.0.1:{listener.getsockname()[1]}"
    threading.Thread(target=accept, args=(listener, asked), daemon=True).start()
    monkeypatch.setattr(socket.socket, "connect", guarded)
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.setenv(name, proxy)
    monkeypatch.delenv("NO_PROXY", raising=False)
    for name, value in {
        "WANDB_MODE": "offline",
        "WANDB_BASE_URL": proxy,
        "WANDB_SILENT": "true",
        "HF_ENDPOINT": proxy,
        "HF_HUB_OFFLINE": "1",
        "TRACKIO_DIR": str(tmp_path / "trackio"),
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_ALLOW_FILE_STORE": "true",
    }.items():
        monkeypatch.setenv(name, value)
    yield asked
    listener.close()
    assert asked == []


def accept(listener, asked):
    """Notes everyone who comes with a request; other programs that try a port say nothing."""
    while True:
        try:
            connection, address = listener.accept()
        except OSError:
            return
        with connection:
            connection.settimeout(2)
            try:
                said = connection.recv(64)
            except OSError:
                said = b""
        if said:
            asked.append((*address, said))


def test_whatever_would_go_out_is_seen(no_network):
    with pytest.raises(OSError, match="the network is not there"):
        socket.create_connection(("192.0.2.1", 80), timeout=1)
    assert no_network == [("192.0.2.1", 80)]
    no_network.clear()
    program = "import urllib.request; urllib.request.urlopen('http://nowhere.invalid', timeout=1)"
    subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
    assert [address for address, *_ in no_network] == ["127.0.0.1"]  # who asked the proxy
    no_network.clear()


@pytest.fixture(scope="module")
def rows():
    """The rows of a run of three epochs in float16 that watches all it can."""
    found = []
    trained().fit(X, Y, epochs=3, validation=0.25, watch=["delta", "noise"], callbacks=[found.append])
    return found


def trained() -> dr.Model:
    """A model before it is trained."""
    net = dr.Chain(dr.Dense(4), dr.ReLU(), dr.Residual(dr.Dense(4)), dr.Dense(2))
    rate = dr.CosineDecay(1e-2, 20)
    return dr.Model(net, loss=dr.SoftmaxCrossEntropy(), optimizer=dr.Adam(rate), l2=1e-3, precision="float16")


def log(logger, rows):
    """Writes rows, as `fit` calls it."""
    for row in rows:
        logger(dict(row))


def test_a_row_is_flat_and_holds_numbers_alone(rows):
    found = figures(rows[1])
    assert {"loss", "validation_loss", "validation_accuracy", "scale", "skipped", "seconds", WATCHED} <= set(found)
    assert all(type(value) is float for value in found.values())
    assert found["loss"] == rows[1]["loss"]
    assert found[WATCHED] == rows[1]["watch"]["delta"]["layer 2.0 (Dense)"]
    assert found["watch/noise"] == rows[1]["watch"]["noise"]
    assert "epoch" not in found
    assert step_of(rows[1]) == 2
    assert "watch/noise" not in figures({"epoch": 1, "watch": {"noise": None}})


def test_the_settings_are_those_of_the_model():
    found = hyperparameters(trained())
    assert found["optimizer"] == "Adam"
    assert found["optimizer.learning_rate"] == "CosineDecay"
    assert found["optimizer.learning_rate.rate"] == 1e-2
    assert found["l2.strength"] == 1e-3
    assert found["clip_norm"] == "None"
    assert str(found["net"]).startswith("Chain(layers=(Dense(features=4")
    assert all(isinstance(value, str | int | float) for value in found.values())
    told = json.loads(json.dumps(description(trained())))
    assert dr.description.from_json(told["net"]) == trained().net


def test_the_settings_of_an_agent_are_its_rules_too():
    found = hyperparameters(dr.DQN("CartPole-v1", hidden=(8,), gamma=0.9))
    assert (found["environment"], found["gamma"], found["optimizer"]) == ("CartPole-v1", 0.9, "Adam")


def test_a_member_of_a_sweep_has_its_own_numbers():
    result = dr.sweep(trained(), {"learning_rate": [1e-3, 1e-2]}).fit(X, Y, epochs=1, validation=0.25)
    rates = [hyperparameters(each.model)["optimizer.learning_rate"] for each in result.candidates]
    assert rates == [1e-3, 1e-2]


def test_only_a_model_or_an_agent_has_settings():
    with pytest.raises(SettingError, match=r"expected a Model or a DQN.*got Dense"):
        TensorBoard("unused", dr.Dense(2))  # type: ignore[arg-type]


class Tensors:
    """What TensorBoard itself reads from a folder."""

    def __init__(self, folder):
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

        self.events = EventAccumulator(str(folder), size_guidance={"tensors": 0, "scalars": 0})
        self.events.Reload()

    def scalars(self, name):
        return [(event.step, event.value) for event in self.events.Scalars(name)]

    def text(self, name):
        return self.events.Tensors(f"{name}/text_summary")[0].tensor_proto.string_val[0].decode()

    def plugin(self, name):
        data = importlib.import_module("tensorboard.plugins.hparams.plugin_data_pb2")
        return data.HParamsPluginData.FromString(self.events.SummaryMetadata(name).plugin_data.content)


def test_tensorboard(rows, tmp_path):
    pytest.importorskip("tensorboard")
    model = trained()
    with TensorBoard(tmp_path / "a", model, epochs=3, batch_size=64) as logger:
        model.fit(X, Y, epochs=3, validation=0.25, watch=["delta", "noise"], callbacks=[logger])
        model.save(tmp_path / "model.safetensors")
        logger.file(tmp_path / "model.safetensors")
    read = Tensors(tmp_path / "a")
    assert [step for step, _ in read.scalars("loss")] == [1, 2, 3]
    for name in ("loss", "validation_accuracy", WATCHED):
        expected = [figures(row)[name] for row in model.history.rows]
        np.testing.assert_allclose([value for _, value in read.scalars(name)], expected, rtol=1e-6)
    start = read.plugin("_hparams_/session_start_info").session_start_info.hparams
    assert start["epochs"].number_value == 3
    assert start["optimizer"].string_value == "Adam"
    assert start["optimizer.learning_rate.rate"].number_value == 1e-2
    assert read.plugin("_hparams_/session_end_info").session_end_info.status == 1  # STATUS_SUCCESS
    assert json.loads(read.text("description")) == description(model)
    assert dr.load(tmp_path / "a" / "model.safetensors").predict(X).shape == (48, 2)


def test_tensorboard_shows_a_run_that_goes_on(rows, tmp_path):
    pytest.importorskip("tensorboard")
    logger = TensorBoard(tmp_path / "a")
    log(logger, rows[:2])  # and no close
    assert [step for step, _ in Tensors(tmp_path / "a").scalars("loss")] == [1, 2]
    logger.close()


def test_a_run_that_fails_is_told(rows, tmp_path):
    pytest.importorskip("tensorboard")
    with pytest.raises(dr.DivergedError), TensorBoard(tmp_path / "a", epochs=1) as logger:  # noqa: PT012
        log(logger, rows)
        raise dr.DivergedError("the loss was lost")
    assert Tensors(tmp_path / "a").plugin("_hparams_/session_end_info").session_end_info.status == 2


def test_a_folder_that_is_a_file_is_named(tmp_path):
    pytest.importorskip("tensorboard")
    (tmp_path / "a").write_text("")
    with pytest.raises(FileError, match=r"a cannot be written"):
        TensorBoard(tmp_path / "a")({"epoch": 1, "loss": 1.0})


def test_agents_are_logged_each_by_its_name(tmp_path):
    pytest.importorskip("tensorboard")
    agents = [dr.DQN("CartPole-v1", hidden=(8,), warm_up=64, seed=seed) for seed in range(2)]
    with TensorBoard(tmp_path / "a", agents[0]) as logger:
        fit(agents, 256, evaluate_every=256, episodes=1, callbacks=[logger])
    read = Tensors(tmp_path / "a")
    for m, agent in enumerate(agents):
        [row] = agent.history.rows
        [(step, value)] = read.scalars(f"agent {m}/return")
        assert (step, value) == (row["steps"], pytest.approx(row["return"]))
    assert "agent 0/evaluated" in read.events.Tags()["scalars"]


def test_the_members_of_an_ensemble_are_logged_afterwards(tmp_path):
    pytest.importorskip("tensorboard")
    two = dr.ensemble(dr.Model(dr.Dense(2), loss=dr.SoftmaxCrossEntropy()), 2)
    two.fit(X, Y, epochs=2)
    for m, member in enumerate(two.members):
        with TensorBoard(tmp_path / str(m), member) as logger:
            logger.log_history(member.history)
    losses = [[value for _, value in Tensors(tmp_path / str(m)).scalars("loss")] for m in range(2)]
    np.testing.assert_allclose(losses, [member.history["loss"] for member in two.members], rtol=1e-6)
    assert losses[0] != losses[1]


@pytest.mark.parametrize("store", ["file", "sqlite"])
@pytest.mark.filterwarnings("ignore::DeprecationWarning:mlflow", "ignore::FutureWarning:mlflow")
@pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy")
def test_mlflow(store, rows, tmp_path, monkeypatch):
    pytest.importorskip("mlflow")
    if store == "sqlite":
        pytest.importorskip("alembic")
    monkeypatch.chdir(tmp_path)
    model, uri = trained(), f"file:{tmp_path}/runs" if store == "file" else f"sqlite:///{tmp_path}/mlflow.db"
    model.notes["kept"] = "with the model"
    with MLflow("digits", model, name="first", store=uri, epochs=3) as logger:
        log(logger, rows)
        (tmp_path / "report.html").write_text("<p>")
        logger.file(tmp_path / "report.html")
        assert logger.client.get_run(logger.run).info.status == "RUNNING"
    client = logger.client
    run = client.get_run(logger.run)
    assert (run.info.status, run.info.run_name) == ("FINISHED", "first")
    assert run.data.params["optimizer.learning_rate.rate"] == "0.01"
    assert run.data.params["epochs"] == "3"
    told = [(metric.step, metric.value) for metric in client.get_metric_history(logger.run, WATCHED)]
    assert told == [(step_of(row), figures(row)[WATCHED]) for row in rows]
    assert {file.path for file in client.list_artifacts(logger.run)} == {"description.json", "report.html"}
    if store == "file":
        with pytest.raises(dr.DivergedError), MLflow("digits", store=uri) as second:  # noqa: PT012
            log(second, rows[:1])
            raise dr.DivergedError("lost")
        assert client.get_run(second.run).info.status == "FAILED"
        assert client.get_run(second.run).info.experiment_id == run.info.experiment_id


@pytest.mark.filterwarnings("ignore::DeprecationWarning:mlflow", "ignore::FutureWarning:mlflow")
def test_a_store_that_mlflow_refuses_is_told(monkeypatch):
    pytest.importorskip("mlflow")
    with pytest.raises(SettingError, match=r"MLflow: the store nonsense://x cannot be opened"):
        MLflow("digits", store="nonsense://x").open()


def records(path):
    """The records of a file of Weights & Biases: those of a LevelDB log, of protocol buffers."""
    kind_of_record = importlib.import_module("wandb.proto.wandb_internal_pb2").Record
    block, data, at, parts = 2**15, path.read_bytes(), 7, b""
    while at + 7 <= len(data):
        if block - at % block < 7:
            at += block - at % block
            continue
        _, size, kind = struct.unpack("<IHB", data[at : at + 7])
        if at + 7 + size > len(data):
            return
        parts += data[at + 7 : at + 7 + size]
        at += 7 + size
        if kind in (1, 4):  # a whole record, or the last part of one
            yield kind_of_record.FromString(parts)
            parts = b""


def whole(path):
    """The records of a run that has ended; its own process writes on for a moment."""
    end = time.monotonic() + 20
    while time.monotonic() < end:
        found = list(records(path))
        if any(record.HasField("exit") for record in found):
            return found
        time.sleep(0.05)
    raise AssertionError(f"{path} holds no end of the run")


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
def test_wandb(rows, tmp_path):
    pytest.importorskip("wandb")
    model = trained()
    with WandB("digits", model, name="first", folder=tmp_path, epochs=3) as logger:
        log(logger, rows)
        (tmp_path / "model.safetensors").write_bytes(b"numbers")
        logger.file(tmp_path / "model.safetensors")
    [path] = (tmp_path / "wandb").glob("offline-run-*/run-*.wandb")
    found = whole(path)
    [run] = [record.run for record in found if record.HasField("run")]
    config = {item.key: json.loads(item.value_json) for item in run.config.update}
    assert (run.project, run.display_name) == ("digits", "first")
    assert config["optimizer.learning_rate.rate"] == 1e-2
    assert config["epochs"] == 3
    assert config["description"] == description(model)
    written = [
        {"".join(item.nested_key) or item.key: json.loads(item.value_json) for item in record.history.item}
        for record in found
        if record.HasField("history")
    ]
    assert [row["_step"] for row in written] == [1, 2, 3]
    assert [row[WATCHED] for row in written] == [figures(row)[WATCHED] for row in rows]
    assert any(record.request.log_artifact.artifact.type == "model" for record in found) or any(
        record.artifact.type == "model" for record in found
    )
    assert [record.exit.exit_code for record in found if record.HasField("exit")] == [0]


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
def test_trackio(rows, tmp_path):
    pytest.importorskip("trackio")
    model = trained()
    with Trackio("digits", model, name="first", epochs=3) as logger:
        log(logger, rows)
        (tmp_path / "model.safetensors").write_bytes(b"numbers")
        logger.file(tmp_path / "model.safetensors")
    storage = importlib.import_module("trackio.sqlite_storage").SQLiteStorage
    config = storage.get_run_config("digits", "first")
    assert config["optimizer.learning_rate.rate"] == 1e-2
    assert config["epochs"] == 3
    assert config["description"] == description(model)
    told = [(row["step"], row[WATCHED]) for row in storage.get_logs("digits", "first")]
    assert told == [(step_of(row), figures(row)[WATCHED]) for row in rows]
    kept = logger.trackio.Api().runs("digits")
    assert [run.name for run in kept] == ["first"]
    assert [
        path for path in (tmp_path / "trackio").rglob("*") if path.is_file() and path.read_bytes() == b"numbers"
    ]


@pytest.mark.parametrize(
    ("make", "package"),
    [
        (lambda: TensorBoard("unused"), "tensorboard"),
        (lambda: MLflow("unused"), "mlflow"),
        (lambda: WandB("unused"), "wandb"),
        (lambda: Trackio("unused"), "trackio"),
    ],
    ids=["tensorboard", "mlflow", "wandb", "trackio"],
)
def test_a_package_that_is_missing_is_named(make, package, monkeypatch):
    for name in list(sys.modules):
        if name.split(".")[0] == package:
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(SettingError, match=rf"{package}.*pip install 'deltarule\[{package}\]'"):
        make()


def test_a_file_that_is_not_there_is_named(tmp_path):
    pytest.importorskip("tensorboard")
    with pytest.raises(FileError, match=r"none.safetensors: expected a file to keep"):
        TensorBoard(tmp_path / "a").file(tmp_path / "none.safetensors")
    assert not (tmp_path / "a").exists()


def test_only_the_first_of_several_processes_writes(rows, tmp_path, monkeypatch):
    pytest.importorskip("tensorboard")
    monkeypatch.setattr(importlib.import_module("deltarule.interop.loggers.logger"), "is_first", lambda: False)
    with TensorBoard(tmp_path / "a", trained()) as logger:
        log(logger, rows)
    assert not (tmp_path / "a").exists()
