"""An agent that is packed is the same one again, on the host and in a program, and lies in few arrays."""

import jax
import numpy as np
import pytest

from deltarule.dqn.packing import Packing
from dqn.small import small


@pytest.mark.parametrize("prioritised", [False, True])
def test_what_was_packed_is_unpacked(prioritised):
    agent = small(path="gymnasium", prioritised=prioritised).fresh()
    numbered = jax.tree.map(lambda a: np.random.default_rng(a.size).uniform(0, 9, a.shape).astype(a.dtype), agent)
    packing = Packing.of(agent)
    packed = packing.pack(numbered, np)
    jax.tree.map(np.testing.assert_array_equal, packing.unpack(packed, np), numbered)
    again = jax.jit(lambda packed: packing.pack(packing.unpack(packed)))(packed)
    jax.tree.map(np.testing.assert_array_equal, again, packed)
    jax.tree.map(lambda a, b: np.testing.assert_equal(a.dtype, b.dtype), again, packed)
    assert len(jax.tree.leaves(packed)) <= len(jax.tree.leaves(agent)) * 2 // 3
