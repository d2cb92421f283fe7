"""Networks, losses, optimizers and schedules as JSON and back."""

import dataclasses
import json
import re

import pytest

from deltarule import layers, losses, optimizers, schedules
from deltarule.description import from_json, to_json
from deltarule.errors import FileError
from deltarule.layers import Chain, Dense, ReLU
from deltarule.layers.initializers import Constant, He
from deltarule.layers.layer import Layer

EVERY_LAYER = [
    layer
    for kind in vars(layers).values()
    if isinstance(kind, type) and issubclass(kind, Layer)
    for layer, _ in kind.examples()
]
OTHERS = [
    Dense(3, W_init=He("uniform")),
    Dense(3, W_init=Constant(0.5)),
    losses.Huber(0.5),
    losses.SoftmaxCrossEntropy(0.1, (1.0, 2.0)),
    losses.L2(0.5, exclude=()),
    optimizers.SGD(0.1, 0.9, nesterov=True),
    optimizers.RMSProp(schedules.ConstantRate(0.1), epsilon_place="beside_root"),
    optimizers.AdamW(schedules.WarmUp(schedules.CosineDecay(0.1, 5), 3), exclude=("b",)),
]


@pytest.mark.parametrize("value", EVERY_LAYER + OTHERS, ids=str)
def test_what_is_described_comes_back(value):
    assert from_json(json.loads(json.dumps(to_json(value)))) == value


def test_no_two_known_classes_share_a_name():
    modules = (layers, losses, optimizers, schedules, layers.initializers)
    kinds = {k for m in modules for k in vars(m).values() if isinstance(k, type) and dataclasses.is_dataclass(k)}
    assert len({kind.__name__ for kind in kinds}) == len(kinds)


@pytest.mark.parametrize(
    ("description", "message"),
    [
        ({"Perceptron": {}}, "describes a Perceptron, which is not known"),
        ({"Dense": {"units": 3}}, "a Dense with settings that it does not take"),
        ({"Dense": {"features": 0}}, "a Dense with settings that it does not take"),
        ({"Chain": {}}, "a Chain with settings that it does not take"),
        ({"Chain": {"layers": 3}}, "a Chain with settings that it does not take"),
        ({"Huber": {"threshold": -1}}, "a Huber with settings that it does not take"),
        ({"Dense": 3}, "Dense"),
        ({}, "one class"),
        ({"ReLU": {}, "Tanh": {}}, "one class"),
    ],
)
def test_a_wrong_description_is_a_file_error(description, message):
    with pytest.raises(FileError, match=re.escape(message)):
        from_json(description)


def test_own_classes_are_taken_where_they_are_named():
    @dataclasses.dataclass(frozen=True)
    class Twice(ReLU):
        times: int = 2

    description = to_json(Chain(Twice(3)))
    assert from_json(description, {"Twice": Twice}) == Chain(Twice(3))
