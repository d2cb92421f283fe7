"""PyTorch, both ways: networks with their weights, and state dicts that are read and written without it."""

from deltarule.interop.torch.build import network_to_torch, to_torch
from deltarule.interop.torch.from_module import from_torch, network_from_torch
from deltarule.interop.torch.state import read_state_dict, state_dict, write_state_dict

__all__ = [
    "from_torch",
    "network_from_torch",
    "network_to_torch",
    "read_state_dict",
    "state_dict",
    "to_torch",
    "write_state_dict",
]
