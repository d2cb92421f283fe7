"""An agent in few arrays: each that a compiled call takes or gives costs it half a microsecond, however small.

Single numbers and short vectors, such as the moments of biases, lie one after the other in an array of their type.
What a product takes, a matrix or the bias beside it, stays by itself: it would be copied out of the others first,
and XLA starts threads where more than eight copies may be made at once, which takes longer than the copies.
"""

from dataclasses import dataclass
from itertools import accumulate
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from deltarule.dqn.agent_state import Agent

SMALL = 2**10  # numbers at most of a vector that lies beside others

Arrays = tuple[jax.Array, ...]


@dataclass(frozen=True)
class Layout:
    """How the leaves of a tree are laid: in each array those that `groups` number.

    >>> tree = {"W": jnp.ones((64, 32)), "b": jnp.zeros(32), "c": jnp.zeros(6)}
    >>> [array.shape for array in Layout.of(tree).pack(tree)]
    [(64, 32), (38,)]
    """

    structure: Any
    leaves: tuple[jax.ShapeDtypeStruct, ...]
    groups: tuple[tuple[int, ...], ...]

    @classmethod
    def of(cls, tree: Any, small: int = SMALL) -> "Layout":
        """That of trees like this one, in which a vector of more than `small` numbers stays by itself."""
        leaves, structure = jax.tree.flatten(jax.eval_shape(lambda: tree))
        groups: dict[Any, tuple[int, ...]] = {}
        for number, leaf in enumerate(leaves):
            group = leaf.dtype if leaf.ndim < 2 and leaf.size <= small else number
            groups[group] = (*groups.get(group, ()), number)
        return cls(structure, tuple(leaves), tuple(groups.values()))

    def pack(self, tree: Any, numbers: Any = jnp) -> Arrays:
        """The arrays of a tree; `numbers` is NumPy on the host."""
        leaves = jax.tree.leaves(tree)
        return tuple(
            numbers.concatenate([leaves[number].reshape(-1) for number in group]) if more else leaves[first]
            for group in self.groups
            for first, *more in [group]
        )

    def unpack(self, arrays: Arrays, numbers: Any = jnp) -> Any:
        """The tree of these arrays."""
        leaves = {}
        for group, array in zip(self.groups, arrays, strict=True):
            shapes = [self.leaves[number] for number in group]
            array = numbers.asarray(array) if len(group) > 1 else array
            for number, leaf, end in zip(group, shapes, accumulate(leaf.size for leaf in shapes), strict=True):
                leaves[number] = array[end - leaf.size : end].reshape(leaf.shape) if len(group) > 1 else array
        return jax.tree.unflatten(self.structure, [leaves[number] for number in range(len(leaves))])


class Packed(NamedTuple):
    """An agent's arrays: what acting takes, which is θ and the network's memory; what else moves; the rest."""

    acting: Arrays
    moving: Arrays
    still: Arrays


class Packing(NamedTuple):
    """How an agent is laid."""

    acting: Layout
    moving: Layout
    still: Layout

    @classmethod
    def of(cls, agent: Agent) -> "Packing":
        """That of agents like this one."""
        acting, moving, still = parted(agent)
        return cls(Layout.of(acting, small=1), Layout.of(moving), Layout.of(still, small=1))

    def pack(self, agent: Agent, numbers: Any = jnp) -> Packed:
        """An agent in few arrays; `numbers` is NumPy on the host."""
        return Packed(*(layout.pack(part, numbers) for layout, part in zip(self, parted(agent), strict=True)))

    def unpack(self, packed: Packed, numbers: Any = jnp) -> Agent:
        """The agent."""
        acting, moving, still = (
            layout.unpack(arrays, numbers) for layout, arrays in zip(self, packed, strict=True)
        )
        params, memory = acting
        own, of_step, key, epoch, target = still
        state = moving.state._replace(params=params, memory=memory, numbers=of_step, key=key, epoch=epoch)
        return moving._replace(state=state, numbers=own, target=target)


def parted(agent: Agent) -> tuple[Any, Agent, Any]:
    """(what acting takes, what else learning moves, what stands still meanwhile, as θ⁻ does)."""
    state, none = agent.state, dict.fromkeys(("params", "memory", "numbers", "key", "epoch"))
    moving = agent._replace(state=state._replace(**none), numbers=None, target=None)  # type: ignore[arg-type]
    still = agent.numbers, state.numbers, state.key, state.epoch, agent.target
    return (state.params, state.memory), moving, still
