"""Image files: the same pixels as were written, in the order of the files, of one shape; what is not is named."""

import contextlib
from pathlib import Path
from threading import Event

import numpy as np
import pytest
from PIL import Image

from data.pictures import pixels, truncate, write
from deltarule.data import image_files
from deltarule.data.image_files import AS_THEY_ARE, Conversion, read_images
from deltarule.errors import DataError

GREY, COLOUR = Conversion(channels=1), Conversion(channels=3)


def test_pixels_come_back_bit_for_bit_and_in_order(tmp_path):
    given = [pixels(seed=seed) for seed in range(20)]
    files = [write(tmp_path / f"{i}.png", each) for i, each in enumerate(given)]
    read, whole = read_images(files, AS_THEY_ARE)
    assert read.dtype == np.uint8
    np.testing.assert_array_equal(read, np.stack(given)[..., None])
    assert whole == list(range(20))


def test_colour_keeps_its_channels_and_a_jpeg_its_size(tmp_path):
    given = pixels(channels=3)
    smooth = np.repeat(np.repeat(pixels(2, 3, 3), 16, 0), 16, 1)
    np.testing.assert_array_equal(read_images([write(tmp_path / "a.png", given)], AS_THEY_ARE)[0][0], given)
    read, _ = read_images([write(tmp_path / "a.JPG", smooth, format="JPEG", quality=98)], AS_THEY_ARE)
    assert read.shape == (1, 32, 48, 3)
    assert np.abs(read[0].astype(int) - smooth).mean() < 8


def test_black_and_white_is_grey_and_a_palette_is_colour(tmp_path):
    bits, colours = pixels() > 127, pixels(channels=3)
    Image.fromarray(bits).save(tmp_path / "bits.png")
    palette = Image.fromarray(colours).quantize(256)
    palette.save(tmp_path / "palette.png")
    read, _ = read_images([str(tmp_path / "bits.png")], AS_THEY_ARE)
    np.testing.assert_array_equal(read[0, :, :, 0], 255 * bits)
    read, _ = read_images([str(tmp_path / "palette.png")], AS_THEY_ARE)
    np.testing.assert_array_equal(read[0], np.asarray(palette.convert("RGB")))


@pytest.mark.parametrize("channels", [2, 4], ids=["grey", "colour"])
def test_what_is_transparent_is_laid_on_white(channels, tmp_path):
    given = pixels(channels=channels)
    given[0, 0, -1], given[1, 1, -1] = 0, 255
    read, _ = read_images([write(tmp_path / "a.png", given)], AS_THEY_ARE)
    alpha = given[..., -1:] / 255
    np.testing.assert_allclose(read[0], alpha * given[..., :-1] + (1 - alpha) * 255, atol=1)
    assert (read[0, 0, 0] == 255).all()
    np.testing.assert_array_equal(read[0, 1, 1], given[1, 1, :-1])


def test_a_transparent_colour_of_a_palette_is_white(tmp_path):
    image = Image.fromarray(pixels(channels=3)).quantize(4)
    image.save(tmp_path / "a.png", transparency=2)
    read, _ = read_images([str(tmp_path / "a.png")], AS_THEY_ARE)
    clear = np.asarray(image) == 2
    assert clear.any()
    assert (read[0][clear] == 255).all()
    np.testing.assert_array_equal(read[0][~clear], np.asarray(image.convert("RGB"))[~clear])


def test_channels_are_converted_by_choice(tmp_path):
    files = [write(tmp_path / "grey.png"), write(tmp_path / "colour.png", pixels(channels=3))]
    grey, _ = read_images(files, GREY)
    colour, _ = read_images(files, COLOUR)
    np.testing.assert_array_equal(grey[0, :, :, 0], pixels())
    np.testing.assert_allclose(grey[1, :, :, 0], pixels(channels=3) @ [0.299, 0.587, 0.114], atol=0.51)
    np.testing.assert_array_equal(colour[0], np.repeat(pixels()[..., None], 3, 2))
    np.testing.assert_array_equal(colour[1], pixels(channels=3))


def test_making_smaller_averages(tmp_path):
    """Of stripes one pixel wide, a filter without averaging would keep black or white."""
    stripes = np.tile(np.array([0, 255], np.uint8), (8, 24))  # (8, 48)
    read, _ = read_images([write(tmp_path / "a.png", stripes)], Conversion((4, 6)))
    assert read.shape == (1, 4, 6, 1)
    np.testing.assert_allclose(read[0, :, 1:-1], 127.5, atol=8)


def test_photos_of_all_sizes_become_one_size(tmp_path):
    files = [write(tmp_path / f"{i}.jpg", pixels(9 + i, 20 - i, 3)) for i in range(4)]
    assert read_images(files, Conversion((5, 6)))[0].shape == (4, 5, 6, 3)


def test_a_photo_is_turned_as_its_exif_says(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # the top of the photo is at the right: a quarter turn clockwise puts it upright
    step = np.zeros((16, 32), np.uint8)
    step[:, 16:] = 200
    read, _ = read_images([write(tmp_path / "a.jpg", step, exif=exif)], AS_THEY_ARE)
    assert read.shape == (1, 32, 16, 1)
    assert read[0, :12].mean() < 20 < 180 < read[0, 20:].mean()


def test_images_that_differ_are_named_and_counted(tmp_path):
    files = [write(tmp_path / f"{i}.png", pixels(5, 7)) for i in range(3)]
    files += [write(tmp_path / "wide.png", pixels(5, 8)), write(tmp_path / "red.png", pixels(5, 7, 3))]
    with pytest.raises(DataError) as raised:
        read_images(files, AS_THEY_ARE)
    said = str(raised.value)
    assert f"{files[0]} is 5x7 grey and {files[3]} is 5x8 grey" in said
    assert "3 of 5x7 grey, 1 of 5x8 grey, 1 of 5x7 colour" in said
    assert "Set image_size = 5x7 to resize all, and channels = 3" in said
    with pytest.raises(DataError, match=r"red.png is 5x7 colour.*Set channels = 3 to make all of them colour"):
        read_images([*files[:3], files[4]], AS_THEY_ARE)
    with pytest.raises(DataError, match=r"Set image_size = 5x7 to resize all\.$"):
        read_images(files[:4], AS_THEY_ARE)


def test_many_kinds_are_counted_and_the_first_listed(tmp_path):
    files = [write(tmp_path / f"{i}.png", pixels(5, 7 + i)) for i in range(8)]
    with pytest.raises(DataError, match=r"1 of 5x11 grey, and 3 other kinds\."):
        read_images(files, AS_THEY_ARE)


def test_an_image_unlike_those_of_training_is_named(tmp_path):
    files = [write(tmp_path / f"{i}.png", pixels(5, 7)) for i in range(2)]
    files += [write(tmp_path / f"wide{i}.png", pixels(5, 8 + i)) for i in range(2)]
    words = r"wide0.png: expected an image of 5x7 grey, as in training, but got 5x8 grey; 2 of 4 images differ"
    with pytest.raises(DataError, match=words):
        read_images(files, AS_THEY_ARE, like=(5, 7, 1))
    with pytest.raises(DataError, match=r"of 6x7 colour, as in training, but got 5x7 grey; 4 of 4"):
        read_images(files, AS_THEY_ARE, like=(6, 7, 3))
    assert read_images(files, Conversion((5, 7)), like=(5, 7, 1))[0].shape == (4, 5, 7, 1)


def test_sixteen_bits_of_grey_are_refused(tmp_path):
    file = write(tmp_path / "deep.png", np.full((5, 7), 40000, np.uint16))
    with pytest.raises(DataError, match=r"deep.png: expected an image of 8 bits a channel.*'I;16'.*\.npz"):
        read_images([file], AS_THEY_ARE, corrupt="skip")


def broken_files(folder) -> dict[str, str]:
    """One file for each way to be broken, and words of what is wrong with it."""
    found = {
        truncate(write(folder / "short.png", pixels(50, 70))): "truncated",
        truncate(write(folder / "short.jpg", pixels(50, 70, 3))): "truncated",
    }
    for name, content, words in (
        ("text.png", b"not an image", "neither PNG nor JPEG"),
        ("empty.jpg", b"", "neither PNG nor JPEG"),
        ("chunk.png", b"\x89PNG\r\n\x1a\n" + bytes(30), "neither PNG nor JPEG"),
    ):
        (folder / name).write_bytes(content)
        found[str(folder / name)] = words
    vast = Path(write(folder / "vast.jpg"))
    content = vast.read_bytes()
    frame = content.index(b"\xff\xc0") + 5  # where the height and the width stand
    vast.write_bytes(content[:frame] + b"\xff\xff\xff\xff" + content[frame + 4 :])
    found[str(vast)] = "exceeds limit"
    (folder / "link.png").symlink_to(folder / "nowhere")
    return {**found, str(folder / "link.png"): "No such file or directory"}


def test_damaged_data_about_a_photo_do_not_matter(tmp_path):
    """Pillow warns of them, and warnings are errors in tests."""
    exif = Image.Exif()
    exif[0x010F] = "somebody's camera"
    file = Path(write(tmp_path / "a.jpg", pixels(16, 16), exif=exif))
    content = file.read_bytes()
    count = content.index(b"Exif") + 20  # how long the text is
    file.write_bytes(content[:count] + b"\xff\xff" + content[count + 2 :])
    assert len(read_images([str(file)], AS_THEY_ARE)[0]) == 1


def test_each_broken_file_is_refused_with_its_reason(tmp_path):
    good = write(tmp_path / "good.png")
    for file, words in broken_files(tmp_path).items():
        with pytest.raises(DataError, match=r"1 of 2 files cannot be read as PNG or JPEG images") as raised:
            read_images([good, file], Conversion((5, 7), 1))
        assert f"{file} (" in str(raised.value)
        assert words in str(raised.value)
        assert "corrupt = skip" in str(raised.value)


def test_broken_files_are_skipped_by_choice_and_told(tmp_path):
    broken = list(broken_files(tmp_path))
    same = Conversion((50, 70), 1)
    good = [write(tmp_path / f"good{i}.png", pixels(50, 70, seed=i)) for i in range(3)]
    files = [good[0], *broken[:3], good[1], *broken[3:], good[2]]
    notes: list[str] = []
    read, whole = read_images(files, same, corrupt="skip", notes=notes)
    assert [files[index] for index in whole] == good
    np.testing.assert_array_equal(read[..., 0], [pixels(50, 70, seed=i) for i in range(3)])
    [note] = notes
    assert note.startswith(f"7 of 10 files cannot be read as images and are left out: {broken[0]!r}, ")
    assert note.endswith(" and 4 more.")


def test_where_nothing_can_be_read_there_is_nothing_to_skip_to(tmp_path):
    with pytest.raises(DataError, match=r"7 of 7 files cannot be read.* and 4 more\."):
        read_images(list(broken_files(tmp_path)), GREY, corrupt="skip")


def test_any_damage_is_an_error_with_a_name_or_an_image(tmp_path):
    """Bytes changed at random, in files of both kinds, never end in an error of another kind."""
    rng = np.random.default_rng(0)
    for name in ("a.png", "a.jpg"):
        content = np.frombuffer((tmp_path / name).read_bytes() if write(tmp_path / name) else b"", np.uint8)
        for _ in range(150):
            damaged = content.copy()
            damaged[rng.integers(0, len(content), 5)] = rng.integers(0, 256, 5)
            (tmp_path / name).write_bytes(damaged.tobytes())
            with contextlib.suppress(DataError):
                read_images([str(tmp_path / name)], AS_THEY_ARE)


def test_more_than_the_memory_holds_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(image_files, "machine_memory", lambda: 800)
    files = [write(tmp_path / f"{i}.png", pixels(5, 7)) for i in range(5)]
    assert len(read_images(files[:4], AS_THEY_ARE)[0]) == 4
    with pytest.raises(DataError, match=r"5 images of 5x7 grey take .* GB.*Set image_size to something smaller"):
        read_images(files, AS_THEY_ARE)


def test_progress_is_told(tmp_path):
    said: list[str] = []
    read_images([write(tmp_path / f"{i}.png") for i in range(3)], AS_THEY_ARE, show=said.append)
    assert said[2] == "looking at 3 of 3 images"
    assert said[-1] == "reading 3 of 3 images"


def test_an_interrupt_does_not_wait_for_the_rest(monkeypatch):
    started, told = [], Event()

    def look(file, conversion):
        started.append(file)
        if len(started) > 1:
            told.wait()
        return (5, 7, 1), 35

    def interrupt(text):
        told.set()
        raise KeyboardInterrupt

    monkeypatch.setattr(image_files, "_head", look)
    with pytest.raises(KeyboardInterrupt):
        read_images(["a.png"] * 5000, AS_THEY_ARE, show=interrupt)
    assert len(started) < 5000
