"""The count of FLOPs in a traced program, held against XLA's own analysis."""

from itertools import product

import jax
import jax.numpy as jnp

from deltarule.inspect.count import count_flops


def test_a_convolution_counts_the_products_that_meet_no_padding_as_xla_does():
    x, K = jnp.ones((2, 5, 6, 4)), jnp.ones((3, 2, 2, 6))
    for stride, padding, gaps, dilation in product(
        ((1, 1), (2, 3)), (((0, 0), (0, 0)), ((1, 2), (3, 1))), ((1, 1), (2, 3)), ((1, 1), (2, 1))
    ):

        def convolve(x, K, s=stride, p=padding, g=gaps, r=dilation):
            return jax.lax.conv_general_dilated(x, K, s, p, g, r, ("NHWC", "HWIO", "NHWC"), feature_group_count=2)

        analysis = jax.jit(convolve).lower(x, K).cost_analysis()
        assert count_flops(convolve, x, K) == analysis.get("flops", 0)


def test_of_branches_the_dearest_is_counted():
    x = jnp.ones((3, 4))
    assert count_flops(lambda x: jax.lax.cond(x[0, 0] > 0, jnp.exp, lambda x: x * x + x, x), x) == 24


def test_what_no_result_needs_counts_none():
    x = jnp.ones((3, 4))
    assert count_flops(lambda x: (jnp.exp(x) @ x.T, x + 1)[1], x) == 12
