"""A minibatch in shares: each device has its part of the examples, and all parameters.

    Σ_n g_n = Σ_d Σ_{n ∈ d} g_n

The program is that for one device. Where it is compiled over a mesh of several, its minibatches are said to lie in
shares, and XLA splits what follows and puts a sum over d where one over n is taken: in gradients, in a loss, in
the mean and the variance of batch normalisation. What XLA cannot split, since it is native or runs along time, is
computed `apart`.
"""

from collections.abc import Callable
from typing import Any

import jax
from jax.sharding import PartitionSpec

AXIS = "n"
EXAMPLES, TIME_MAJOR, WHOLE = PartitionSpec(AXIS), PartitionSpec(None, AXIS), PartitionSpec()


def devices() -> int:
    """Among how many devices XLA splits what is being traced; 1 where each computes its share apart."""
    mesh = jax.sharding.get_abstract_mesh()
    return mesh.shape[AXIS] if AXIS in mesh.auto_axes else 1


def spread(tree: Any) -> Any:
    """The arrays (n, ...), the examples in shares over the devices; where n does not divide the last has fewer."""
    return tree if devices() == 1 else jax.lax.with_sharding_constraint(tree, EXAMPLES)


def whole(tree: Any) -> Any:
    """The arrays, each of them whole on every device."""
    return tree if devices() == 1 else jax.lax.with_sharding_constraint(tree, WHOLE)


def apart(function: Callable, arrays: tuple, ins: tuple, outs: Any) -> Any:
    """What `function` makes of the arrays, each device of its own share; of all where n does not divide.

    Args:
        ins: for each of the arrays, or tree of them, EXAMPLES where its first axis is n, TIME_MAJOR where its
            second is, WHOLE where it has none.
        outs: likewise of the results; what is WHOLE is the sum of what the shares give.
    """
    count = devices()
    sizes = over(lambda spec, a: a.shape[spec.index(AXIS)] if AXIS in spec else count, ins, arrays)
    if count == 1 or any(size % count for size in jax.tree.leaves(sizes)):
        return function(*arrays)

    def share(*arrays):
        return over(lambda spec, a: a if AXIS in spec else jax.lax.psum(a, AXIS), outs, function(*arrays))

    return jax.shard_map(share, in_specs=ins, out_specs=outs, check_vma=False)(*arrays)


def over(change: Callable, specs: Any, tree: Any) -> Any:
    """`change(spec, leaf)` of each leaf, where the specs are those of its branches."""

    def branch(spec, part):
        return jax.tree.map(lambda leaf: change(spec, leaf), part)

    return jax.tree.map(branch, specs, tree, is_leaf=lambda spec: isinstance(spec, PartitionSpec))
