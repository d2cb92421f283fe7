"""Recurrent modules that give their outputs alone, as a Sequential needs; and two cells that PyTorch has not.

Sequences are (n, t, i). `nn.LSTM`, `nn.GRU` and `nn.RNN` return (outputs, states): here they keep their names,
settings and arrays, and give the outputs; or the last state of h, with `last`; or read from the end, with
`reverse`. As in `modules.py`, the classes are made when they are first asked for.
"""

import functools
from importlib import import_module
from typing import Any

from deltarule.interop.torch.modules import named


@functools.cache
def classes() -> dict[str, Any]:
    """The classes by name."""
    torch: Any = import_module("torch")
    nn = torch.nn

    class Outputs:
        """What comes before one of PyTorch's recurrent modules, and what of its outputs goes on."""

        def __init__(self, *, reverse=False, last=False, **settings):
            super().__init__(batch_first=True, **settings)  # type: ignore[call-arg]
            self.reverse, self.last = reverse, last

        def forward(self, x):
            outputs, states = super().forward(x.flip(1) if self.reverse else x)  # type: ignore[misc]
            if not self.last:
                return outputs.flip(1) if self.reverse else outputs
            h = states[0] if isinstance(states, tuple) else states  # (layers · directions, n, o)
            return torch.cat(list(h[-2:] if self.bidirectional else h[-1:]), -1)  # type: ignore[attr-defined]

    class RNN(Outputs, nn.RNN):
        """nn.RNN, its outputs alone."""

    class GRU(Outputs, nn.GRU):
        """nn.GRU, its outputs alone."""

    class LSTM(Outputs, nn.LSTM):
        """nn.LSTM, its outputs alone."""

    class Steps(nn.Module):
        """A cell that is applied step by step."""

        gates: int

        def __init__(self, input_size, hidden_size, reverse=False, last=False):
            super().__init__()
            self.hidden_size, self.reverse, self.last = hidden_size, reverse, last
            self.weight_ih = nn.Parameter(torch.zeros(self.gates * hidden_size, input_size))
            self.weight_hh = nn.Parameter(torch.zeros(self.gates * hidden_size, hidden_size))
            self.bias = nn.Parameter(torch.zeros(self.gates * hidden_size))

        def forward(self, x):
            zero, hs = x.new_zeros(len(x), self.hidden_size), []
            state = (zero, zero)
            for x_t in (x.flip(1) if self.reverse else x).unbind(1):
                state = self.step(nn.functional.linear(x_t, self.weight_ih, self.bias), *state)
                hs.append(state[0])
            if self.last:
                return hs[-1]
            return torch.stack(hs[::-1] if self.reverse else hs, 1)

        def step(self, a, h, c):
            """(h, c) after a step; a (n, g·o) is the input's part of the gates."""
            raise NotImplementedError

    class GRUBefore(Steps):
        """The GRU whose reset gate acts before the product: (r ⊙ h) U."""

        gates = 3

        def step(self, a, h, c):
            o = self.hidden_size
            r, z = torch.sigmoid(a[:, : 2 * o] + h @ self.weight_hh[: 2 * o].T).chunk(2, 1)
            n = torch.tanh(a[:, 2 * o :] + (r * h) @ self.weight_hh[2 * o :].T)
            return (1 - z) * n + z * h, c

    class PeepholeLSTM(Steps):
        """The LSTM whose gates see c: i and f the one before, o the new one."""

        gates = 4

        def __init__(self, input_size, hidden_size, reverse=False, last=False):
            super().__init__(input_size, hidden_size, reverse, last)
            self.weight_peephole = nn.Parameter(torch.zeros(3, hidden_size))

        def step(self, a, h, c):
            i, f, g, o = (a + h @ self.weight_hh.T).chunk(4, 1)
            p = self.weight_peephole
            i, f, g = torch.sigmoid(i + p[0] * c), torch.sigmoid(f + p[1] * c), torch.tanh(g)
            c = f * c + i * g
            return torch.sigmoid(o + p[2] * c) * torch.tanh(c), c

    return named(__name__, locals(), nn.Module)


def __getattr__(name: str) -> Any:
    if name[:1].isupper() and name in classes():
        return classes()[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
