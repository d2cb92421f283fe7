"""A teacher's tool: a student's derivation of a backward pass, graded equation by equation."""

from deltarule.grade.chain import chain, generate
from deltarule.grade.exercise import Asked, Draw, Exercise, Given
from deltarule.grade.marking import grade
from deltarule.grade.report import Mark, Report
from deltarule.grade.rows import EXERCISES, exercise

__all__ = [
    "EXERCISES",
    "Asked",
    "Draw",
    "Exercise",
    "Given",
    "Mark",
    "Report",
    "chain",
    "exercise",
    "generate",
    "grade",
]
