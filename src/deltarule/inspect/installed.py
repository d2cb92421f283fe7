"""Which packages are installed, and which each extra of Deltarule still lacks, read from the packages' metadata.

Nothing is imported, so that a package that cannot be imported is no hindrance.
"""

import operator
import re
from collections.abc import Iterator
from importlib import metadata
from typing import NamedTuple

OWN = "deltarule"
COMPARE = {">=": operator.ge, "<=": operator.le, "==": operator.eq, "<": operator.lt, ">": operator.gt}


class Needed(NamedTuple):
    """A package that is needed: its name, the versions that will do, such as ">=1.0", and the extras of it."""

    name: str
    versions: str
    extras: tuple[str, ...]


class Found(NamedTuple):
    """What is installed of a needed package; `version` None where it is not there."""

    name: str
    version: str | None
    needed: str

    @property
    def fits(self) -> bool:
        """Whether it is there, in a version that will do."""
        return self.version is not None and meets(self.version, self.needed)


def version_of(distribution: str) -> str | None:
    """The installed version; None where there is none.

    >>> version_of("no-such-package") is None
    True
    """
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def extras_of(distribution: str = OWN) -> list[str]:
    """The names of a distribution's extras, in the order of the alphabet; none where it is not installed."""
    try:
        return sorted(metadata.metadata(distribution).get_all("Provides-Extra") or ())
    except metadata.PackageNotFoundError:
        return []


def needs(distribution: str = OWN, extra: str | None = None) -> Iterator[Found]:
    """What a distribution needs, or an extra of it needs besides; the extras of what it needs are followed.

    A requirement of some systems or Python versions alone is left out.
    """
    try:
        lines = metadata.requires(distribution) or []
    except metadata.PackageNotFoundError:
        return
    wanted = "" if extra is None else f"extra == '{extra}'"
    for line in lines:
        requirement, _, marker = line.partition(";")
        if marker.strip().replace('"', "'") != wanted:
            continue
        needed = parsed(requirement)
        if needed.name != OWN:
            yield Found(needed.name, version_of(needed.name), needed.versions)
        for each in needed.extras:
            yield from needs(needed.name, each)


def parsed(requirement: str) -> Needed:
    """The parts of a requirement.

    >>> parsed("gymnasium[box2d,classic-control]>=1.1")
    Needed(name='gymnasium', versions='>=1.1', extras=('box2d', 'classic-control'))
    """
    found = re.match(r"\s*([\w.-]+)\s*(?:\[([^\]]*)\])?\s*(.*)", requirement)
    assert found is not None
    extras = tuple(each.strip() for each in (found[2] or "").split(",") if each.strip())
    return Needed(found[1], found[3].strip(" ()"), extras)


def meets(version: str, versions: str) -> bool:
    """Whether a version is one of ">=1.0,<2"; what cannot be judged by its numbers will do.

    >>> meets("0.10.2", ">=0.10"), meets("0.9.2", ">=0.10"), meets("2.13.0+cpu", "==2.13.0"), meets("3", ">=1,<3")
    (True, False, True, False)
    """
    own = numbers(version)
    for condition in filter(None, versions.replace(" ", "").split(",")):
        found = re.fullmatch(r"(>=|<=|==|<|>)(\d+(?:\.\d+)*)", condition)
        if found is None:
            continue
        bound = numbers(found[2])
        size = max(len(own), len(bound))
        mine, other = (each + (0,) * (size - len(each)) for each in (own, bound))
        holds = {
            ">=": mine >= other,
            "<=": mine <= other,
            "==": mine == other,
            "<": mine < other,
            ">": mine > other,
        }
        if not holds[found[1]]:
            return False
    return True


def numbers(version: str) -> tuple[int, ...]:
    """The numbers that a version begins with.

    >>> numbers("1.26.0rc1")
    (1, 26, 0)
    """
    found = re.match(r"\d+(?:\.\d+)*", version)
    return tuple(map(int, found[0].split("."))) if found else ()
