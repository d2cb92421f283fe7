"""Deltarule's networks as scikit-learn's estimators, and its searches trained as populations.

>>> from sklearn.datasets import load_iris
>>> x, y = load_iris(return_X_y=True, as_frame=True)
>>> classifier = DeltaruleClassifier(learning_rate=0.01, epochs=20, random_state=0).fit(x, y)
>>> classifier.score(x, y) > 0.9, classifier.predict_proba(x).shape
(True, (150, 3))
"""

from deltarule.interop.sklearn.classifier import DeltaruleClassifier
from deltarule.interop.sklearn.population import PopulationSearchCV
from deltarule.interop.sklearn.regressor import DeltaruleRegressor

__all__ = ["DeltaruleClassifier", "DeltaruleRegressor", "PopulationSearchCV"]
