"""`deltarule train --log`: the run is written where its loggers write, too."""

import sys

import pytest

from deltarule.errors import SettingError
from deltarule.experiment.logged import logger
from deltarule.experiment.sweep import Plan, sweep
from deltarule.job import Job
from deltarule.layers import Dense
from deltarule.losses import SquaredError
from deltarule.model import Model
from experiment.jobs import BUNDLED, run


def test_tensorboard_has_the_run_in_its_folder(tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    result = run(tmp_path, BUNDLED / "iris.csv", log=("tensorboard",), watch=("delta",))
    events = EventAccumulator(str(result.folder / "tensorboard"))
    events.Reload()
    told = [(event.step, event.value) for event in events.Scalars("validation_accuracy")]
    assert told == [(row["epoch"], pytest.approx(row["validation_accuracy"])) for row in result.model.history.rows]
    assert "watch/delta/0 Dense" in events.Tags()["scalars"]
    assert b"iris.csv" in events.SummaryMetadata("_hparams_/session_start_info").plugin_data.content
    kept = {path.name for path in (result.folder / "tensorboard").iterdir()}
    assert {"model.safetensors", "report.html"} <= kept


@pytest.mark.parametrize(
    ("name", "package", "attributes"),
    [
        ("mlflow", "mlflow", {"experiment": "iris", "name": "iris-1", "store": "sqlite:///{}/mlflow.db"}),
        ("wandb", "wandb", {"project": "iris", "name": "iris-1"}),
        ("trackio", "trackio", {"project": "iris", "name": "iris-1"}),
    ],
)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_others_have_it_by_its_name(name, package, attributes, tmp_path, monkeypatch):
    pytest.importorskip(package)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    found = logger(name, tmp_path / "iris-1", Model(Dense(2), loss=SquaredError()), {"epochs": 3})
    for attribute, value in attributes.items():
        assert getattr(found, attribute) == value.format(tmp_path)
    assert found.settings["epochs"] == 3
    assert not found.is_open


def test_a_package_that_is_missing_leaves_no_run(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(SettingError, match=r"pip install 'deltarule\[wandb\]'"):
        run(tmp_path, BUNDLED / "iris.csv", log=("wandb",))
    assert list((tmp_path / "runs").iterdir()) == []


def test_a_sweep_is_not_one_run(tmp_path):
    job = Job(data=str(BUNDLED / "iris.csv"), runs=str(tmp_path), log=("tensorboard",))
    with pytest.raises(SettingError, match="the setting log is for a single run, and a sweep trains many"):
        sweep(job, Plan(vary=("l2=0,1e-4",)))
