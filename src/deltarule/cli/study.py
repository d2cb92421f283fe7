"""`deltarule study`: the claims of the theory, each measured, held against its figures, and drawn."""

import ast
import importlib
import sys
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from shutil import get_terminal_size
from textwrap import fill
from typing import Annotated

import tyro

import deltarule
from deltarule.cache import use_compilation_cache
from deltarule.cli.output import FLAGS, say
from deltarule.errors import FileError, SettingError

HELPERS = ("study", "gallery")


@dataclass(frozen=True)
class Study:
    """Measure a claim of the theory, hold it against its figures, and draw it; without a name, list them.

    A claim that does not hold ends the command with status 1.

    Attributes:
        name: A study, or "all".
        figures: The folder for pictures; by default beside the studies where they can be edited, else ./figures.
        gallery: A Markdown file to write, with each study's claims, picture and table.
        json: Print one JSON object as the last line.
    """

    name: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="NAME")] = ""
    figures: str | None = None
    gallery: str | None = None
    json: bool = False


def main(arguments: list[str]) -> None:
    settings = tyro.cli(Study, prog="deltarule study", args=arguments, config=FLAGS)
    found = studies()
    if not settings.name:
        lines = {name: heading(path) for name, path in found.items()}
        width = get_terminal_size().columns
        listed = [fill(f"  {name:22}{line}", width, subsequent_indent=" " * 24) for name, line in lines.items()]
        say({"studies": lines}, settings.json, "deltarule study NAME, or all:\n\n" + "\n".join(listed))
        return
    use_compilation_cache()
    names = list(found) if settings.name == "all" else [known(settings.name, found)]
    outcomes = [conducted(found[name], settings.figures) for name in names]
    if settings.gallery:
        importlib.import_module("gallery").write(outcomes, Path(settings.gallery))
    lost = [outcome.name for outcome in outcomes if not outcome.holds]
    result = {
        outcome.name: {
            "holds": outcome.holds,
            "claims": [{"holds": holds, "claim": claim} for holds, claim in outcome.claims],
            "picture": str(outcome.picture),
            "seconds": outcome.seconds,
        }
        for outcome in outcomes
    }
    total = sum(outcome.seconds for outcome in outcomes)
    claims = sum(len(outcome.claims) for outcome in outcomes)
    say({"studies": result, "seconds": total}, settings.json, f"{claims} claims in {total:.0f} s")
    if lost:
        sys.exit(f"deltarule: a claim does not hold in {', '.join(lost)}")


def folder() -> Path:
    """Where the studies are: in the installed package, or beside src/ in a source tree.

    Raises:
        FileError: neither has them.
    """
    package = Path(deltarule.__file__).parent
    for place in (package / "studies", package.parents[1] / "studies"):
        if (place / "study.py").is_file():
            return place
    raise FileError(
        f"{package / 'studies'}: the studies are not there; install Deltarule again, or work in its source"
    )


def studies() -> dict[str, Path]:
    """The files of all studies, by name."""
    return {path.stem: path for path in sorted(folder().glob("*.py")) if path.stem not in HELPERS}


def known(name: str, found: dict[str, Path]) -> str:
    """`name`, where there is such a study; raises SettingError with the nearest one otherwise."""
    if name in found:
        return name
    near = get_close_matches(name, found, n=1, cutoff=0.4)
    hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(found)}"
    raise SettingError(f"study {name!r}: there is none by that name; {hint}")


def conducted(path: Path, figures: str | None):
    """The outcome of a study; its own folder is where it finds what all studies share."""
    if str(path.parent) not in sys.path:
        sys.path.insert(0, str(path.parent))
    module = importlib.import_module(path.stem)
    study = importlib.import_module("study")
    print(f"== {path.stem}: {heading(path)}\n", flush=True)
    installed = path.parent.parent == Path(deltarule.__file__).parent
    outcome = study.conduct(module, Path(figures or "figures") if figures or installed else study.FIGURES)
    print(f"{outcome.seconds:.1f} s\n", flush=True)
    return outcome


def heading(path: Path) -> str:
    """The first line of a study: its claim."""
    return str(ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))).partition("\n")[0]
