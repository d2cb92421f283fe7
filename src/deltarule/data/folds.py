"""Folds for cross-validation: every example is held out once."""

from typing import Any

import numpy as np

from deltarule.errors import SettingError


def fold_rows(examples: int, folds: int, seed: int, target: Any) -> list[tuple[np.ndarray, np.ndarray]]:
    """(training rows, held-out rows) of each fold, drawn by the seed, whose sizes differ by one at most.

    Of classes, an integer target (n,), each fold has its share to within one example.

    Raises:
        SettingError: fewer than 2 folds, or more than examples.

    >>> [held.tolist() for _, held in fold_rows(4, 2, 0, np.array([0, 0, 1, 1]))]
    [[0, 2], [1, 3]]
    """
    if not isinstance(folds, int) or isinstance(folds, bool) or not 2 <= folds <= examples:
        raise SettingError(f"folds: expected a whole number from 2 to the {examples} examples, got {folds!r}")
    order = np.random.default_rng(seed).permutation(examples)
    labels = np.asarray(target)
    if labels.ndim == 1 and np.issubdtype(labels.dtype, np.integer):
        order = order[np.argsort(labels[order], kind="stable")]
    fold = np.empty(examples, int)
    fold[order] = np.arange(examples) % folds
    return [(np.flatnonzero(fold != k), np.flatnonzero(fold == k)) for k in range(folds)]
