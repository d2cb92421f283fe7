"""What `parts` tells of 200 random networks, held against their traces, to the FLOP and to the byte."""

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import HealthCheck, given, settings

from deltarule.inspect.count import count_flops
from deltarule.inspect.parts import parts
from deltarule.layers.layer import Context
from random_networks import networks


def traced(net, x):
    """(forward FLOPs, backward FLOPs without dx, saved bytes, parameters) of the network's trace."""
    rng = np.random.default_rng(0)
    params = net.init(rng, x)
    inputs = jax.ShapeDtypeStruct(x, np.float32)
    context = Context(jax.random.key(0), net.memory(x))

    def forward(params, inputs):
        return net.forward(params, inputs, context)

    y, saved = jax.eval_shape(forward, params, inputs)
    backward = count_flops(lambda p, s, dy: net.backward(p, s, dy)[1], params, saved, y)
    jaxpr = jax.make_jaxpr(forward)(params, inputs).jaxpr
    origin = {}
    for equation in jaxpr.eqns:
        if equation.primitive.name == "reshape":
            origin[equation.outvars[0]] = origin.get(equation.invars[0], equation.invars[0])
    own = set(jaxpr.invars[: len(jax.tree.leaves(params))])
    kept = {origin.get(v, v) for v in jaxpr.outvars[1:] if not hasattr(v, "val")} - own
    saved_bytes = sum(
        v.aval.size * (8 if jnp.issubdtype(v.aval.dtype, jax.dtypes.prng_key) else v.aval.dtype.itemsize)
        for v in kept
    )
    learned = sum(leaf.size for leaf in jax.tree.leaves(params))
    return count_flops(lambda p, x: forward(p, x)[:1], params, inputs), backward, saved_bytes, learned


@settings(
    max_examples=200, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck)
)
@given(networks())
def test_the_parts_of_a_network_make_up_what_its_trace_counts(case):
    net, x = case
    found = parts(net, x)
    sums = [sum(getattr(part, name) for part in found) for name in ("forward", "backward", "saved", "marks")]
    forward, backward, saved, marks = sums
    assert (forward, backward, 4 * saved + marks, sum(part.parameters for part in found)) == traced(net, x)
    assert all(min(part.forward, part.backward, part.saved, part.marks, part.parameters) >= 0 for part in found)
