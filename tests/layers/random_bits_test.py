import jax
import jax.numpy as jnp
import numpy as np

from deltarule.layers.random_bits import random_words

WORDS = 1 << 16


def bits(key):
    """(n, 32), each bit of each word."""
    words = np.asarray(random_words(key, (WORDS,)))
    return (words[:, None] >> np.arange(32)) & 1


def correlation(a, b):
    """Of each bit of a with each of b, in units of its deviation for fair, independent bits."""
    return (2 * a - 1).T @ (2 * b - 1) / np.sqrt(len(a))


def test_every_bit_is_fair_and_no_two_are_alike():
    b = bits(jax.random.key(0))
    assert np.abs((2 * b - 1).sum(0)).max() < 5 * np.sqrt(WORDS)
    apart = correlation(b, b) - np.sqrt(WORDS) * np.eye(32)
    assert np.abs(apart).max() < 5.5


def test_neighbours_and_neighbouring_keys_have_nothing_in_common():
    b = bits(jax.random.key(0))
    for step in (1, 2, 64, 1024):
        assert np.abs(correlation(b[step:], b[:-step])).max() < 5.5
    for k in range(1, 4):
        assert np.abs(correlation(b, bits(jax.random.fold_in(jax.random.key(0), k)))).max() < 5.5


def test_keys_that_differ_in_one_bit_give_words_that_differ_in_half():
    a = jnp.array([5, 9], jnp.uint32)
    for word in range(2):
        b = a.at[word].set(a[word] ^ 0x10000)
        flips = bits(jax.random.wrap_key_data(a)) != bits(jax.random.wrap_key_data(b))
        assert np.abs(flips.mean(0) - 0.5).max() < 5.5 * 0.5 / np.sqrt(WORDS)


def test_keys_do_not_share_their_words():
    """Of 2^16 words of 2^32, two keys have one in common by chance."""
    a, b = (random_words(jax.random.wrap_key_data(jnp.array([0, k], jnp.uint32)), (WORDS,)) for k in (0, 256))
    assert len(np.intersect1d(a, b)) < 10


def test_words_lie_in_row_major_order_whatever_the_shape():
    key = jax.random.key(1)
    np.testing.assert_array_equal(random_words(key, (3, 5, 7)).ravel(), random_words(key, (105,)))
