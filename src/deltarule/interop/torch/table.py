"""Every layer and every module that has a counterpart, in a table each; their files hold both ways side by side.

Containers, `Flatten` and `Reshape` are walked in `outline.py`; `UNKNOWN` says of some modules why they have none.
"""

from deltarule.interop.torch import convolutions, elementwise, linear, norms, pools, recurrent, shapes
from deltarule.interop.torch.module import Conversion
from deltarule.interop.torch.reading import Reader
from deltarule.layers.layer import Layer

KINDS = (linear, convolutions, pools, norms, elementwise, recurrent, shapes)

LAYERS: dict[type[Layer], Conversion] = {
    layer: conversion for kind in KINDS for layer, conversion in kind.LAYERS.items()
}
MODULES: dict[str, Reader] = {name: reader for kind in KINDS for name, reader in kind.MODULES.items()}

UNKNOWN = {
    "RNNCell": "it is one step; take nn.RNN, which reads a sequence with the same weights",
    "GRUCell": "it is one step; take nn.GRU, which reads a sequence with the same weights",
    "LSTMCell": "it is one step; take nn.LSTM, which reads a sequence with the same weights",
    "MultiheadAttention": "there is no attention here",
    "Transformer": "there is no attention here",
    "TransformerEncoder": "there is no attention here",
    "TransformerEncoderLayer": "there is no attention here",
    "TransformerDecoder": "there is no attention here",
    "TransformerDecoderLayer": "there is no attention here",
    "ModuleList": "what is done with its modules stands in your forward; take nn.Sequential",
    "ModuleDict": "what is done with its modules stands in your forward; take nn.Sequential",
}
