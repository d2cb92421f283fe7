"""Random networks of every kind of layer, on small inputs whose sizes mostly differ: what hypothesis draws."""

import math

from hypothesis import strategies as st

import deltarule as dr

WIDTHS = st.integers(2, 9)
ACTIVATIONS = [
    dr.ReLU,
    dr.Tanh,
    dr.Sigmoid,
    dr.ELU,
    dr.GELU,
    dr.GELUTanh,
    dr.SELU,
    dr.SiLU,
    dr.Softplus,
    dr.LeakyReLU,
]
OTHERS = [dr.Softmax, dr.LogSoftmax, dr.LayerNorm, dr.RMSNorm, dr.BatchNorm, dr.Scale, dr.Identity]
ANY = [*ACTIVATIONS, *OTHERS]
ANY_DRAWN = st.sampled_from(ANY).map(lambda kind: kind())
CELLS = st.sampled_from([dr.SimpleRNN, dr.GRU, dr.LSTM])


@st.composite
def networks(draw):
    """(network, shape of its input)."""
    rank = draw(st.integers(2, 4))
    x = tuple(draw(st.lists(WIDTHS, min_size=rank, max_size=rank)))
    if draw(st.integers(0, 9)) == 0:
        first = dr.Embedding(draw(WIDTHS), draw(WIDTHS))
        return dr.Chain(first, *draw(layers(first.shape(x[:2]), 2))), x[:2]
    return dr.Chain(*draw(layers(x, 2))), x


@st.composite
def layers(draw, x, depth):
    """One to four layers in a row for inputs of shape x."""
    chosen = []
    for _ in range(draw(st.integers(1, 4))):
        chosen.append(draw(layer(x, depth)))
        x = chosen[-1].shape(x)
    return chosen


@st.composite
def layer(draw, x, depth):
    """One layer that takes inputs of shape x, which may hold `depth` others in each other."""
    plain = [st.builds(dr.Dense, WIDTHS, bias=st.booleans()), ANY_DRAWN, st.just(dr.Dropout(0.3))]
    if len(x) > 2:
        plain += [st.just(dr.Flatten()), st.just(dr.Reshape(math.prod(x[1:])))]
    if len(x) == 3:
        plain += [recurrent(), recurrent()]
    if len(x) == 4:
        plain += [images(x), images(x)]
    if depth:
        inner = layers(x, depth - 1)
        plain += [
            inner.map(lambda inside: dr.Chain(*inside)),
            inner.map(lambda inside: dr.Recompute(*inside)),
            st.builds(lambda inside, o: dr.Branch(dr.Chain(*inside), dr.Dense(o)), body(x, depth - 1), WIDTHS),
            body(x, depth - 1).map(lambda inside: dr.Residual(dr.Chain(*inside))),
        ]
        if len(x) == 3:
            folded = (x[0] * x[1], x[2])
            plain.append(layers(folded, depth - 1).map(lambda inside: dr.TimeDistributed(dr.Chain(*inside))))
    return draw(st.one_of(plain))


@st.composite
def body(draw, x, depth):
    """Layers that keep all but the last axis of x."""
    chosen = []
    for _ in range(draw(st.integers(1, 3))):
        kinds = [st.builds(dr.Dense, WIDTHS), ANY_DRAWN]
        if depth:
            kinds.append(st.builds(lambda o: dr.Recompute(dr.Dense(o), dr.Tanh()), WIDTHS))
        chosen.append(draw(st.one_of(kinds)))
    return chosen


def recurrent():
    """Recurrent layers, in one direction and in both."""
    one = st.builds(
        lambda cell, o, reverse, last: dr.Recurrent(cell(o), reverse=reverse, last=last),
        CELLS,
        WIDTHS,
        st.booleans(),
        st.booleans(),
    )
    return one | st.builds(
        lambda cell, o, last: dr.Bidirectional(cell(o), last=last), CELLS, WIDTHS, st.booleans()
    )


def images(x):
    """Layers of images."""
    kernel = min(2, *x[1:3])
    return st.one_of(
        st.builds(dr.Convolution, WIDTHS, st.integers(1, 3), stride=st.integers(1, 2), bias=st.booleans()),
        st.builds(dr.ConvolutionTranspose, WIDTHS, st.integers(1, 3), stride=st.integers(1, 2)),
        st.sampled_from([dr.MaxPool(kernel), dr.AveragePool(kernel), dr.GlobalAveragePool(), dr.GlobalMaxPool()]),
        st.sampled_from([dr.SpatialDropout(0.2), dr.GroupNorm(1), dr.RandomFlip()]),
    )
