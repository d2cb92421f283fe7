"""What this installation is, whether it works, and what is wrong with it: `deltarule doctor`."""

import os
import platform
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import jax

from deltarule.cache import folder_for
from deltarule.data.memory import available_memory
from deltarule.errors import SettingError
from deltarule.inspect.installed import OWN, Found, extras_of, needs, version_of
from deltarule.inspect.rates import processor
from deltarule.inspect.self_test import trial
from deltarule.kernels.native import VERSION, described

SETTINGS = (  # environment variables that bear on what runs
    "DELTARULE_CACHE",
    "DELTARULE_KERNELS",
    "JAX_PLATFORMS",
    "JAX_ENABLE_X64",
    "JAX_COMPILATION_CACHE_DIR",
    "XLA_FLAGS",
    "OMP_NUM_THREADS",
    "CUDA_VISIBLE_DEVICES",
)


@dataclass(frozen=True)
class Problem:
    """Something that is not as it should be.

    Attributes:
        what: is wrong, and what to do about it, as one sentence or two.
        fatal: whether nothing can be trained because of it; else it costs speed, or a part.
    """

    what: str
    fatal: bool


@dataclass(frozen=True)
class Diagnosis:
    """All that was found: `facts` by topic and name, JSON alone, and the problems."""

    facts: dict[str, dict[str, Any]]
    problems: tuple[Problem, ...]

    @property
    def works(self) -> bool:
        """Whether all that training needs works."""
        return not any(problem.fatal for problem in self.problems)

    def to_json(self) -> dict[str, Any]:
        """All of it as plain JSON."""
        problems = [{"what": problem.what, "fatal": problem.fatal} for problem in self.problems]
        return {"works": self.works, **self.facts, "problems": problems}


def diagnosis() -> Diagnosis:
    """Looks at this installation; takes a second or two, most of it for JAX's start and one compilation.

    >>> found = diagnosis()
    >>> found.works, sorted(found.facts)[:3]
    (True, ['cache', 'devices', 'extras'])
    """
    problems: list[Problem] = []
    facts = {
        "versions": versions(problems),
        "machine": machine(),
        "devices": devices(problems),
        "kernels": kernels(problems),
        "cache": cache(problems),
        "extras": extras(problems),
        "settings": {name: os.environ[name] for name in SETTINGS if name in os.environ},
    }
    facts["test"] = tried(problems) if facts["devices"] else {}
    return Diagnosis(facts, tuple(problems))


def versions(problems: list[Problem]) -> dict[str, Any]:
    """Of Deltarule, Python, and what Deltarule cannot be without."""
    from deltarule import __version__

    core = list(needs())
    for found in core:
        if not found.fits:
            got = f"{found.version} is installed" if found.version else "is not installed"
            what = f"{found.name} {got}, and {found.needed} is needed: pip install '{found.name}{found.needed}'"
            problems.append(Problem(what, fatal=True))
    if version_of(OWN) is None:
        problems.append(
            Problem("deltarule runs from its source, not installed: what extras it has is unknown", fatal=False)
        )
    elif version_of(OWN) != __version__:
        what = f"deltarule {version_of(OWN)} is installed, and {__version__} is what runs: pip install it again"
        problems.append(Problem(what, fatal=False))
    names = {found.name: found.version for found in core}
    return {"deltarule": __version__, "python": platform.python_version(), **names, "jaxlib": version_of("jaxlib")}


def machine() -> dict[str, Any]:
    """The system, its processor, and what of it this process may use."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "processor": processor(),
        "cores": os.cpu_count(),
        "threads": cores,  # that XLA takes: those of the cores that this process may use
        "memory": available_memory(),
    }


def devices(problems: list[Problem]) -> dict[str, Any]:
    """JAX's devices: kind, platform, and bytes of memory where they tell."""
    try:
        found = jax.devices()
    except (RuntimeError, AssertionError) as error:
        asked = os.environ.get("JAX_PLATFORMS")
        do = f"JAX_PLATFORMS={asked} asks for what is not there; unset it" if asked else "install jax again"
        problems.append(Problem(f"JAX finds no device: {error or type(error).__name__}. {do}", fatal=True))
        return {}
    problems += gpu_problems({device.platform for device in found})
    return {
        str(device.id): {
            "kind": device.device_kind,
            "platform": device.platform,
            "memory": (device.memory_stats() or {}).get("bytes_limit"),
        }
        for device in found
    }


def gpu_problems(platforms: set[str]) -> Iterator[Problem]:
    """Where there is a GPU that JAX cannot use, or what a GPU needs without a GPU."""
    plugins = sorted(
        {each.name for each in metadata.distributions() if (each.name or "").startswith(("jax-cuda", "jax-rocm"))}
    )
    card = shutil.which("nvidia-smi") is not None or Path("/dev/nvidia0").exists()
    if "gpu" in platforms or os.environ.get("JAX_PLATFORMS") == "cpu":
        return
    if card and not plugins:
        what = "this machine has an NVIDIA GPU that JAX does not use: pip install 'jax[cuda12]' lets it"
        yield Problem(what, fatal=False)
    if plugins:
        seen = "a GPU is there, so its driver may be too old" if card else "no GPU is seen"
        what = f"{', '.join(plugins)} is installed, but JAX finds no GPU ({seen}): everything runs on the CPU"
        yield Problem(what, fatal=False)


def kernels(problems: list[Problem]) -> dict[str, Any]:
    """What computes the heavy products on a CPU, and what would build the companion that does."""
    compiler = shutil.which(os.environ.get("CXX", "c++"))
    try:
        used = described()
    except SettingError as error:
        used = "none"
        problems.append(Problem(str(error), fatal=True))
    installed = version_of("deltarule-onednn")
    if installed is None and compiler is not None:
        what = f"the native kernels are not built: make native, in Deltarule's source, builds them with {compiler}"
        problems.append(Problem(what, fatal=False))
    if installed is not None and used.startswith("XLA ("):
        problems.append(Problem(f"the native kernels are not used: {used}", fatal=False))
    return {"used": used, "companion": installed, "wanted": VERSION, "compiler": compiler}


def cache(problems: list[Problem]) -> dict[str, Any]:
    """The folder of compiled programs, how many are in it, and their bytes."""
    given = jax.config.jax_compilation_cache_dir  # type: ignore[attr-defined]
    folder = Path(given) if given else folder_for("xla")
    if folder is None:
        if os.environ.get("DELTARULE_CACHE") != "off":
            what = (
                "compiled programs cannot be kept, so each process compiles anew: set DELTARULE_CACHE to a folder"
            )
            problems.append(Problem(what, fatal=False))
        return {"folder": None, "programs": 0, "bytes": 0}
    files = [path for path in folder.rglob("*") if path.is_file()]
    programs = sum(path.name.endswith("-cache") for path in files)
    return {"folder": str(folder), "programs": programs, "bytes": sum(path.stat().st_size for path in files)}


def extras(problems: list[Problem]) -> dict[str, Any]:
    """Of each extra the packages and their versions, what is missing, and the line that brings it."""
    found = {}
    for extra in extras_of():
        packages = list(dict.fromkeys(needs(extra=extra)))
        missing = [each for each in packages if not each.fits]
        brings = f"pip install '{OWN}[{extra}]'" if missing else None
        found[extra] = {
            "packages": {each.name: each.version for each in packages},
            "missing": [named(each) for each in missing],
            "brings": brings,
        }
        old = [each for each in missing if each.version is not None]
        if old:
            problems.append(Problem(f"{extra}: {', '.join(map(named, old))}: {brings}", fatal=False))
    return found


def named(found: Found) -> str:
    """A package that is missing, or what of it is installed."""
    return found.name if found.version is None else f"{found.name} {found.version} (needs {found.needed})"


def tried(problems: list[Problem]) -> dict[str, Any]:
    """What the quick trial gave."""
    try:
        result = trial()
    except Exception as error:  # whatever it is, it is what the person came to hear
        first = (str(error).strip() or type(error).__name__).splitlines()[0]
        problems.append(
            Problem(f"a training step cannot be computed: {type(error).__name__}: {first}", fatal=True)
        )
        return {}
    if not result.works:
        what = f"a training step computes wrong numbers ({result}); DELTARULE_KERNELS=xla may compute right ones"
        problems.append(Problem(what, fatal=True))
    return result._asdict()
