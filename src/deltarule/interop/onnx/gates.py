"""The order of a cell's gates: `GATES[operator][k]` is the place among ours of ONNX's gate k."""

GATES = {
    "RNN": (0,),
    "GRU": (1, 0, 2),  # z, r, n; ours r, z, n
    "LSTM": (0, 3, 1, 2),  # i, o, f, g; ours i, f, g, o
}
