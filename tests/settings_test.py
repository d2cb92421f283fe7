"""Settings of the wrong type or out of range: each is named when it is given, and NumPy's numbers are taken."""

import json
import re

import numpy as np
import pytest

import deltarule as dr
from deltarule.description import from_json, to_json
from deltarule.errors import SettingError
from deltarule.settings import settle_whole

WHOLE = "must be a whole number of at least 1, got"
WRONG = [
    (lambda: dr.Dense("64"), f"Dense: features {WHOLE} '64'"),
    (lambda: dr.Dense(None), f"Dense: features {WHOLE} None"),
    (lambda: dr.Dense(2.5), f"Dense: features {WHOLE} 2.5"),
    (lambda: dr.Dense(64.0), f"Dense: features {WHOLE} 64.0"),
    (lambda: dr.Dense(True), f"Dense: features {WHOLE} True"),
    (lambda: dr.Dense((3, 4)), f"Dense: features {WHOLE} (3, 4)"),
    (lambda: dr.Dense(4, W_init="he"), "Dense: W_init must be a rule for first weights, such as He(), got 'he'"),
    (
        lambda: dr.Dense(4, W_init=dr.He),
        "Dense: W_init must be a rule for first weights, such as He(), got <class",
    ),
    (lambda: dr.LSTM(4.5), f"LSTM: features {WHOLE} 4.5"),
    (lambda: dr.GRU("4"), f"GRU: features {WHOLE} '4'"),
    (lambda: dr.LSTM(4, W_init=None), "LSTM: W_init must be a rule for first weights, such as He(), got None"),
    (lambda: dr.SimpleRNN(4, U_init=dr.He), "SimpleRNN: U_init must be a rule for first weights"),
    (lambda: dr.Embedding(3.5, 2), f"Embedding: levels {WHOLE} 3.5"),
    (lambda: dr.Embedding(3, "2"), f"Embedding: features {WHOLE} '2'"),
    (lambda: dr.Embedding(3, 2, dr.Normal), "Embedding: W_init must be a rule"),
    (
        lambda: dr.Embedding(20_000_000, 1),
        "Embedding: levels must be at most 16777216, got 20000000: codes come as",
    ),
    (lambda: dr.Residual(dr.ReLU), "Residual: expected a layer at place 0, got <class"),
    (lambda: dr.Residual(dr.ReLU(), dr.Dense), "Residual: expected a layer at place 1, got <class"),
    (lambda: dr.Residual([dr.ReLU()]), "Residual: expected a layer at place 0, got [ReLU()]"),
    (lambda: dr.Reshape("2", 3), "Reshape('2', 3): sizes must be positive whole numbers"),
    (lambda: dr.Reshape((2, 3), 4), "Reshape((2, 3), 4): sizes must be positive whole numbers"),
    (lambda: dr.Reshape(2.0, 3), "Reshape(2.0, 3): sizes must be positive whole numbers"),
    (lambda: dr.Reshape(None), "sizes must be positive whole numbers, and at most one may be -1"),
    (lambda: dr.Cutout((3, 4)), f"Cutout: size {WHOLE} (3, 4)"),
    (lambda: dr.RandomShift((1, 2)), f"RandomShift: pixels {WHOLE} (1, 2)"),
    (lambda: dr.Convolution(8, 3, groups=(1, 1)), f"groups {WHOLE} (1, 1)"),
    (lambda: dr.Convolution((8, 8), 3), f"features {WHOLE} (8, 8)"),
    (lambda: dr.LayerNorm(axes=1.5), f"LayerNorm: axes {WHOLE} 1.5"),
    (lambda: dr.RandomFlip("h"), "RandomFlip: axis must be a whole number of at least 0, got 'h'"),
    (lambda: dr.RandomFlip(2, None), "RandomFlip: probability must be a number in [0, 1], got None"),
    (lambda: dr.Dropout(0.99999999), "Dropout(0.99999999): drop must be in [0, 1), got"),
    (lambda: dr.SpatialDropout("0.5"), "SpatialDropout(0.5): drop must be in [0, 1), got '0.5'; it is"),
    (lambda: dr.Dropout(float("nan")), "Dropout(nan): drop must be in [0, 1)"),
    (lambda: dr.LeakyReLU(float("nan")), "LeakyReLU: slope must be a number of at least 0, got nan"),
    (lambda: dr.LeakyReLU(None), "LeakyReLU: slope must be a number of at least 0, got None"),
    (lambda: dr.ELU("1"), "ELU: alpha must be a positive number, got '1'"),
    (lambda: dr.RMSNorm(epsilon=None), "RMSNorm: epsilon must be a positive number, got None"),
]


@pytest.mark.parametrize(("make", "message"), WRONG, ids=[message for _, message in WRONG])
def test_a_wrong_setting_is_named(make, message):
    with pytest.raises(SettingError, match=re.escape(message)):
        make()


three = np.int64(3)
TAKEN = [
    (dr.Dense(three), dr.Dense(3), (5, 4)),
    (dr.Embedding(three, np.uint8(3)), dr.Embedding(3, 3), (5, 4)),
    (dr.Reshape(three, np.int32(-1)), dr.Reshape(3, -1), (5, 6)),
    (dr.Reshape((3, 2)), dr.Reshape(3, 2), (5, 6)),
    (dr.Reshape([3, 2]), dr.Reshape(3, 2), (5, 6)),
    (dr.Recurrent(dr.LSTM(three)), dr.Recurrent(dr.LSTM(3)), (5, 2, 4)),
]


@pytest.mark.parametrize(("layer", "same", "x"), TAKEN, ids=str)
def test_whole_numbers_of_numpy_are_pythons(layer, same, x):
    assert repr(layer) == repr(same)
    assert repr(layer.shape(x)) == repr(same.shape(x))
    assert from_json(json.loads(json.dumps(to_json(layer)))) == same


def test_the_largest_drop_and_the_most_codes_that_float32_holds_are_taken():
    assert dr.Dropout(0.9999999).drop == 0.9999999
    assert dr.Embedding(2**24, 1).levels == 2**24


def test_a_symbol_stands_for_a_whole_number():
    sympy = pytest.importorskip("sympy")
    d = sympy.Symbol("d", positive=True, integer=True)
    assert dr.Dense(d).shape((8, 5)) == (8, d)
    assert dr.Reshape(d, -1).sizes == (d, -1)
    layer = dr.Dense(3)
    object.__setattr__(layer, "features", sympy.Symbol("x", positive=True))
    with pytest.raises(SettingError, match="Dense: features must be a whole number of at least 1, got x"):
        settle_whole(layer, "features")
