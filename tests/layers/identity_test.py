import pytest

from deltarule.layers import Identity
from layers.reference import agree_with_torch


@pytest.mark.torch
def test_identity_is_that_of_torch(torch):
    agree_with_torch(Identity(), torch.nn.Identity(), (2, 3, 4))
