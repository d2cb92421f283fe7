"""Small data for ensembles and sweeps."""

import numpy as np
import pytest

import deltarule as dr


@pytest.fixture
def flowers():
    """(x, y), three classes that overlap."""
    rng = np.random.default_rng(0)
    y = np.arange(120) % 3
    return (rng.normal(size=(120, 4)) + y[:, None]).astype(np.float32), y


@pytest.fixture
def model():
    net = dr.Chain(dr.Dense(8), dr.ReLU(), dr.Dropout(0.1), dr.Dense(3))
    return dr.Model(net, dr.SoftmaxCrossEntropy(), dr.Adam(1e-2))
