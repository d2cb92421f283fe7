"""A traced program as the operations that the compiler makes of it."""

from typing import Any

import jax
from jax.interpreters.partial_eval import dce_jaxpr

from deltarule.inspect import simplified
from deltarule.inspect.count import INNER, count_equation, count_jaxpr
from deltarule.inspect.operation import BY_NUMBER, FUSED, MOVES, SUMS, Operation, Program
from deltarule.inspect.simplified import bytes_of


def flat_program(jaxpr: Any, whole: int | None = None, carried: int | None = None) -> Program:
    """The program of a jaxpr: what no result needs left out, inner programs in place, a repeated step once.

    In one round of a loop the inputs after the first `whole` are slices of what it goes through, and the results
    after the first `carried` are slices of what it makes.
    """
    jaxpr, _ = dce_jaxpr(jaxpr, [True] * len(jaxpr.outvars), instantiate=True)
    program = Program()
    inputs = [program.add(Operation("input", [], v.aval.shape, bytes_of(v.aval))) for v in jaxpr.invars]
    constants = [program.add(Operation("constant", [], v.aval.shape, 0)) for v in jaxpr.constvars]
    if whole is not None:
        inputs[whole:] = [around(program, place, "dynamic_slice") for place in inputs[whole:]]
    made = inline(jaxpr, inputs, constants, program)
    if carried is not None:
        made[carried:] = [around(program, place, "dynamic_update_slice") for place in made[carried:]]
    program.returned = made
    return program


def around(program: Program, place: int, name: str) -> int:
    """Adds an operation on what another made, of its shape."""
    inner = program.operations[place]
    return program.add(Operation(name, [place], inner.shape, inner.bytes))


def inline(jaxpr: Any, inputs: list[int], constants: list[int], program: Program) -> list[int]:
    """Adds the equations of a jaxpr to the program; the places of its results."""
    place = dict(zip(jaxpr.invars, inputs, strict=True)) | dict(zip(jaxpr.constvars, constants, strict=True))

    def of(variable: Any) -> int:
        if hasattr(variable, "val"):
            return program.add(Operation("constant", [], (), 0), ("constant", repr(variable)))
        return place[variable]

    for equation in jaxpr.eqns:
        made = add_equation(equation, [of(v) for v in equation.invars], program)
        place.update(zip(equation.outvars, made, strict=True))
    return [of(v) for v in jaxpr.outvars]


def add_equation(equation: Any, reads: list[int], program: Program) -> list[int]:
    """Adds one equation; the place of each of its results."""
    name, params = equation.primitive.name, equation.params
    outs = [v.aval for v in equation.outvars]
    if name == "cond" and params.get("branches_platforms"):
        platforms = params["branches_platforms"]
        here = jax.default_backend()
        chosen = next(i for i, p in enumerate(platforms) if p is None or here in p)
        first = len(program.operations)
        made = inline_closed(params["branches"][chosen], reads[1:], program)
        for operation in program.operations[first:]:
            if operation.kernel:  # it does what is written out for every other platform
                operation.flops = count_jaxpr(params["branches"][-1].jaxpr)
        return made
    if name not in ("scan", "while", "cond"):
        for key in INNER:
            if key in params:
                return inline_closed(params[key], reads, program)
    if name == "reshape":
        return [simplified.reshaped(program, reads[0], outs[0])]
    if name in MOVES or (name in ("slice", "pad") and outs[0].shape == equation.invars[0].aval.shape):
        return reads[:1]
    if name == "erfc":
        return [simplified.erfc(program, reads, outs[0])]
    if name == "dot_general":
        name, reads = simplified.product(program, equation, reads)
    if name == "convert_element_type" and equation.invars[0].aval.dtype == bool:
        name = "zero_or_one"
    if name in BY_NUMBER:
        name, reads = simplified.by_number(program, name, reads, outs[0])
    if equation.primitive.name in SUMS - {"argmax", "argmin"}:
        reads = simplified.summed(program, equation, reads)
    if name in FUSED | SUMS and len(outs) == 1:
        operation = Operation(name, reads, outs[0].shape, bytes_of(outs[0]))
        return [program.add(operation, (name, tuple(reads), outs[0].str_short(), repr(params)))]
    if name == "split":
        return [
            program.add(Operation("slice", reads, out.shape, bytes_of(out)), (name, at, *reads, repr(params)))
            for at, out in enumerate(outs)
        ]
    operation = Operation(name, reads, outs[0].shape, sum(map(bytes_of, outs)), flops=count_equation(equation))
    operation.kernel = params.get("target_name", "")
    before = []
    if name == "scan":
        whole = params["num_consts"] + params["num_carry"]
        operation.loop = params["length"], flat_program(params["jaxpr"].jaxpr, whole, params["num_carry"])
        before = reads[params["num_consts"] : whole]  # what each carried array was
    first = program.add(operation)
    if len(outs) == 1 and not operation.loop:
        return [first]
    operation.bytes = 0  # each of its arrays lives as long as it is read
    return [
        program.add(Operation("part", [first, *before[at : at + 1]], out.shape, bytes_of(out)))
        for at, out in enumerate(outs)
    ]


def inline_closed(inner: Any, reads: list[int], program: Program) -> list[int]:
    """Adds an inner program, with its constants."""
    jaxpr = getattr(inner, "jaxpr", inner)
    constants = [program.add(Operation("constant", [], v.aval.shape, 0)) for v in jaxpr.constvars]
    return inline(jaxpr, reads, constants, program)
