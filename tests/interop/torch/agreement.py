"""Whether a network here and a module of PyTorch are the same: outputs, and gradients on a random cotangent."""

import contextlib
from functools import partial

import jax
import numpy as np

from deltarule.interop.torch.module import state_of
from deltarule.layers.layer import Context

QUICK = {"xla_backend_optimization_level": 0, "xla_llvm_disable_expensive_passes": True}  # to compile
TOLERANCE = {"float32": 1e-5, "float64": 1e-10}


def agree(ours, theirs, dtype):
    """Equal to the tolerance, relative to the largest number."""
    ours, theirs = np.asarray(ours), np.asarray(theirs)
    assert (ours.shape, ours.dtype, theirs.dtype) == (theirs.shape, dtype, dtype)
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=TOLERANCE[dtype] * max(1, np.abs(theirs).max(initial=0)))


def drawn(torch, module, dtype):
    """The module in this type, its parameters and running statistics drawn anew."""
    generator = torch.Generator().manual_seed(3)
    module = module.to(getattr(torch, dtype))
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) / 2)
        for name, buffer in module.named_buffers():
            if "running" in name:
                buffer.copy_(torch.rand(buffer.shape, generator=generator) + 0.5)
    return module


def given(torch, module, shape, dtype):
    """A random input (n, ...), codes for an Embedding."""
    rng = np.random.default_rng(1)
    for each in module.modules():
        if isinstance(each, torch.nn.Embedding):
            return torch.tensor(rng.integers(0, each.num_embeddings, shape))
    return torch.tensor(rng.normal(size=shape), dtype=getattr(torch, dtype))


def output(module, x):
    """What a module gives; of one of PyTorch's recurrent modules, which give a tuple, the sequence."""
    y = module(x)
    return y[0] if isinstance(y, tuple) else y


def gradients(torch, module, x):
    """(y, dy, dx or None, {name: gradient}) in training."""
    module.train().zero_grad()
    x = x.clone().requires_grad_(x.dtype.is_floating_point)
    y = output(module, x)
    dy = torch.tensor(np.random.default_rng(2).normal(size=y.shape), dtype=y.dtype)
    if y.requires_grad:
        y.backward(dy)
    return y.detach(), dy, x.grad, {name: each.grad.numpy() for name, each in module.named_parameters()}


def hold(torch, module, network, found, x, dtype, time_first=False):
    """The module gives what the network (net, params, memory) gives, in evaluation and in training.

    `found` is the outline of the network, x the module's input. Returns the memory after the step.
    """

    def to_ours(tensor, layout):
        array = np.asarray(tensor)
        array = array.swapaxes(0, 1) if time_first else array
        return array.transpose(np.argsort(layout))

    with jax.enable_x64(True) if dtype == "float64" else contextlib.nullcontext():
        net, params, memory = network
        ours = to_ours(x, found.before)
        y = to_ours(output(module.eval(), x).detach(), found.after)
        if net.draws:
            agree(jax.jit(net.predict, compiler_options=QUICK)(params, ours, memory), y, dtype)
            return memory
        y_training, dy, dx, theirs = gradients(torch, module, x)

        @partial(jax.jit, compiler_options=QUICK)
        def step(params, x, memory, dy):
            y, saved = net.forward(params, x, Context(memory=memory))
            predicted = net.predict(params, x, memory) if jax.tree.leaves(memory) else y  # else it is forward
            return predicted, y, net.backward(params, saved, dy), net.remember(memory, saved)

        predicted, mine, (dx_mine, dparams), memory = step(params, ours, memory, to_ours(dy, found.after))
        agree(predicted, y, dtype)
        agree(mine, to_ours(y_training, found.after), dtype)
        if dx is not None:
            agree(dx_mine, to_ours(dx, found.before), dtype)
        written = state_of(found.module, dparams, memory)
        for name, gradient in theirs.items():
            if "bias_hh" not in name:
                agree(written[name], gradient, dtype)
            elif written[name].any():  # the candidate's of a GRU; the gates' is that of bias_ih
                o = len(gradient) // 3
                agree(written[name][-o:], gradient[-o:], dtype)
        return jax.tree.map(np.asarray, memory)
