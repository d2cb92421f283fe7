"""The order of the examples in an epoch, as a pure function of a key: no table, no sort.

A permutation by swap-or-not (Hoang, Morris and Rogaway 2012): in each round every position x has a partner
K − x mod n, and a hash of the pair says whether the two change places. Any number of rounds is an exact
permutation of 0 ... n−1, whatever n, and each position is computed by itself, in registers. A sort of n random
keys costs XLA's CPU backend some fifty times as much.
"""

import jax
import jax.numpy as jnp

from deltarule.layers.random_bits import mix

ORDER = 0x72646572
AT_ONCE = 1024  # positions: XLA would share a round over more among threads, whose meeting takes longer than it


def permutation(key: jax.Array, epoch: jax.Array, n: int) -> jax.Array:
    """A permutation (n,) of 0 ... n−1 for this key (2,) and epoch.

    >>> order = permutation(jnp.array([0, 7], jnp.uint32), 0, 10)
    >>> sorted(order.tolist())
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]
    """
    rounds = 8 + 2 * n.bit_length()
    epoch_key = mix(key[1] ^ mix(jnp.uint32(epoch) ^ mix(key[0])))

    def swap(i, x):
        word = mix(epoch_key + jnp.uint32(i) * jnp.uint32(0x9E3779B9))
        offset, factor, shift = word % n, mix(word + 1) | 1, mix(word + 2)
        partner = offset + n - x
        partner = jnp.minimum(partner, partner - n)  # mod n: below zero it wraps to a large number
        pair = jnp.maximum(x, partner)
        return jnp.where((pair * factor + shift) >> 31 == 0, x, partner)  # (n,)

    def places(first):
        return jax.lax.fori_loop(0, rounds, swap, first + jnp.arange(size, dtype=jnp.uint32))

    size = min(n, AT_ONCE)
    order = jax.lax.map(places, jnp.arange(0, n, size, dtype=jnp.uint32)).reshape(-1)[:n]
    return order.astype(jnp.int32)


def with_replacement(key: jax.Array, epoch: jax.Array, n: int) -> jax.Array:
    """n independent draws from 0 ... n−1, as the theory of stochastic gradient descent has it."""
    draws = jax.random.fold_in(jax.random.wrap_key_data(key), ORDER)  # a stream apart from the steps'
    return jax.random.randint(jax.random.fold_in(draws, epoch), (n,), 0, n)


def in_order(key: jax.Array, epoch: jax.Array, n: int) -> jax.Array:
    """0 ... n−1 as they come."""
    return jnp.arange(n, dtype=jnp.int32)


ORDERS = {"permutation": permutation, "replacement": with_replacement, "none": in_order}
