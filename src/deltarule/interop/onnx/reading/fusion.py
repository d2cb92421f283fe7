"""Several operators that are one layer: x σ(x), the Gaussian unit by erf, Dueling, and an Embedding's codes."""

import math
from dataclasses import replace

import numpy as np

from deltarule.interop.onnx.reading.program import Op, Program


def fused(program: Program) -> Program:
    """The program with one operator in place of each such group."""
    ops = program.ops
    found = {name: next((op for rule in RULES if (op := rule(ops, each))), each) for name, each in ops.items()}
    return replace(program, ops=found)


def silu(ops: dict[str, Op], op: Op) -> Op | None:
    """x · σ(x)."""
    if op.kind != "Mul" or len(op.inputs) != 2:
        return None
    for x, other in (op.inputs, op.inputs[::-1]):
        if other in ops and ops[other].kind == "Sigmoid" and ops[other].inputs == (x,):
            return replace(op, kind="Swish", inputs=(x,))
    return None


def gelu(ops: dict[str, Op], op: Op) -> Op | None:
    """½ · (x · (1 + erf(x / √2))), or (½ · x) · (1 + erf(x / √2)), in any order."""
    factors = half_of(ops, op)
    for x, other in (factors, factors[::-1]) if factors else ():
        plus = ops.get(other)
        erf = ops.get(plus.inputs[0]) if plus and plus.kind == "Add" and constant(plus) == 1 else None
        scaled = ops.get(erf.inputs[0]) if erf and erf.kind == "Erf" else None
        if scaled and scaled.inputs == (x,) and is_root(scaled):
            return replace(op, kind="Gelu", inputs=(x,), weights={}, attributes={})
    return None


def half_of(ops: dict[str, Op], op: Op) -> tuple[str, str] | None:
    """(a, b) where the operator is half of their product."""
    if op.kind != "Mul":
        return None
    if len(op.inputs) == 1:
        product = ops.get(op.inputs[0])
        if product and product.kind == "Mul" and len(product.inputs) == 2 and constant(op) == 0.5:
            return product.inputs[0], product.inputs[1]
        return None
    for x, other in (op.inputs, op.inputs[::-1]):
        half = ops.get(x)
        if half and half.kind == "Mul" and len(half.inputs) == 1 and constant(half) == 0.5:
            return half.inputs[0], other
    return None


def constant(op: Op) -> float | None:
    """The one number that the operator takes as a weight."""
    numbers = [array for array in op.weights.values() if array.size == 1]
    return float(numbers[0].ravel()[0]) if len(op.weights) == len(numbers) == 1 else None


def is_root(op: Op) -> bool:
    """Whether the operator divides by √2."""
    number, expected = constant(op), {"Div": math.sqrt(2), "Mul": math.sqrt(0.5)}.get(op.kind)
    return bool(number and expected and math.isclose(number, expected, rel_tol=1e-4))


def dueling(ops: dict[str, Op], op: Op) -> Op | None:
    """x_0 + (x_{1...} − their mean)."""
    if op.kind != "Add" or len(op.inputs) != 2 or not all(name in ops for name in op.inputs):
        return None
    v, centred = (ops[name] for name in op.inputs)
    if centred.kind != "Sub" or len(centred.inputs) != 2 or not all(name in ops for name in centred.inputs):
        return None
    a, mean = (ops[name] for name in centred.inputs)
    if (mean.kind, mean.inputs) != ("ReduceMean", (a.output,)) or {v.kind, a.kind} != {"Slice"}:
        return None
    if v.inputs != a.inputs or not mean.attributes.get("keepdims", 1):
        return None
    numbers = [[int(each.weights[at].ravel()[0]) for at in (1, 2, 3)] for each in (v, a)]
    last = np.ravel(mean.setting("axes", 1, [0])).tolist()
    if numbers[0] == [0, 1, -1] and numbers[1][0] == 1 and numbers[1][1] > 2**31 and last == [-1]:
        return replace(op, kind="Dueling", inputs=v.inputs)
    return None


def codes(ops: dict[str, Op], op: Op) -> Op | None:
    """A row of weights for each code, where what is no code has a row of NaN, the last."""
    if op.kind != "Gather" or 0 not in op.weights or len(op.inputs) != 1:
        return None
    name = op.inputs[0]
    while name in ops and ops[name].kind == "Cast":
        name = ops[name].inputs[0]
    rows, chosen = op.weights[0], ops.get(name)
    if chosen and chosen.kind == "Where" and len(chosen.inputs) == 2 and np.isnan(rows[-1]).all():
        equal, nearest = (ops[each] for each in chosen.inputs)
        clip = ops.get(nearest.inputs[0])
        if (equal.kind, nearest.kind, clip and clip.kind) == ("Equal", "Round", "Clip") and clip:
            return replace(op, inputs=clip.inputs, weights={0: rows[:-1]})
    return replace(op, inputs=(name,))


RULES = (silu, gelu, dueling, codes)
