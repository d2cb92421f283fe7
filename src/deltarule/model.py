"""Model: what a person holds. NumPy in, NumPy out; everything between is compiled."""

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Literal

import jax
import numpy as np
from numpy.typing import ArrayLike

from deltarule import __version__
from deltarule.cache import use_compilation_cache
from deltarule.data.chunks import Chunked
from deltarule.data.lengths import mask_of
from deltarule.description import to_json
from deltarule.displayed import Displayed
from deltarule.errors import SettingError
from deltarule.examples import (
    batch_of,
    batch_size_of,
    check_alike,
    check_batches,
    check_sizes,
    features_of,
    of_frame,
    training_examples,
)
from deltarule.ingredients import OF_A_MODEL, changed, penalty_of, shape_said
from deltarule.layers.layer import Layer, Shape
from deltarule.losses.l2 import L2
from deltarule.losses.loss import Loss
from deltarule.model_file import array_name, write_model
from deltarule.optimizers.optimizer import Optimizer
from deltarule.optimizers.rmsprop import RMSProp
from deltarule.training import evaluate
from deltarule.training.devices import Placement, check_batch, mesh_of, own, placed
from deltarule.training.history import History
from deltarule.training.precision import start_scale
from deltarule.training.processes import is_first
from deltarule.training.run import evaluation_of, run, run_settings
from deltarule.training.step import Batch, State, Step
from deltarule.training.windows import check_window, shape_of

if TYPE_CHECKING:
    from deltarule.inspect.explain import Explanation
    from deltarule.inspect.plan import Plan
    from deltarule.inspect.trace import Trace

Validation = float | tuple[Any, ...] | Chunked | Iterable[Any] | None


class Model(Displayed):
    """A network with its loss, its optimizer and, once it has seen data, its parameters.

    Args:
        net: a layer, most often a Chain.
        loss: the value to make small, and its δ.
        optimizer: how parameters move. Another kind, assigned to a trained model, starts its averages and the
            schedule anew.
        l2: λ of the penalty λ |θ|², on weights only; or an L2 that says on which; None is 0.
        clip_norm: the largest global norm of a gradient, or None.
        seed: all randomness follows from it: initial weights, order of examples, dropout.
        precision: "float32"; or "bfloat16" or "float16", in which forward and backward are computed, for
            training, evaluation and predictions alike. Parameters and what comes out are float32 in any case.

    >>> import deltarule as dr
    >>> x = np.linspace(-1, 1, 64).reshape(64, 1)
    >>> model = dr.Model(dr.Dense(1), loss=dr.SquaredError(), optimizer=dr.SGD(0.2))
    >>> history = model.fit(x, 3 * x + 1, epochs=50, batch_size=16)
    >>> model.predict([[0.5]]).round(2).tolist()
    [[2.5]]
    """

    shown_by = "inspect.display.of_model"

    def __init__(
        self,
        net: Layer,
        loss: Loss,
        optimizer: Optimizer | None = None,
        *,
        l2: float | L2 | None = 0.0,
        clip_norm: float | None = None,
        seed: int = 0,
        precision: str = "float32",
    ):
        self.input_shape: Shape | None = None  # of one example
        self.state: State | None = None
        self.net, self.loss, self.seed, self.precision = net, loss, seed, precision
        self.optimizer = optimizer if optimizer is not None else RMSProp()
        self.l2, self.clip_norm = penalty_of("Model", l2), clip_norm
        self.history = History()
        self.notes: dict[str, Any] = {}  # JSON-able, kept in the file: preprocessing, class names, columns

    def __setattr__(self, name: str, value: Any) -> None:
        if name in OF_A_MODEL:
            value = OF_A_MODEL[name](value)
            if self.state is not None:
                self.state = changed(self.state, name, getattr(self, name), value)
        super().__setattr__(name, value)

    def fit(
        self,
        x: Any,
        y: ArrayLike | str | None = None,
        *,
        epochs: int = 20,
        batch_size: int | None = None,
        validation: Validation = None,
        sample_weight: ArrayLike | None = None,
        lengths: ArrayLike | None = None,
        micro_batches: int = 1,
        **settings: Any,
    ) -> History:
        """Trains on x (n, ...) and y, from where the parameters are; returns the history of the run.

        Args:
            x: the examples, as an array or a data frame; or, without y, batches (x, y) as a DataLoader gives them
                (`data.batches.Batches`), a stream of examples larger than memory (`deltarule.stream`), or a source
                of sequences that comes in chunks (`training.windows.Source`).
            y: their targets; of a data frame the name of a column.
            epochs: passes over the data.
            batch_size: examples a step, 64 by default or all if fewer; an epoch's last batch may be smaller.
            validation: a share of the data to hold out (drawn by the seed, classes in proportion), or (x, y), or
                (x, y, weight), or (x, y, weight, lengths); or batches or a stream.
            sample_weight: (n,), how much each example counts beside the others of its minibatch.
            lengths: (n,), the time steps of each sequence x (n, t, ...), which is padded behind them.
            micro_batches: in how many parts a batch passes through the network; saves memory. Batch
                normalisation takes each part's own statistics.
            settings: order, patience, restore_best, callbacks, progress, window, devices, watch, checkpoint,
                resume, as `training.run.Settings` states.

        Raises:
            ShapeError, DataError: x, y or the weights do not fit, or hold NaN or infinity.
            SettingError: a setting that cannot be.
            DivergedError: the loss was lost; the model keeps its last good parameters.
            FileError: `checkpoint` cannot be used, or `resume` would go on with another run.
        """
        columns: list[str] = []
        given = x, y, sample_weight, lengths, validation
        data, held_out = training_examples(self.batch, *given, self.seed, columns)
        check_batches(data, batch_size, devices=settings.get("devices"), order=settings.get("order"))
        shape = shape_of(data)
        chosen = run_settings(epochs=epochs, batch_size=batch_size_of(data, batch_size), **settings)
        mesh = mesh_of(chosen.devices)
        check_sizes(shape[0], chosen.batch_size, micro_batches)
        for each in (data, held_out):
            check_alike(each, self.input_shape or shape[1:])
        check_batch(mesh, chosen.batch_size, data)
        check_window(chosen.window, self.net, data, chosen.batch_size, int(micro_batches))
        step = self.step(int(micro_batches))
        state = self.ready(step, shape)
        use_compilation_cache()
        state = placed(state, mesh)
        data = placed(data, mesh) if isinstance(data, Batch) else data
        held_out = placed(held_out, mesh) if isinstance(held_out, Batch) else held_out
        history = History(placement=Placement.of(mesh, state, data, chosen.batch_size))
        try:
            history.state, _ = run(step, state, data, held_out, chosen, history)
        finally:  # whatever ends the run, finished epochs are kept
            if history.state is not None:
                self.state, self.history, self.input_shape = own(history.state), history, shape[1:]
                self.notes |= {"columns": columns} if columns else {}
        return history

    def predict(self, x: ArrayLike, lengths: ArrayLike | None = None) -> np.ndarray:
        """Predictions for x (n, ...): values of a regression, probabilities of a classifier.

        A recurrent network takes sequences of any length; `lengths` (n,) are theirs where they are padded.

        Raises:
            ShapeError, DataError: x is not of the shape that was trained on, or not finite; or lengths that no
                sequence in x can have.
            SettingError: the model has not been trained.
        """
        state, (given, _) = self.trained(), of_frame(x, None, list(self.notes.get("columns", ())))
        features = features_of(given, self.net, self.input_shape)
        mask = None if lengths is None else mask_of(lengths, features)
        return evaluate.predict(self.net, self.loss, state.params, state.memory, features, self.precision, mask)

    def evaluate(
        self,
        x: Any,
        y: ArrayLike | str | None = None,
        sample_weight: ArrayLike | None = None,
        lengths: ArrayLike | None = None,
    ) -> dict[str, float]:
        """The loss and its metric (accuracy, or R²) on x and y, batches or a stream; raises as `fit` does."""
        state = self.trained()
        data, _ = training_examples(self.batch, x, y, sample_weight, lengths, None, self.seed)
        if not isinstance(data, (Batch, Chunked)):
            raise SettingError("evaluate: expected x and y, batches or a stream; a source of sequences has no end")
        check_alike(data, self.input_shape)
        program = evaluation_of(self.step(), data)
        loss, metric = jax.device_get(program(state.params, state.memory, data))
        return {"loss": float(loss), self.loss.metric_name: float(metric)}

    @property
    def parameters(self) -> int:
        """How many numbers are learned."""
        return sum(leaf.size for leaf in jax.tree.leaves(self.trained().params))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the model as one safetensors file, whole or not at all; raises FileError.

        Where several processes train as one, the first of them writes it.

        The file holds what predictions need. The optimizer's running averages are not kept: `fit` on a loaded
        model starts them, and the schedule, anew.
        """
        if not isinstance(path, (str, os.PathLike)):
            raise SettingError(f"save: expected a path such as 'model.safetensors', got {path!r}")
        if is_first():
            write_model(path, *self.file())

    def file(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """(arrays by name, header), what is in the model's file."""
        state = self.trained()
        leaves = jax.tree_util.tree_flatten_with_path({"params": state.params, "memory": state.memory})[0]
        arrays = {array_name(key): np.asarray(leaf) for key, leaf in leaves}
        return arrays, {
            "net": to_json(self.net),
            "loss": to_json(self.loss),
            "optimizer": to_json(self.optimizer),
            "l2": to_json(self.l2),
            "clip_norm": self.clip_norm,
            "seed": self.seed,
            "precision": self.precision,
            "input_shape": self.input_shape,
            "history": {"rows": self.history.rows, "best": self.history.best_epoch, "ended": self.history.ended},
            "notes": self.notes,
            "versions": {"deltarule": __version__, "jax": jax.__version__, "numpy": np.__version__},
        }

    def plan(
        self, batch_size: int = 64, x: Shape | None = None, micro_batches: int = 1, **settings: Any
    ) -> "Plan":
        """What a training step costs (`deltarule.plan`) on examples of shape x, by default those of training.

        Raises:
            SettingError: the shape is not known yet.
        """
        from deltarule.inspect.plan import Plan

        shape = self.input_shape if x is None else x
        if shape is None:
            raise SettingError("plan: the model has seen no data: say x, the shape of one example: x=(784,)")
        return Plan.of(self.step(micro_batches), (batch_size, *shape_said("plan", shape, "(784,)")), **settings)

    def explain(self, batch_size: int = 64, convention: Literal["row", "column"] = "row") -> "Explanation":
        """The equations of its step, forward and backward, with the shapes of a batch of so many examples."""
        from deltarule.inspect.explain import explain

        self.trained()
        x = (batch_size, *(self.input_shape or ()))
        return explain(self.net, x, loss=self.loss, convention=convention)

    def trace(self, x: ArrayLike, y: ArrayLike) -> "Trace":
        """The next step on x and y, every equation with its numbers; the model stays as it is. Raises as `fit`."""
        from deltarule.inspect.trace import trace_step

        return trace_step(self.step(), self.trained(), self.batch(x, y))

    def batch(
        self,
        x: Any,
        y: ArrayLike | str,
        weight: ArrayLike | None = None,
        lengths: ArrayLike | None = None,
        like: Shape | None = None,
        columns: list[str] | None = None,
    ) -> Batch:
        """x, y, weights and lengths, checked; `columns` takes up the names of a frame's, the model none."""
        columns = [] if columns is None else columns
        columns[:] = columns or self.notes.get("columns", ())
        x, y = of_frame(x, y, columns)
        return batch_of(self.net, self.loss, x, y, weight, lengths, self.input_shape if like is None else like)

    def step(self, micro_batches: int = 1) -> Step:
        """The step that `fit` compiles."""
        return Step(self.net, self.loss, self.optimizer, self.l2, self.clip_norm, micro_batches, self.precision)

    def ready(self, step: Step, x: Shape) -> State:
        """The state that a run on inputs of shape x starts from: that after the run before, or a fresh one."""
        state = self.state if self.state is not None else step.init(x, self.seed)
        return state._replace(numbers=step.hyperparameters(), scale=start_scale(self.precision, state.scale))

    def trained(self) -> State:
        """The state, if there is one."""
        if self.state is None:
            raise SettingError("the model has not been trained: call fit first, or load a saved model")
        use_compilation_cache()
        return self.state

    def __repr__(self) -> str:
        return f"Model({self.net}, loss={self.loss}, optimizer={self.optimizer}, seed={self.seed})"
