"""Environments: those written in JAX, which compile into the loop, and Gymnasium's, which run beside it."""
