from itertools import product

import numpy as np
import pytest

from deltarule.errors import SettingError, ShapeError
from deltarule.layers import RandomShift
from layers.augment import agree_with_chances, image


@pytest.mark.parametrize(("pixels", "space"), [(2, (5,)), (1, (3, 4)), (2, (4, 3)), (1, (2, 3, 4))])
def test_a_shift_is_a_crop_of_the_image_padded_with_zeros(pixels, space):
    """The recipe of CIFAR: pad by `pixels` on each side, then crop the old size, all corners equally likely."""
    x = image(*space)
    padded = np.pad(x, [*((pixels, pixels) for _ in space), (0, 0)])
    corners = product(range(2 * pixels + 1), repeat=len(space))
    crops = [padded[tuple(slice(c, c + d) for c, d in zip(corner, space, strict=True))] for corner in corners]
    agree_with_chances(RandomShift(pixels), x, crops)


def test_a_shift_beyond_the_image_is_refused():
    with pytest.raises(ShapeError, match=r"RandomShift\(4\): expected .* longer than 4, got \(2, 9, 4, 3\)"):
        RandomShift(4).shape((2, 9, 4, 3))
    with pytest.raises(ShapeError, match=r"RandomShift\(4\): expected .* got \(2, 9\)"):
        RandomShift(4).shape((2, 9))


def test_no_shift_is_refused():
    with pytest.raises(SettingError, match="RandomShift: pixels must be a whole number of at least 1, got 0"):
        RandomShift(0)
