"""Where each public name stands in the reference: by the module that holds it."""

import importlib
import inspect
import pkgutil
from typing import Any

import deltarule as dr
import deltarule.interop

AREAS = {  # page: the modules whose public names it shows; the longest that fits decides
    "layers": ("deltarule.layers",),
    "initialisers": ("deltarule.layers.initializers",),
    "losses": ("deltarule.losses",),
    "optimizers": ("deltarule.optimizers",),
    "schedules": ("deltarule.schedules",),
    "networks": ("deltarule.blocks", "deltarule.networks"),
    "model": ("deltarule.model", "deltarule.loading", "deltarule.training", "deltarule.errors"),
    "populations": ("deltarule.populations",),
    "data": ("deltarule.data",),
    "dqn": ("deltarule.dqn",),
    "inspect": ("deltarule.inspect",),
    "interop": ("deltarule.interop",),
    "grade": ("deltarule.grade",),
}
PACKAGES = {  # what these list in `__all__` is shown under their own names
    "interop": [found.name for found in pkgutil.iter_modules(deltarule.interop.__path__, "deltarule.interop.")],
    "grade": ["deltarule.grade"],
}
FIRST = ("Model", "load", "DQN", "plan", "check", "explain", "trace", "stream", "ensemble", "sweep")
CONTRACTS = ("Layer", "Cell", "Context", "Cost", "Equations", "Loss", "Optimizer", "Schedule")
BESIDES = {  # what a person meets without calling it by `dr.`
    "model": ("deltarule.training.run.Settings", "deltarule.training.windows.Window"),
    "inspect": (
        "deltarule.inspect.plan.Plan",
        "deltarule.inspect.findings.Findings",
        "deltarule.inspect.explain.Explanation",
        "deltarule.inspect.trace.Trace",
        "deltarule.inspect.rates.Rates",
    ),
    "populations": ("deltarule.populations.result.Result",),
}


def members(area: str) -> list[tuple[str, str, Any]]:
    """(module to import it from, name, thing) of everything on the page of an area, in its order.

    What stands besides is imported from nowhere, and comes last.
    """
    found = []
    for name in dr.__all__:
        thing = getattr(dr, name)
        if inspect.ismodule(thing):
            if area_of(thing.__name__) == area:
                found += [(thing.__name__, each, getattr(thing, each)) for each in functions(thing)]
        elif area_of(thing.__module__) == area:
            found.append(("deltarule", name, thing))
    for package in map(importlib.import_module, PACKAGES.get(area, ())):
        listed = {name: getattr(package, name) for name in getattr(package, "__all__", ())}
        found += [(package.__name__, name, thing) for name, thing in listed.items() if callable(thing)]
    found.sort(key=lambda each: (each[0], place(*each[1:]), each[1].casefold()))
    for path in BESIDES.get(area, ()):
        module, _, name = path.rpartition(".")
        found.append(("", name, getattr(importlib.import_module(module), name)))
    return found


def place(name: str, thing: Any) -> int:
    """What a page is opened for comes first, contracts and errors last."""
    if inspect.isclass(thing) and (name in CONTRACTS or issubclass(thing, Exception)):
        return 2
    return 0 if name in FIRST else 1


def functions(module: Any) -> list[str]:
    """What a module such as `deltarule.networks` defines for others."""
    public = [name for name, each in vars(module).items() if inspect.isfunction(each) and each.__doc__]
    return [name for name in public if vars(module)[name].__module__ == module.__name__]


def area_of(module: str) -> str:
    """The page of what a module holds; raises KeyError where no page has it."""
    fits = [
        (len(prefix), area)
        for area, prefixes in AREAS.items()
        for prefix in prefixes
        if module == prefix or module.startswith(f"{prefix}.")
    ]
    if not fits:
        raise KeyError(f"{module} stands on no page of the reference: add it to AREAS in {__file__}")
    return max(fits)[1]
