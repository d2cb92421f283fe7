"""Images standardised by channel, with what the training images were; and what is unlike them refused."""

import json

import numpy as np
import pytest

from data.pictures import pixels
from deltarule.data.image_files import AS_THEY_ARE, Conversion
from deltarule.data.image_preprocessing import BLOCK, ImagePreprocessing
from deltarule.data.target import Target
from deltarule.errors import DataError, FileError

GOAL = Target("class", "classification", ("cat", "dog"))
MANY = np.stack([pixels(5, 7, 3, seed) // [1, 2, 5] for seed in range(BLOCK + 9)]).astype(np.uint8)


@pytest.mark.parametrize("given", [MANY, (MANY * 3.0 - 1).astype(np.float32)], ids=["bytes", "numbers"])
def test_training_images_have_mean_0_and_deviation_1_in_every_channel(given):
    preprocessing = ImagePreprocessing.fit(given, GOAL)
    z = preprocessing.transform(given)
    assert z.dtype == np.float32
    assert z.shape == given.shape
    np.testing.assert_allclose(z.mean((0, 1, 2), dtype=np.float64), 0, atol=1e-5)
    np.testing.assert_allclose(z.std((0, 1, 2), dtype=np.float64), 1, rtol=1e-5)
    scaled = given / 255 if given.dtype == np.uint8 else given
    np.testing.assert_allclose(preprocessing.mean, scaled.mean((0, 1, 2), dtype=np.float64))
    np.testing.assert_allclose(preprocessing.deviation, scaled.std((0, 1, 2), dtype=np.float64))


def test_a_constant_channel_divides_by_1():
    for constant in (np.uint8(9), np.float32(0.1)):
        given = MANY.astype(constant.dtype)
        given[..., 1] = constant
        preprocessing = ImagePreprocessing.fit(given, GOAL)
        assert preprocessing.deviation[1] == 1
        np.testing.assert_allclose(preprocessing.transform(given)[..., 1], 0, atol=1e-7)
    tiny = np.float32([0, 1e-45]).reshape(2, 1, 1, 1)
    assert np.isfinite(ImagePreprocessing.fit(tiny, GOAL).transform(tiny)).all()


def test_everything_comes_back_from_json():
    for conversion in (AS_THEY_ARE, Conversion((5, 7), 3)):
        preprocessing = ImagePreprocessing.fit(MANY, GOAL, conversion)
        assert ImagePreprocessing.from_json(json.loads(json.dumps(preprocessing.to_json()))) == preprocessing


@pytest.mark.parametrize("name", ["target", "shape", "mean", "conversion"])
def test_what_to_json_did_not_make_is_refused(name):
    saved = ImagePreprocessing.fit(MANY, GOAL).to_json()
    for wrong in ({**saved, name: 3}, {key: value for key, value in saved.items() if key != name}):
        with pytest.raises(FileError, match="Preprocessing of images: expected what to_json made"):
            ImagePreprocessing.from_json(wrong)


def test_images_unlike_those_of_training_are_refused():
    preprocessing = ImagePreprocessing.fit(MANY, GOAL)
    with pytest.raises(DataError, match="expected 5x7 colour, as in training, but got 5x7 grey"):
        preprocessing.transform(MANY[..., :1])
    with pytest.raises(DataError, match=r"expected bytes of 0 to 255 .* as in training, but got x of floats"):
        preprocessing.transform(MANY.astype(np.float32))
    numbers = ImagePreprocessing.fit(MANY.astype(np.float32), GOAL)
    with pytest.raises(DataError, match=r"expected x of floats, as in training, but got bytes of 0 to 255"):
        numbers.transform(MANY)
