import pytest

from deltarule.errors import SettingError, ShapeError
from deltarule.layers import Chain, Identity, RandomCrop
from layers.augment import agree_with_chances, image


@pytest.mark.parametrize(("height", "width"), [(2, 3), (4, 3), (4, 5), (1, 1)])
def test_every_corner_at_which_the_crop_fits_is_equally_likely(height, width):
    x = image(4, 5)
    crops = [x[top : top + height, left : left + width] for top in range(5 - height) for left in range(6 - width)]
    agree_with_chances(RandomCrop(height, width), x, crops)


@pytest.mark.parametrize("size", [(5, 2), (2, 6)])
def test_a_crop_larger_than_the_image_is_refused(size):
    with pytest.raises(ShapeError, match=r"^layer 1, RandomCrop\(\d, \d\): .* larger than the images, 4 × 5 in"):
        Chain(Identity(), RandomCrop(*size)).shape((3, 4, 5, 2))


def test_what_is_no_image_is_refused():
    with pytest.raises(ShapeError, match=r"RandomCrop: expected images \(n, h, w, i\), got \(3, 4, 5\)"):
        RandomCrop(2, 2).shape((3, 4, 5))
    with pytest.raises(SettingError, match="RandomCrop: width must be a whole number of at least 1, got 0"):
        RandomCrop(2, 0)
