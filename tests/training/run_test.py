"""A run: when it stops, what it keeps, what it tells, and how often it compiles."""

import logging
import re

import jax
import numpy as np
import pytest

from deltarule.errors import DivergedError, SettingError
from deltarule.layers import BatchNorm, Chain, Dense, Tanh
from deltarule.losses import SquaredError
from deltarule.model import Model
from deltarule.optimizers import SGD, Adam
from deltarule.training.checkpoint import Checkpoints
from deltarule.training.epoch import epoch_program
from deltarule.training.evaluate import evaluation_program
from deltarule.training.run import History, Settings, run, run_settings
from training.problem import batch, close, fresh, step


def test_a_run_is_its_epochs():
    ours, data = step(), batch()
    state = expected = fresh(ours)
    got, history = run(ours, state, data, None, Settings(epochs=3, batch_size=4))
    program, losses = epoch_program(ours, 4, "permutation"), []
    for _ in range(3):
        expected, loss = program(expected, data)
        losses.append(float(loss))
    close(got, expected, rtol=0)
    assert history["loss"] == losses
    assert history["epoch"] == [1, 2, 3]
    assert history["seconds"] == sorted(history["seconds"])
    assert history.ended == "all epochs"


def test_validation_is_measured_after_each_epoch():
    ours, held_out = step(), batch(6, seed=1)
    state, history = run(ours, fresh(ours), batch(), held_out, Settings(epochs=2, batch_size=4))
    loss, metric = evaluation_program(ours.net, ours.loss, ours.precision)(state.params, state.memory, held_out)
    assert history["validation_loss"][-1] == pytest.approx(float(loss))
    assert history["validation_r2"][-1] == pytest.approx(float(metric))


def away_from_the_best(**options):
    """A run whose validation loss is least at a known epoch: its parameters are best where it starts."""
    ours = step(Dense(1, bias=False), optimizer=SGD(0.25))
    state = fresh(ours, (4, 1))._replace(params={"W": np.full((1, 1), -1.0, np.float32)})
    x = np.ones((4, 1), np.float32)
    data, held_out = (batch(4)._replace(x=x, target=t * x, weight=x[:, 0]) for t in (1.0, -0.25))
    return run(ours, state, data, held_out, Settings(batch_size=4, **options))


def test_patience_stops_the_run_and_keeps_the_best_parameters():
    """W runs from −1 to 1 by halves of what is left, and is nearest to −0.25 after one step, at 0."""
    state, history = away_from_the_best(epochs=50, patience=3)
    assert history.best_epoch == 1
    assert len(history.rows) == 4
    assert history.ended == "no better loss for 3 epochs"
    assert state.params["W"] == 0


@pytest.mark.parametrize(
    ("options", "W"), [({"restore_best": True}, 0.0), ({}, 0.75), ({"patience": 9, "restore_best": False}, 0.75)]
)
def test_the_best_parameters_are_kept_where_asked_for(options, W):
    state, history = away_from_the_best(epochs=3, **options)
    assert state.params["W"] == W
    assert history.best_epoch == 1


def test_callbacks_see_every_row_and_can_stop_the_run():
    seen, also = [], []
    _, history = away_from_the_best(
        epochs=50, callbacks=[lambda row: seen.append(row) or row["epoch"] == 2, also.append]
    )
    assert seen == also == history.rows
    assert len(seen) == 2
    assert history.ended == "a callback stopped the run"


def lost_at_once(**options):
    """A run whose first step makes the parameters infinite; the loss is measured before, so it is finite."""
    ours, data = step(Dense(2), optimizer=SGD(3e38)), batch(4)
    state, history = fresh(ours), History()
    far, settings = data._replace(target=data.target + 100), Settings(batch_size=4, **options)
    with pytest.raises(DivergedError, match="epoch 1, step 1 of it"):
        run(ours, state, far, None, settings, history)
    close(history.state, state, rtol=0)
    return history


def stop(row):
    return True


@pytest.mark.parametrize(
    "options",
    [{"epochs": 1}, {"epochs": 2}, {"callbacks": [stop]}, {"callbacks": [stop], "restore_best": True}],
    ids=["last", "not last", "stopped", "stopped at the best"],
)
def test_parameters_lost_in_the_last_step_of_an_epoch_are_not_kept(options):
    lost_at_once(**options)


def test_history_ends_with_the_last_good_epoch():
    history = lost_at_once(epochs=2)
    assert (history.rows, history.best_epoch) == ([], 0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epochs": 0}, "epochs must be a whole number of at least 1, got 0"),
        ({"batch_size": 2.5}, "batch_size must be a whole number of at least 1, got 2.5"),
        ({"order": "random"}, "order must be one of permutation, replacement, none, got 'random'"),
        ({"patience": 0}, "patience must be a whole number of at least 1, got 0"),
        ({"watch_every": 0}, "watch_every must be a whole number of at least 1, got 0"),
        ({"watch_every": None}, "watch_every must be a whole number of at least 1, got None"),
        ({"epochs": None}, "epochs must be a whole number of at least 1, got None"),
        ({"patience": True}, "patience must be a whole number of at least 1, got True"),
        ({"order": ["none"]}, "order must be one of permutation, replacement, none, got ['none']"),
        ({"watch": True}, "watch must be 'all', or names such as ['delta', 'dead'], got True"),
        ({"checkpoint": True}, "checkpoint must be a folder, or Checkpoints, got True"),
        ({"restore_best": "no"}, "restore_best must be True, False or None, got 'no'"),
        ({"progress": "bar"}, "progress must be True, False or None, got 'bar'"),
        ({"callbacks": [3]}, "callbacks must be functions of one argument"),
        ({"callbacks": 3}, "got 3; write callbacks=[lambda row"),
        ({"callbacks": "early"}, "got 'early'"),
        ({"callbacks": {"a": print}}, "got {'a'"),
        ({"callbacks": [lambda: None]}, "callbacks must be functions of one argument"),
        ({"callbacks": lambda row, model: None}, "callbacks must be functions of one argument"),
    ],
)
def test_a_wrong_setting_is_named(options, message):
    with pytest.raises(SettingError, match=re.escape(message)):
        Settings(**options)


@pytest.mark.parametrize(
    ("name", "meant"),
    [("validation_split", "validation"), ("shuffle", "order"), ("verbose", "progress"), ("patients", "patience")],
)
def test_a_setting_of_another_name_is_named(name, meant):
    with pytest.raises(SettingError, match=f"unknown setting {name}; .*; did you mean {meant}"):
        run_settings(**{name: 1})
    with pytest.raises(SettingError, match=r"unknown setting micro_batches; .*resume$"):  # known, but not here
        run_settings(micro_batches=2)


def test_one_callback_is_a_list_of_one_and_none_is_none():
    ours, rows = step(), []
    run(ours, fresh(ours), batch(), None, Settings(epochs=2, batch_size=4, callbacks=rows.append))
    assert [row["epoch"] for row in rows] == [1, 2]
    assert Settings(callbacks=None).callbacks == Settings(callbacks=[]).callbacks == ()
    assert Settings(watch=None).watch == ()


def test_whole_numbers_of_numpy_are_whole_numbers():
    assert Settings(epochs=np.int64(3), batch_size=np.int32(4)).epochs == 3


@pytest.fixture
def compiled(caplog):
    """The names of the programs that were compiled since it was last asked."""

    def names():
        found = [re.match(r"Compiling (?:jit\()?(\w+)", record.getMessage()) for record in caplog.records]
        caplog.clear()
        return [match[1] for match in found if match]

    with jax.log_compiles(True), caplog.at_level(logging.WARNING, logger="jax"):
        yield names


def fitted(optimizer, l2=0.01, seed=0):
    """A model of a size that no other test has, trained with a remainder and validation."""
    rng = np.random.default_rng(seed)
    model = Model(Chain(Dense(5), Tanh(), Dense(1)), SquaredError(), optimizer, l2=l2, seed=seed)
    model.fit(rng.normal(size=(23, 6)), rng.normal(size=23), epochs=3, batch_size=8, validation=0.3)
    return model


def test_a_run_with_remainder_and_validation_compiles_each_program_once(compiled):
    fitted(Adam(0.01))
    names = compiled()
    assert names.count("epoch") == 1
    assert names.count("evaluate") == 1


def test_a_run_in_segments_compiles_one_program_for_all_of_them(compiled, tmp_path):
    model = Model(Chain(Dense(5), BatchNorm(), Dense(1)), SquaredError(), Adam(0.01))
    rng = np.random.default_rng(0)
    checkpoint = Checkpoints(tmp_path, every_steps=2)
    model.fit(rng.normal(size=(30, 6)), rng.normal(size=30), epochs=3, batch_size=4, checkpoint=checkpoint)
    names = compiled()
    assert names.count("segment") == 1
    assert "epoch" not in names


@pytest.mark.parametrize(
    ("optimizer", "l2"),
    [(Adam(0.01), 0.01), (Adam(0.02), 0.01), (Adam(0.01), 0.02), (Adam(0.01, epsilon=1e-6), 0.01)],
)
def test_other_numbers_and_a_new_model_compile_nothing(compiled, optimizer, l2):
    fitted(Adam(0.01))
    compiled()
    fitted(optimizer, l2, seed=1)
    assert compiled() == []


def test_a_run_that_nobody_attends_is_the_same_run():
    settings = {"epochs": 4, "batch_size": 4}
    one, data = step(), batch()
    seen = []
    attended, told = run(one, fresh(one), data, batch(6, 1), Settings(**settings, callbacks=[seen.append]))
    alone, history = run(one, fresh(one), data, batch(6, 1), Settings(**settings))
    jax.tree.map(np.testing.assert_array_equal, alone, attended)
    assert history["validation_loss"] == told["validation_loss"] == [row["validation_loss"] for row in seen]
    assert int(alone.epoch) == 4
