# pyright: strict
"""What a user writes, over the whole public surface: it must pass pyright in strict mode. It is never run."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np

import deltarule as dr
from deltarule.dqn.greedy import Played
from deltarule.inspect.explain import Explanation
from deltarule.inspect.findings import Findings
from deltarule.inspect.plan import Plan
from deltarule.inspect.trace import Trace
from deltarule.interop.loggers import MLflow, TensorBoard, Trackio, WandB
from deltarule.populations.result import Result


def layers() -> list[dr.Layer]:
    """Every layer, with its settings by name."""
    return [
        dr.AveragePool(2, stride=2, padding="valid", count_padding=False, dilation=1),
        dr.BatchNorm(momentum=0.9, epsilon=1e-5, scale=True, offset=False, axis_name=None),
        dr.BatchNormReLU(momentum=0.9),
        dr.Bidirectional(dr.LSTM(8, peephole=True)),
        dr.Branch(dr.Dense(2), dr.Dense(3)),
        dr.Chain(dr.Dense(4), dr.ReLU()),
        dr.Columns(0, 2),
        dr.Convolution(8, 3, stride=(2, 2), padding="same", dilation=1, groups=1, bias=False, W_init=dr.He()),
        dr.ConvolutionTranspose(8, (3, 3), stride=2, padding=1, output_padding=1),
        dr.Cutout(8),
        dr.Dense(4, bias=False, W_init=dr.Glorot("normal")),
        dr.Dropout(0.5),
        dr.Dueling(),
        dr.ELU(alpha=1.0),
        dr.Embedding(10, 4, W_init=dr.Normal(0.1)),
        dr.Flatten(),
        dr.GELU(),
        dr.GELUTanh(),
        dr.GlobalAveragePool(),
        dr.GlobalMaxPool(),
        dr.GroupNorm(4, epsilon=1e-5, scale=True, offset=True),
        dr.Identity(),
        dr.LayerNorm(epsilon=1e-5, scale=True, offset=True, axes=1),
        dr.LeakyReLU(0.01),
        dr.LogSoftmax(),
        dr.MaxPool((2, 2), stride=2, padding=0, dilation=1),
        dr.RandomCrop(24, 24),
        dr.RandomFlip(axis=2, probability=0.5),
        dr.RandomShift(4),
        dr.ReLU(),
        dr.Recompute(dr.Dense(4)),
        dr.Recurrent(dr.GRU(8, reset="before", U_init=dr.Orthogonal(1.0)), last=True, carry=False, stride=None),
        dr.Recurrent(dr.SimpleRNN(8, activation="relu"), reverse=True),
        dr.Reshape(2, -1),
        dr.Residual(dr.Dense(4), dr.Dense(4, W_init=dr.LeCun("uniform"))),
        dr.RMSNorm(epsilon=1e-6, scale=True),
        dr.Scale(),
        dr.SELU(),
        dr.Sigmoid(),
        dr.SiLU(),
        dr.Softmax(),
        dr.Softplus(),
        dr.SpatialDropout(0.2),
        dr.Tanh(),
        dr.TimeDistributed(dr.Dense(2, W_init=dr.Constant(0.0))),
        dr.blocks.basic(16, stride=2, project=True),
        dr.blocks.preactivation(16),
        dr.networks.lenet(classes=10),
        dr.networks.resnet(20, width=16, classes=10, block="basic"),
        dr.networks.nature(4, hidden=(512,)),
        dr.networks.voxnet(classes=10),
    ]


def cells() -> list[dr.Cell]:
    """Every recurrent cell."""
    return [dr.LSTM(8), dr.GRU(8), dr.SimpleRNN(8)]


def losses() -> list[dr.Loss]:
    """Every loss."""
    weights = (1.0, 2.0)
    return [
        dr.SquaredError(),
        dr.AbsoluteError(),
        dr.Huber(threshold=1.0),
        dr.SoftmaxCrossEntropy(label_smoothing=0.1, class_weights=weights),
        dr.BinaryCrossEntropy(),
    ]


def schedules() -> list[dr.Schedule]:
    """Every schedule; a rate at a step, and its verdict."""
    found: list[dr.Schedule] = [
        dr.ConstantRate(0.1),
        dr.InverseTimeDecay(1.0, 10.0),
        dr.PowerDecay(0.1, p=0.5),
        dr.StepDecay(0.1, every=100, factor=0.1),
        dr.ExponentialDecay(0.1, factor=0.99),
        dr.LinearDecay(0.1, steps=100, final=0.0),
        dr.CosineDecay(0.1, steps=100, final=0.0),
        dr.WarmUp(dr.ConstantRate(0.1), steps=10),
    ]
    rates = [float(schedule(3)) for schedule in found]
    reasons = [schedule.robbins_monro().reason for schedule in found]
    print(rates, reasons)
    return found


def optimizers() -> list[dr.Optimizer]:
    """Every optimizer."""
    return [
        dr.SGD(0.1, momentum=0.9, nesterov=True),
        dr.RMSProp(dr.CosineDecay(1e-3, 100), decay=0.9, epsilon_place="beside_root"),
        dr.AdaGrad(0.01, initial=0.1),
        dr.Adam(1e-3, beta_1=0.9, beta_2=0.999, epsilon=1e-8),
        dr.AdamW(1e-3, weight_decay=0.01, exclude=("b",)),
    ]


@dataclass(frozen=True)
class Doubled(dr.Layer):
    """A layer of one's own: Y = 2 X."""

    equations = dr.Equations(forward=(r"Y = 2 X",), backward=(r"dX = 2\, dY",))

    def shape(self, x: tuple[int, ...]) -> tuple[int, ...]:
        return x

    def forward(self, params: Any, x: jax.Array, context: dr.Context) -> tuple[jax.Array, Any]:
        return 2 * x, ()

    def backward(self, params: Any, saved: Any, dy: jax.Array) -> tuple[jax.Array, Any]:
        return 2 * dy, {}

    def cost(self, x: tuple[int, ...]) -> dr.Cost:
        return dr.Cost(forward=x[0], backward=x[0])

    @classmethod
    def examples(cls) -> "Iterator[tuple[Doubled, tuple[int, ...]]]":
        yield cls(), (5, 3)


class Distance(dr.Loss):
    """A loss of one's own."""

    def __call__(self, y: jax.Array, target: jax.Array, weight: jax.Array) -> tuple[jax.Array, jax.Array]:
        return (weight * abs(y - target)[:, 0]).sum(), y - target


def train(folder: Path) -> np.ndarray[Any, Any]:
    """A model, from its making to its file."""
    x, y = np.zeros((64, 4)), np.zeros(64, int)
    net = dr.Chain(dr.Dense(8), Doubled(), dr.Dense(2))
    model = dr.Model(
        net,
        loss=dr.SoftmaxCrossEntropy(),
        optimizer=dr.Adam(1e-3),
        l2=dr.L2(1e-4, exclude=("b",)),
        clip_norm=1.0,
        seed=1,
        precision="bfloat16",
    )

    def stop(row: dict[str, Any]) -> bool | None:
        return row["loss"] < 0.1

    with TensorBoard(folder / "a", model, epochs=3) as log:
        history: dr.History = model.fit(
            x,
            y,
            epochs=3,
            batch_size=16,
            validation=0.1,
            sample_weight=np.ones(64),
            patience=2,
            callbacks=[log, stop],
            watch=["delta"],
            checkpoint=dr.Checkpoints(folder / "checkpoints"),
            window=None,
        )
        log.file(folder / "report.html")
    losses: list[Any] = history["loss"]
    print(losses, history.best_epoch, history.ended, history.rows, history.watch("delta"))
    evaluated: dict[str, float] = model.evaluate(x, y)
    print(evaluated, model.parameters, model.input_shape, model.notes)
    model.save(folder / "model.safetensors")
    again: dr.Model = dr.load(str(folder / "model.safetensors"), own={"Doubled": Doubled})
    again.fit([[0.0, 1.0, 2.0, 3.0]], [1], validation=(x, y))
    return again.predict(x)


def look(net: dr.Layer, model: dr.Model) -> None:
    """What a network costs, whether it keeps the laws, its equations, one step of it."""
    plan: Plan = dr.plan(net, x=(64, 4), loss=dr.SquaredError(), optimizer=dr.Adam(1e-3))
    print(plan, plan.largest_batch, plan.seconds, plan.to_json(), plan.table())
    findings: Findings = dr.check(net, x=(8, 4), seed=0)
    print(findings, findings.to_json())
    explanation: Explanation = dr.explain(net, x=(64, 4), loss=dr.SquaredError(), convention="column")
    print(explanation.text(), explanation.latex(), explanation.mathml())
    trace: Trace = dr.trace(net, x=(4, 4))
    print(trace.to_json(), model.plan(batch_size=8).total, model.explain().text(), model.trace([[0.0]], [1.0]))


def many(model: dr.Model, x: np.ndarray[Any, Any], y: np.ndarray[Any, Any]) -> dr.Model:
    """Ensembles, sweeps, folds."""
    ten: dr.Ensemble = dr.ensemble(model, 10)
    histories: list[dr.History] = ten.fit(x, y, epochs=2)
    print(len(histories), ten.predict(x).shape, ten.spread(x).mean(), ten.evaluate(x, y), ten.members[0])
    ten.save("ten.safetensors")
    ten = dr.Ensemble.load("ten.safetensors")
    space = {"learning_rate": dr.log_uniform(1e-4, 1e-1), "dropout": dr.uniform(0.0, 0.5), "seed": range(3)}
    result: Result = dr.sweep(model, space, samples=4).fit(x, y, epochs=2, validation=0.25, halving=3)

    def build(width: int) -> dr.Model:
        return dr.Model(dr.Dense(width), loss=dr.SquaredError())

    widths: Result = dr.sweep(build, {"width": [8, 16]}).fit(x, y, folds=3)
    print(result.rows, result.ranking[0], result.best_row, result.effects(), widths.to_json())
    folds: Result = dr.cross_validate(model, x, y, folds=5, epochs=2)
    return folds.best()


def play() -> dr.DQN:
    """Deep Q-learning."""
    agent = dr.DQN("CartPole-v1", hidden=(16,), learning_rate=1e-3, seed=0, gamma=0.99, double=True)
    history: dr.History = agent.fit(1000, evaluate_every=500, callbacks=[WandB("cart-pole", agent)])
    played: Played = agent.evaluate(episodes=10)
    print(history.rows, played.gained.mean(), agent.act([[0.0, 0.0, 0.05, 0.0]]), agent.q_values([[0.0] * 4]))
    agent.save("agent.safetensors")
    print(dr.load_agent("agent.safetensors"))
    population = dr.DQNPopulation("CartPole-v1", {"seed": range(2)}, hidden=(16,))
    found = population.fit(1000)
    print(found.rows, found.ranking(), found.programs)
    return found.best()


def large(model: dr.Model) -> dr.History:
    """Data larger than memory, and loggers."""
    stream: dr.Stream = dr.stream("data/*.parquet", target="price", memory="512 MB", seed=0)
    print(stream.shape, stream.examples)
    log = MLflow("prices", model, name="first", store="sqlite:///mlflow.db", epochs=2)
    log.log_history(model.history)
    return model.fit(stream, epochs=2, callbacks=[log, Trackio("prices")])


def errors(model: dr.Model) -> str:
    """Every error is a DeltaruleError, and a ShapeError knows the layer."""
    try:
        model.predict([[1.0]])
    except dr.ShapeError as error:
        return f"{error.path}: {error.message}"
    except (dr.DataError, dr.SettingError, dr.FileError, dr.DivergedError) as error:
        return str(error)
    except dr.DeltaruleError as error:
        return str(error)
    return dr.__version__
