"""Arrays from outside: what is accepted, what is refused and with which words, and how a split shares out."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deltarule.data.arrays import as_features, as_targets, as_weights, check_same_length, read_npz, split
from deltarule.data.lengths import mask_of
from deltarule.errors import DataError, FileError, ShapeError


@pytest.mark.parametrize(
    "x",
    [
        [[1, 2], [3, 4]],
        np.array([[True, False]]),
        np.arange(6, dtype=np.int64).reshape(2, 3),
        np.ones((2, 3, 4)),
        np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        np.arange(6, dtype=np.float16),
    ],
)
def test_features_are_contiguous_float32_of_the_same_values(x):
    features = as_features(x)
    assert features.dtype == np.float32
    assert features.flags.c_contiguous
    np.testing.assert_array_equal(features, np.asarray(x))


def test_float32_is_not_copied():
    x = np.ones((3, 2), dtype=np.float32)
    assert np.shares_memory(as_features(x), x)


@pytest.mark.parametrize(
    ("x", "error", "words"),
    [
        ([["a", "b"]], DataError, "x: .*got the type <U1.*`deltarule train`"),
        (np.array([{}, None]), DataError, "got the type object"),
        (np.array(["2020-01-01"], dtype="datetime64[D]"), DataError, "got the type datetime64"),
        ([[1.0, 2.0], [3.0]], ShapeError, "ragged"),
        (3.0, ShapeError, "one number"),
        (np.zeros((0, 4)), ShapeError, r"shape \(0, 4\)"),
        ([], ShapeError, r"shape \(0,\)"),
        ([[1, 2, 3], [4, 5, np.nan], [np.inf, 1, 2]], DataError, r"2 of 9 are NaN.*\(nan\) at row 1, column 2"),
        ([0, -np.inf], DataError, r"1 of 2 are NaN or infinite, the first \(-inf\) at row 1\. "),
        ([[1.0], [1e39]], DataError, r"too large for float32.*\(1e\+39\) at row 1, column 0"),
        (np.full((2, 2, 2), np.nan), DataError, "8 of 8.*row 0, column 0, 0"),
    ],
)
def test_features_that_cannot_be_used_are_refused(x, error, words):
    with pytest.raises(error, match=words):
        as_features(x)


class Graph:
    """A tensor that keeps its graph, and that NumPy cannot read."""

    def __array__(self, dtype=None, copy=None):
        raise RuntimeError("Can't call numpy() on a tensor that requires grad")


UNREADABLE = [
    (3, ShapeError, "y: .*the single value 3. Give the targets in the order"),
    ({1, 2}, DataError, "y: expected an array or a list of targets, but got one thing of the type set"),
    ({"a": 1}, DataError, "of the type dict"),
    ((i for i in range(3)), DataError, "of the type generator"),
    ([[1, 2], [3]], ShapeError, "y: expected rows of one length, but got ragged lists"),
    (np.ma.masked_greater([1, 2, 3], 1), DataError, "y: .*but 2 of 3 are masked"),
    (Graph(), DataError, "y: .*the type Graph, which it cannot read .*requires grad"),
]


@pytest.mark.parametrize(("y", "error", "words"), UNREADABLE)
def test_targets_that_are_no_array_are_refused(y, error, words):
    with pytest.raises(error, match=words):
        as_targets(y)


@pytest.mark.parametrize("x", [None, {"a": [1]}, {1}, object()])
def test_what_is_no_array_is_named_by_its_type(x):
    with pytest.raises(DataError, match=f"^x: .*but got one thing of the type {type(x).__name__}"):
        as_features(x)


def test_masked_numbers_are_refused_and_a_mask_that_hides_none_is_not():
    with pytest.raises(DataError, match=r"x: .*but 1 of 2 are masked"):
        as_features(np.ma.masked_equal([1.0, 2.0], 2.0))
    np.testing.assert_array_equal(as_features(np.ma.masked_equal([1.0, 2.0], 3.0)), [1, 2])


def test_ragged_lengths_are_named():
    with pytest.raises(ShapeError, match=r"^lengths: .*ragged"):
        mask_of([[1], [1, 2]], np.zeros((2, 3, 4)))


def test_an_error_names_the_array():
    with pytest.raises(DataError, match=r"^validation: "):
        as_features([np.nan], name="validation")


def test_weights():
    np.testing.assert_array_equal(as_weights([0, 1, 2.5], 3), np.array([0, 1, 2.5], dtype=np.float32))


@pytest.mark.parametrize(
    ("weight", "error", "words"),
    [
        ([1, 2], ShapeError, r"shape \(3,\), but got shape \(2,\)"),
        ([[1], [2], [3]], ShapeError, r"got shape \(3, 1\)"),
        ([1, -1, -2], DataError, r"2 of 3 are negative, the first \(-1\) at row 1"),
        ([1, np.nan, 1], DataError, "weight: .*NaN"),
        ([0, 0, 0], DataError, "all 3 are 0"),
    ],
)
def test_weights_that_cannot_be_used_are_refused(weight, error, words):
    with pytest.raises(error, match=words):
        as_weights(weight, 3)


def test_lengths_must_agree():
    check_same_length(np.zeros((2, 3)), np.zeros(2))
    with pytest.raises(ShapeError, match=r"x holds 2 examples.*y holds 3"):
        check_same_length(np.zeros((2, 3)), np.zeros(3))


@given(
    st.integers(2, 200).flatmap(lambda n: st.tuples(st.just(n), st.integers(1, n - 1))),
    st.integers(0, 2**32 - 1),
)
def test_a_split_takes_every_example_once_and_repeats(sizes, seed):
    examples, held = sizes
    train, held_out = split(examples, held / examples, seed)
    assert len(held_out) == held
    assert sorted([*train, *held_out]) == list(range(examples))
    again = split(examples, held / examples, seed)
    np.testing.assert_array_equal(train, again[0])
    np.testing.assert_array_equal(held_out, again[1])


@given(st.lists(st.integers(-1, 5), min_size=12, max_size=100), st.floats(0.2, 0.8), st.integers(0, 99))
def test_a_stratified_split_keeps_the_share_of_each_class(labels, fraction, seed):
    labels = np.array(labels)
    train, held_out = split(len(labels), fraction, seed, strata=labels)
    assert sorted([*train, *held_out]) == list(range(len(labels)))
    for label in set(labels):
        size, held = (labels == label).sum(), (labels[held_out] == label).sum()
        assert abs(held - fraction * size) <= 1
        assert held < size, "every class keeps an example to learn from"


def test_a_stratified_split_holds_out_the_whole_fraction_over_many_small_classes():
    labels = np.repeat(np.arange(50), 10)
    assert len(split(500, 0.25, 0, strata=labels)[1]) == 125


def test_seeds_differ():
    assert not np.array_equal(split(100, 0.5, 0)[1], split(100, 0.5, 1)[1])


@pytest.mark.parametrize("strata", [None, [0, 1] * 5])
def test_a_split_does_not_favour_the_first_rows(strata):
    held = np.concatenate([split(10, 0.4, seed, strata)[1] for seed in range(200)])
    assert np.bincount(held, minlength=10).min() > 50


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ((10, 0.0, 0), DataError, "between 0 and 1, but got 0.0"),
        ((10, 1.0, 0), DataError, "between 0 and 1"),
        ((10, float("nan"), 0), DataError, "between 0 and 1"),
        ((3, 0.1, 0), DataError, "of 3 examples holds out 0"),
        ((3, 0.9, 0), DataError, "of 3 examples holds out 3"),
        ((1, 0.5, 0), DataError, "at least one example on each side"),
        ((3, 0.5, 0, [0, 1]), ShapeError, r"got strata of shape \(2,\)"),
        ((2, 0.5, 0, [0.0, 1.0]), DataError, "got the type float64"),
        ((4, 0.5, 0, [0, 1, 2, 3]), DataError, "the 4 classes have one each"),
    ],
)
def test_a_split_that_cannot_be_made_is_refused(arguments, error, words):
    with pytest.raises(error, match=words):
        split(*arguments)


def test_npz(tmp_path):
    x, y, weight = np.ones((3, 2)), np.arange(3), np.ones(3)
    np.savez(tmp_path / "a.npz", x=x, y=y, other=x)
    assert set(read_npz(tmp_path / "a.npz")) == {"x", "y"}
    np.savez_compressed(tmp_path / "b.npz", x=x, y=y, weight=weight)
    arrays = read_npz(str(tmp_path / "b.npz"))
    np.testing.assert_array_equal(arrays["weight"], weight)
    np.testing.assert_array_equal(arrays["x"], x)


def test_npz_without_a_name_lists_the_names_found(tmp_path):
    np.savez(tmp_path / "a.npz", images=np.ones(3), y=np.ones(3))
    with pytest.raises(DataError, match="found images, y"):
        read_npz(tmp_path / "a.npz")


def test_npz_that_cannot_be_read_is_refused(tmp_path):
    with pytest.raises(FileError, match="no such file"):
        read_npz(tmp_path / "missing.npz")
    whole = tmp_path / "whole.npz"
    np.savez(whole, x=np.ones(1000), y=np.ones(3))
    bytes_of = bytearray(whole.read_bytes())
    bytes_of[500] ^= 255
    np.save(tmp_path / "one.npy", np.ones(3))
    np.savez(tmp_path / "objects.npz", x=np.array([{}]), y=np.ones(1))
    for name, content in {
        "text.npz": b"hello",
        "empty.npz": b"",
        "cut.npz": bytes(bytes_of[:700]),
        "flipped.npz": bytes(bytes_of),
        "one.npz": (tmp_path / "one.npy").read_bytes(),
        "objects.npz": (tmp_path / "objects.npz").read_bytes(),
    }.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(FileError, match="damaged"):
            read_npz(tmp_path / name)
