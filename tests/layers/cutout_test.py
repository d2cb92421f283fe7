from itertools import product

import numpy as np
import pytest

from deltarule.errors import SettingError, ShapeError
from deltarule.layers import Cutout
from layers.augment import agree_with_chances, image


@pytest.mark.parametrize(("size", "space"), [(3, (7,)), (3, (4, 5)), (2, (4, 5)), (3, (3, 2, 4))])
def test_the_square_lies_around_any_pixel_and_is_cut_at_the_border(size, space):
    x = image(*space)
    cut = []
    for centre in product(*map(range, space)):
        each = x.copy()
        each[tuple(slice(max(0, c - size // 2), c - size // 2 + size) for c in centre)] = 0
        cut.append(each)
    allowed, counts = np.unique(cut, axis=0, return_counts=True)
    agree_with_chances(Cutout(size), x, allowed, counts / counts.sum())


def test_an_input_without_space_is_refused():
    with pytest.raises(ShapeError, match=r"Cutout\(2\): expected .* got \(3, 4\); .* take Dropout"):
        Cutout(2).shape((3, 4))


def test_a_square_of_no_size_is_refused():
    with pytest.raises(SettingError, match="Cutout: size must be a whole number of at least 1, got 0"):
        Cutout(0)
