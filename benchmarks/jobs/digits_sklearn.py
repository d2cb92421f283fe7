"""Handwritten digits by scikit-learn: read, train, test."""

import sys
import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier

warnings.simplefilter("ignore", ConvergenceWarning)
digits = np.load(sys.argv[1])
model = MLPClassifier(
    hidden_layer_sizes=(64,),
    batch_size=64,
    max_iter=20,
    learning_rate_init=1e-3,
    alpha=0,
    n_iter_no_change=1000,
    tol=0,
    random_state=0,
)
model.fit(digits["x"], digits["y"])
print(model.score(digits["x_test"], digits["y_test"]))
