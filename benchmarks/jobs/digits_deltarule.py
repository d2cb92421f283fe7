"""Handwritten digits by deltarule: read, train, test."""

import sys

import numpy as np

import deltarule as dr

digits = np.load(sys.argv[1])
net = dr.Chain(dr.Dense(64), dr.ReLU(), dr.Dense(10))
model = dr.Model(net, loss=dr.SoftmaxCrossEntropy(), optimizer=dr.Adam(1e-3), seed=0)
model.fit(digits["x"], digits["y"], epochs=20, batch_size=64)
print(model.evaluate(digits["x_test"], digits["y_test"])["accuracy"])
