"""Every loss × option: its δ against its value, its value against PyTorch and scikit-learn, its errors."""

import re
from dataclasses import dataclass
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pandas
import pytest
from sklearn import metrics

from deltarule import losses
from deltarule.errors import DataError, SettingError, ShapeError
from deltarule.losses import AbsoluteError, BinaryCrossEntropy, Huber, SoftmaxCrossEntropy, SquaredError
from deltarule.losses.loss import Loss

SHAPES = (7, 5), (4, 3, 5)
CLASS_WEIGHTS = (0.5, 2.0, 1.0, 0.0, 3.0)
DRAW_TARGET = {
    "numbers": lambda rng, shape: rng.normal(size=shape),
    "shares": lambda rng, shape: rng.uniform(size=shape),
    "classes": lambda rng, shape: rng.integers(0, shape[-1], shape[:-1]),
    "probabilities": lambda rng, shape: rng.dirichlet(np.ones(shape[-1]), shape[:-1]),
}
KINDS = [
    (SquaredError(), "numbers", "mse_loss"),
    (AbsoluteError(), "numbers", "l1_loss"),
    (Huber(), "numbers", "huber_loss"),
    (Huber(0.3), "numbers", "huber_loss"),
    (BinaryCrossEntropy(), "shares", "binary_cross_entropy_with_logits"),
    *(
        (SoftmaxCrossEntropy(smoothing, weights), kind, "cross_entropy")
        for kind in ("classes", "probabilities")
        for smoothing in (0.0, 0.1)
        for weights in (None, CLASS_WEIGHTS)
    ),
]


@dataclass(frozen=True)
class Case:
    loss: Loss
    kind: str
    torch_name: str
    shape: tuple[int, ...]

    def __str__(self):
        return f"{self.loss}-{self.kind}-{self.shape}"

    def draw(self):
        """(y, target, weight) in float64; the weights differ."""
        rng = np.random.default_rng(0)
        y, target = 2 * rng.normal(size=self.shape), DRAW_TARGET[self.kind](rng, self.shape)
        return y, target, rng.uniform(0.2, 2, self.shape[0])


@cache
def compiled(loss):
    """`loss(y, target, weight)` in one program; uncompiled, every small operation is a program of its own."""
    return jax.jit(loss.__call__)


@cache
def mean(loss):
    """The loss with weights that are divided by their total, as a step divides them."""
    return jax.jit(lambda y, target, weight: loss(y, target, weight / loss.total(target, weight)))


CASES = [Case(*kind, shape) for kind in KINDS for shape in SHAPES]
every_case = pytest.mark.parametrize("case", CASES, ids=str)
close = {"rtol": 1e-12, "atol": 1e-15}


def test_every_loss_is_tried():
    found = {kind for kind in vars(losses).values() if isinstance(kind, type) and issubclass(kind, Loss)}
    assert {type(case.loss) for case in CASES} == found


@every_case
@pytest.mark.usefixtures("float64")
def test_delta_is_the_derivative_by_autodiff(case):
    batch = case.draw()
    expected = jax.jit(jax.grad(lambda *batch: case.loss(*batch)[0]))(*batch)
    np.testing.assert_allclose(compiled(case.loss)(*batch)[1], expected, rtol=1e-10, atol=1e-14)


@every_case
@pytest.mark.usefixtures("float64")
def test_delta_is_the_derivative_by_central_differences(case):
    y, target, weight = case.draw()
    direction, h = np.random.default_rng(1).normal(size=case.shape), 1e-5
    loss = compiled(case.loss)
    ahead, behind = (loss(y + side * h * direction, target, weight)[0] for side in (1, -1))
    slopes = np.asarray(loss(y, target, weight)[1]) * direction
    assert abs((ahead - behind) / (2 * h) - slopes.sum()) <= 1e-7 * abs(slopes).sum()


@every_case
@pytest.mark.usefixtures("float64")
def test_a_batch_is_the_plain_sum_over_its_parts(case):
    batch, loss = case.draw(), compiled(case.loss)
    value, dy = loss(*batch)
    parts = [loss(*(a[rows] for a in batch)) for rows in (slice(0, 3), slice(3, None))]
    np.testing.assert_allclose(sum(part[0] for part in parts), value, **close)
    np.testing.assert_allclose(np.concatenate([part[1] for part in parts]), dy, **close)


@every_case
@pytest.mark.usefixtures("float64")
def test_weight_two_is_the_example_twice(case):
    y, target, _ = case.draw()
    weight, rows = np.ones(len(y)), np.array([0, *range(len(y))])
    weight[0] = 2
    value, dy = mean(case.loss)(y, target, weight)
    value_twice, dy_twice = mean(case.loss)(y[rows], target[rows], np.ones(len(rows)))
    np.testing.assert_allclose(value, value_twice, **close)
    np.testing.assert_allclose(dy[0], dy_twice[0] + dy_twice[1], **close)
    np.testing.assert_allclose(dy[1:], dy_twice[2:], **close)


@every_case
@pytest.mark.torch
@pytest.mark.usefixtures("float64")
def test_the_mean_and_its_derivative_are_those_of_pytorch(case, torch):
    y, target, _ = case.draw()
    value, dy = mean(case.loss)(y, target, np.ones(len(y)))

    theirs = torch.tensor(y, requires_grad=True)
    outputs, targets, options = theirs, torch.tensor(target), {}
    if case.torch_name == "huber_loss":
        options = {"delta": case.loss.threshold}
    if case.torch_name == "cross_entropy":  # classes are PyTorch's second axis
        outputs = outputs.moveaxis(-1, 1)
        targets = targets.moveaxis(-1, 1) if case.kind == "probabilities" else targets
        weights = case.loss.class_weights and torch.tensor(case.loss.class_weights, dtype=torch.float64)
        options = {"label_smoothing": case.loss.label_smoothing, "weight": weights}
    expected = getattr(torch.nn.functional, case.torch_name)(outputs, targets, **options)
    expected.backward()
    np.testing.assert_allclose(value, expected.item(), **close)
    np.testing.assert_allclose(dy, theirs.grad.numpy(), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("side", [1, -1])
def test_softmax_cross_entropy_of_extreme_logits(smoothing, side):
    y = jnp.array([[1e4, -1e4, 0.0]]) * side
    value, dy = compiled(SoftmaxCrossEntropy(smoothing))(y, jnp.array([0]), jnp.ones(1))
    p = np.array([[1, 0, 0]] if side == 1 else [[0, 1, 0]])
    t = np.array([[1, 0, 0]]) * (1 - smoothing) + smoothing / 3
    log_p = np.array([[0, -2e4, -1e4]] if side == 1 else [[-2e4, 0, -1e4]])
    np.testing.assert_allclose(value, -(t * log_p).sum(), rtol=1e-6)
    np.testing.assert_allclose(dy, p - t, atol=1e-7)


def test_binary_cross_entropy_of_extreme_logits():
    y, t = jnp.array([[1e4], [-1e4], [1e4], [-1e4]]), jnp.array([[1.0], [0.0], [0.0], [1.0]])
    value, dy = BinaryCrossEntropy()(y, t, jnp.ones(4))
    assert value == 2e4
    assert dy[:, 0].tolist() == [0, 0, 1, -1]


WRONG_TARGETS = [
    (SquaredError(), np.zeros((4, 3)), (4, 2), ShapeError, "(4, 2), got (4, 3); end the network in Dense(3)"),
    (SquaredError(), np.zeros((4, 5)), (4, 5, 1), ShapeError, "give each target an axis of its own, y[..., None]"),
    (SquaredError(), [None, 1.0], (2, 1), DataError, "SquaredError: expected a label for each example"),
    (SquaredError(), np.zeros(4), (4, 2), ShapeError, "output shape (4, 2), got (4,)"),
    (AbsoluteError(), ["a", "b"], (2, 1), DataError, "AbsoluteError: expected targets that are numbers, got <U1"),
    (Huber(), [[1.0], [np.nan]], (2, 1), DataError, "got 1 NaN or infinite, the first at (1, 0)"),
    (Huber(), [1.0, np.inf], (2, 1), DataError, "got 1 NaN or infinite, the first at (1, 0)"),
    (BinaryCrossEntropy(), [0.0, 1.5], (2, 1), DataError, "targets from 0 to 1, got 0 to 1.5"),
    (BinaryCrossEntropy(), [-1, 1], (2, 1), DataError, "targets from 0 to 1, got -1 to 1"),
    (SoftmaxCrossEntropy(), [0, 1, 1], (2, 3), ShapeError, "(2,) or probabilities of shape (2, 3), got (3,)"),
    (SoftmaxCrossEntropy(), np.ones((2, 4)), (2, 3), ShapeError, "probabilities of shape (2, 3), got (2, 4)"),
    (SoftmaxCrossEntropy(), [0, 3], (2, 3), DataError, "classes 0 to 2 for 3 outputs, got 0 to 3"),
    (SoftmaxCrossEntropy(), [-1, 0], (2, 3), DataError, "got -1 to 0"),
    (SoftmaxCrossEntropy(), [0.5, 1.0], (2, 3), DataError, "whole numbers 0 to 2, got float64"),
    (SoftmaxCrossEntropy(), [1.0, np.nan], (2, 3), DataError, "got 1 of 2 missing, the first at (1,); remove"),
    (SoftmaxCrossEntropy(), [[0, 1], [None, None]], (2, 2, 3), DataError, "got 2 of 4 missing, the first at (1,"),
    (SoftmaxCrossEntropy(), np.array([0, pandas.NA], object), (2, 3), DataError, "1 of 2 missing, the first at"),
    (SoftmaxCrossEntropy(), np.array([0.5, "a"], object), (2, 3), DataError, "whole numbers 0 to 2, got object"),
    (SoftmaxCrossEntropy(), [np.inf, 1.0], (2, 3), DataError, "got 1.0 to inf"),
    (SoftmaxCrossEntropy(), ["a", "b"], (2, 3), DataError, "give each class its number"),
    (SoftmaxCrossEntropy(), [[np.nan, 1.0]], (1, 2), DataError, "got 1 NaN or infinite, the first at (0, 0)"),
    (SoftmaxCrossEntropy(0.0, (1, 2)), [0, 1], (2, 3), ShapeError, "3 class weights, one an output, got 2"),
]  # fmt: skip


@pytest.mark.parametrize(("loss", "target", "y", "error", "message"), WRONG_TARGETS)
def test_a_wrong_target_is_named(loss, target, y, error, message):
    with pytest.raises(error, match=re.escape(message)):
        loss.prepare(target, y)


@pytest.mark.parametrize("given", [[0, 2, 1], [0.0, 2.0, 1.0], np.array([0, 2, 1], np.uint8)], ids=str)
def test_classes_may_come_in_any_number_type(given):
    target = SoftmaxCrossEntropy().prepare(given, (3, 3))
    assert target.dtype == np.int32
    assert target.tolist() == [0, 2, 1]


@pytest.mark.parametrize("given", [[1, 0], [True, False], [[1.0], [0.0]]], ids=str)
def test_one_output_takes_targets_with_or_without_its_axis(given):
    target = BinaryCrossEntropy().prepare(given, (2, 1))
    assert target.dtype == np.float32
    assert target.tolist() == [[1.0], [0.0]]


NO_WEIGHTS = "SoftmaxCrossEntropy: class_weights must be finite numbers, none below 0 and one above"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Huber(0.0), "Huber: threshold must be a positive number, got 0.0"),
        (lambda: SoftmaxCrossEntropy(1.0), "label_smoothing must be in [0, 1), got 1.0"),
        (lambda: SoftmaxCrossEntropy(-0.1), "label_smoothing must be in [0, 1), got -0.1"),
        (lambda: Huber("1"), "Huber: threshold must be a positive number, got '1'"),
        (lambda: SoftmaxCrossEntropy("0.1"), "SoftmaxCrossEntropy: label_smoothing must be in [0, 1), got '0.1'"),
        *(
            (
                lambda given=given: SoftmaxCrossEntropy(class_weights=given),
                f"{NO_WEIGHTS}, got {given!r}; give one",
            )
            for given in [
                (1, -1),
                (np.nan, 1),
                (1, np.nan),
                (1, np.inf),
                (0, 0),
                (),
                {},
                "balanced",
                2.0,
                (1, None),
            ]
        ),
        (
            lambda: SoftmaxCrossEntropy(class_weights={0: 1.0, 2: 5.0}),
            "of 2 classes must be by their numbers, 0 to 1",
        ),
        (
            lambda: SoftmaxCrossEntropy(class_weights={"no": 1.0, "yes": 5.0}),
            "0 to 1, got ['no', 'yes']; a class that",
        ),
        (lambda: losses.L2(-1.0), "L2: strength must be a number of at least 0, got -1.0"),
        (lambda: losses.L2(None), "L2: strength must be a number of at least 0, got None"),
        (lambda: losses.L2(0.1, exclude=(1, 2)), "L2: exclude must be names of parameters, such as"),
    ],
)
def test_a_wrong_setting_is_named(make, message):
    with pytest.raises(SettingError, match=re.escape(message)):
        make()


@pytest.mark.parametrize(
    "given", [{0: 1.0, 1: 5.0}, {np.int64(1): 5, 0: 1}, [1, 5], np.array([1.0, 5.0])], ids=str
)
def test_class_weights_come_by_number_or_in_order(given):
    loss = SoftmaxCrossEntropy(class_weights=given)
    assert loss == SoftmaxCrossEntropy(class_weights=(1.0, 5.0))
    assert [type(weight) for weight in loss.class_weights] == [float, float]


@pytest.mark.parametrize("shape", [(40, 1), (40, 3)])
@pytest.mark.usefixtures("float64")
def test_r2_is_that_of_scikit_learn(shape):
    rng = np.random.default_rng(0)
    target, weight = rng.normal(2, 3, shape), rng.uniform(0.1, 2, 40)
    y = target + rng.normal(size=shape)
    got = SquaredError().metric(jnp.asarray(y), jnp.asarray(target), jnp.asarray(weight))
    np.testing.assert_allclose(got, metrics.r2_score(target, y, sample_weight=weight), rtol=1e-12)


@pytest.mark.usefixtures("float64")
def test_accuracy_is_that_of_scikit_learn():
    rng = np.random.default_rng(0)
    y, weight = jnp.asarray(rng.normal(size=(40, 3))), jnp.asarray(rng.uniform(0.1, 2, 40))
    classes = rng.integers(0, 3, 40)
    expected = metrics.accuracy_score(classes, y.argmax(1), sample_weight=weight)
    for target in (classes, np.eye(3)[classes]):
        got = SoftmaxCrossEntropy().metric(y, jnp.asarray(target), weight)
        np.testing.assert_allclose(got, expected, rtol=1e-12)


@pytest.mark.usefixtures("float64")
def test_binary_accuracy_is_that_of_scikit_learn():
    rng = np.random.default_rng(0)
    y, target, weight = rng.normal(size=(40, 1)), rng.integers(0, 2, (40, 1)), rng.uniform(0.1, 2, 40)
    got = BinaryCrossEntropy().metric(*map(jnp.asarray, (y, target, weight)))
    np.testing.assert_allclose(got, metrics.accuracy_score(target, y > 0, sample_weight=weight), rtol=1e-12)


def test_predictions_are_what_a_user_wants_to_see():
    y = jnp.log(jnp.array([[1.0, 3.0]]))
    np.testing.assert_allclose(SoftmaxCrossEntropy().predict(y), [[0.25, 0.75]], rtol=1e-6)
    np.testing.assert_allclose(BinaryCrossEntropy().predict(y), [[0.5, 0.75]], rtol=1e-6)
    np.testing.assert_array_equal(SquaredError().predict(y), y)


def test_weights_are_brought_to_their_mean_and_none_at_all_to_zero():
    loss, target = losses.SquaredError(), jnp.zeros((3, 1))
    share, total = loss.shares(target, jnp.array([1.0, 3.0, 0.0]))
    assert (share.tolist(), float(total)) == ([0.25, 0.75, 0.0], 4.0)
    assert loss.shares(target, jnp.zeros(3))[0].tolist() == [0.0, 0.0, 0.0]


@pytest.mark.parametrize(
    ("loss", "target", "weight"),
    [
        (SquaredError(), np.zeros((2, 1)), np.zeros(2, np.float32)),
        (SoftmaxCrossEntropy(class_weights={0: 0.0, 1: 1.0}), np.array([0, 0]), np.ones(2, np.float32)),
    ],
)
def test_examples_without_weight_are_refused_where_their_loss_is_asked_for(loss, target, weight):
    with pytest.raises(DataError, match=r"^here: expected an example with a weight above 0, but all 2 have 0"):
        loss.require_weight(target, weight, "here")
    loss.require_weight(target + 1, weight + np.float32([0, 1]), "here")
