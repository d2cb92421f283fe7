"""The residual blocks of image networks, in their published forms, made of layers that keep as little as they can.

A published block says "BatchNorm, ReLU, Convolution". Here that is `Recompute(BatchNormReLU, Convolution)`,
which makes the convolution's input once more when backward needs it: of the two arrays that other libraries keep,
one is left. The mathematics and the parameters are the same.
"""

from deltarule.layers import BatchNorm, BatchNormReLU, Chain, Convolution, Recompute, ReLU, Residual
from deltarule.layers.layer import Layer


def convolution(features: int, kernel_size: int = 3, stride: int = 1) -> Convolution:
    """A convolution without bias, for a normalisation behind it would take the bias away again."""
    return Convolution(features, kernel_size, stride, padding=kernel_size // 2, bias=False)


def normalised(layer: Layer) -> Chain:
    """BatchNorm, ReLU and then `layer`, of which the input alone is kept."""
    return Recompute(BatchNormReLU(), layer)


def basic(features: int, stride: int = 1, project: bool = False) -> Chain:
    """Two 3×3 convolutions past a shortcut, ReLU after the sum: figure 2 of the first paper.

    Args:
        features: o of both convolutions.
        stride: of the first.
        project: whether the shortcut is a 1×1 convolution with normalisation (option B), which it must be where
            the stride or the number of features changes.

    Source: He, Zhang, Ren and Sun 2016, Deep residual learning for image recognition.

    >>> basic(32, stride=2, project=True).shape((8, 16, 16, 16))
    (8, 8, 8, 32)
    """
    body = Chain(convolution(features, stride=stride), normalised(convolution(features)), BatchNorm())
    shortcut = Chain(convolution(features, 1, stride), BatchNorm()) if project else None
    return Chain(Residual(body, shortcut), ReLU())


def preactivation(features: int, stride: int = 1, project: bool = False) -> Layer:
    """Two 3×3 convolutions past a shortcut, normalisation and ReLU before each: figure 4(e) of the second paper.

    Args:
        features: o of both convolutions.
        stride: of the first.
        project: whether the shortcut is a 1×1 convolution, of what the first normalisation and ReLU give, as in
            the paper's code; it must be where the stride or the number of features changes.

    Source: He, Zhang, Ren and Sun 2016, Identity mappings in deep residual networks.

    >>> preactivation(32, stride=2, project=True).shape((8, 16, 16, 16))
    (8, 8, 8, 32)
    """
    first, second = convolution(features, stride=stride), normalised(convolution(features))
    if not project:
        return Residual(Chain(normalised(first), second))
    return Chain(BatchNormReLU(), Residual(Chain(first, second), convolution(features, 1, stride)))
