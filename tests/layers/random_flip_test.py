import numpy as np
import pytest

from deltarule.errors import SettingError, ShapeError
from deltarule.layers import RandomFlip
from layers.augment import agree_with_chances, image


@pytest.mark.parametrize("probability", [0.5, 0.2])
@pytest.mark.parametrize(("axis", "space"), [(1, (3,)), (1, (3, 4)), (2, (3, 4)), (3, (2, 3, 4))])
def test_each_example_is_mirrored_or_not(axis, space, probability):
    x = image(*space)
    mirrored = np.flip(x, axis - 1)
    agree_with_chances(RandomFlip(axis, probability), x, [x, mirrored], [1 - probability, probability])


@pytest.mark.parametrize("axis", [0, 3])
def test_an_axis_outside_space_is_refused(axis):
    with pytest.raises(ShapeError, match=rf"RandomFlip\({axis}\): expected an axis of space, from 1 to 2 .*, 2\)"):
        RandomFlip(axis).shape((3, 4, 5, 2))
    with pytest.raises(ShapeError, match=r"RandomFlip\(2\): expected .* got \(3, 4, 5\)"):
        RandomFlip().shape((3, 4, 5))


def test_a_probability_above_one_is_refused():
    with pytest.raises(SettingError, match=r"RandomFlip: probability must be a number in \[0, 1\], got 50"):
        RandomFlip(probability=50)
