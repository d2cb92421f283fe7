"""Published networks, each as its paper's figure shows it."""

from collections.abc import Callable

from deltarule.blocks import basic, convolution, preactivation
from deltarule.errors import SettingError
from deltarule.layers import (
    AveragePool,
    BatchNormReLU,
    Chain,
    Convolution,
    Dense,
    Dropout,
    Flatten,
    GlobalAveragePool,
    LeakyReLU,
    MaxPool,
    ReLU,
    Tanh,
)
from deltarule.layers.layer import Layer

BLOCKS: dict[str, Callable[..., Layer]] = {"basic": basic, "preactivation": preactivation}


def lenet(classes: int = 10, padding: int = 0) -> Chain:
    """LeNet-5, for images of 32×32, or of 28×28 with a padding of 2.

    The third layer sees all maps of the second, not a chosen part, and the last is a plain Dense, as everywhere
    today.

    Source: LeCun, Bottou, Bengio and Haffner 1998, Gradient-based learning applied to document recognition,
    figure 2.

    >>> lenet().shape((64, 32, 32, 1))
    (64, 10)
    """
    return Chain(
        Convolution(6, 5, padding=padding),  # C1: 28×28
        Tanh(),
        AveragePool(2),  # S2: 14×14
        Convolution(16, 5, padding="valid"),  # C3: 10×10
        Tanh(),
        AveragePool(2),  # S4: 5×5
        Convolution(120, 5, padding="valid"),  # C5: 1×1
        Tanh(),
        Flatten(),
        Dense(84),  # F6
        Tanh(),
        Dense(classes),
    )


def resnet(depth: int = 20, width: int = 16, classes: int = 10, block: str = "preactivation") -> Chain:
    """A residual network for small images: three stages of (depth − 2)/6 blocks.

    Args:
        depth: layers with weights: 8, 14, 20, 32, 44, 56, 110, ...
        width: features of the first stage; the second and third have twice and four times as many.
        classes: K.
        block: "preactivation", which trains better and keeps half the memory, or "basic", the first paper's.

    Raises:
        SettingError: a depth that is not 6 n + 2, or an unknown block.

    Source: He, Zhang, Ren and Sun 2016, Deep residual learning, section 4.2; Identity mappings in deep residual
    networks. Shortcuts are projections where shapes change (option B).

    >>> resnet(depth=20, width=16).shape((64, 32, 32, 3))
    (64, 10)
    """
    blocks, rest = divmod(depth - 2, 6)
    if rest or blocks < 1:
        raise SettingError(f"resnet: expected a depth of 6 n + 2, such as 8, 14 or 20, got {depth}")
    if block not in BLOCKS:
        raise SettingError(f"resnet: expected one of the blocks {', '.join(BLOCKS)}, got {block!r}")
    stages: list[Layer] = []
    for features, stride in ((width, 1), (2 * width, 2), (4 * width, 2)):
        stages.append(BLOCKS[block](features, stride, project=stride > 1))
        stages += [BLOCKS[block](features) for _ in range(blocks - 1)]
    if block == "basic":
        return Chain(convolution(width), BatchNormReLU(), *stages, GlobalAveragePool(), Dense(classes))
    return Chain(convolution(width), *stages, BatchNormReLU(), GlobalAveragePool(), Dense(classes))


def voxnet(classes: int = 10) -> Chain:
    """VoxNet, for occupancy grids of 32×32×32: a network in three dimensions.

    Source: Maturana and Scherer 2015, VoxNet: a 3D convolutional neural network, figure 1.

    >>> voxnet(40).cost((1, 32, 32, 32, 1)).parameters  # as the paper says
    921736
    """
    return Chain(
        Convolution(32, 5, stride=2, padding="valid"),  # 14×14×14
        LeakyReLU(0.1),
        Dropout(0.2),
        Convolution(32, 3, padding="valid"),  # 12×12×12
        LeakyReLU(0.1),
        MaxPool(2),  # 6×6×6
        Dropout(0.3),
        Flatten(),
        Dense(128),
        ReLU(),
        Dropout(0.4),
        Dense(classes),
    )


def nature(actions: int, hidden: tuple[int, ...] = (512,)) -> Chain:
    """The network of deep Q-learning on pictures, for 84×84 of four frames: from what is seen to Q of each action.

    Source: Mnih et al. 2015, Human-level control through deep reinforcement learning, Methods: model architecture.

    >>> nature(4).cost((1, 84, 84, 4)).parameters
    1686180
    """
    layers: list[Layer] = [
        Convolution(32, 8, stride=4, padding="valid"),  # 20×20
        ReLU(),
        Convolution(64, 4, stride=2, padding="valid"),  # 9×9
        ReLU(),
        Convolution(64, 3, padding="valid"),  # 7×7
        ReLU(),
        Flatten(),
    ]
    for width in hidden:
        layers += [Dense(width), ReLU()]
    return Chain(*layers, Dense(actions))
