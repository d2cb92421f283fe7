"""`deltarule completion`: a script with which a shell completes the commands and their options."""

import dataclasses
import importlib
import inspect
import re
from dataclasses import dataclass
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import tyro

from deltarule.cli.main import COMMANDS
from deltarule.cli.output import FLAGS, say
from deltarule.cli.shells import SCRIPTS, Command, Option

BESIDES = {  # options that are read before the others
    "train": (
        Option("--config", "Take settings from a TOML file", takes=True),
        Option("--resume", "Go on with the run in a folder", takes=True),
    ),
    "sweep": (
        Option("--config", "Take settings from a TOML file", takes=True),
        Option("--resume", "Go on with the sweep in a folder", takes=True),
    ),
}
HELP = Option("--help", "Show the command's settings")


@dataclass(frozen=True)
class Completion:
    """Print a script with which a shell completes Deltarule's commands and their options.

    bash: eval "$(deltarule completion bash)" in ~/.bashrc; zsh: the same in ~/.zshrc, behind compinit; fish:
    deltarule completion fish > ~/.config/fish/completions/deltarule.fish; tcsh: deltarule completion tcsh >
    ~/.deltarule.tcsh, and source it in ~/.tcshrc.

    Attributes:
        shell: Whose script it is.
        json: Print one JSON object as the last line.
    """

    shell: Annotated[Literal["bash", "zsh", "fish", "tcsh"], tyro.conf.Positional]
    json: bool = False


def main(arguments: list[str]) -> None:
    settings = tyro.cli(Completion, prog="deltarule completion", args=arguments, config=FLAGS)
    script = SCRIPTS[settings.shell](commands())
    say({"shell": settings.shell, "script": script}, settings.json, script)


def commands() -> list[Command]:
    """Every command with its options."""
    return [Command(name, what, tuple(options(name))) for name, what in COMMANDS.items()]


def options(command: str) -> list[Option]:
    """The options of a command, and its positional choices under the name ""."""
    kind = settings_of(command)
    hints, helps = get_type_hints(kind, include_extras=True), told(kind)
    found = [option(field.name, hints[field.name], helps) for field in dataclasses.fields(kind)]
    return [*(each for each in found if each.name or each.choices), *BESIDES.get(command, ()), HELP]


def settings_of(command: str) -> type:
    """The dataclass of a command's settings: the one in its file with `json`, which every command has."""
    module = importlib.import_module(f"deltarule.cli.{command}")
    [kind] = [
        each
        for each in vars(module).values()
        if inspect.isclass(each) and each.__module__ == module.__name__ and hasattr(each, "json")
    ]
    return kind


def option(name: str, hint: Any, helps: dict[str, str]) -> Option:
    """A setting as an option; what has a place and no name is ""."""
    positional = get_origin(hint) is Annotated and tyro.conf.Positional in hint.__metadata__
    kind = get_args(hint)[0] if get_origin(hint) is Annotated else hint
    return Option(
        name="" if positional else "--" + name.replace("_", "-"),
        what=helps.get(name, ""),
        takes=kind is not bool,
        several=any(get_origin(each) is tuple for each in parts(kind)),
        choices=tuple(choices(kind)),
    )


def parts(kind: Any) -> tuple[Any, ...]:
    """The types that a setting may have."""
    return get_args(kind) if get_origin(kind) in (Union, UnionType) else (kind,)


def choices(kind: Any) -> list[str]:
    """The values that a setting, or each of several, is one of; none where it may be anything."""
    if get_origin(kind) is Literal:
        return [str(value) for value in get_args(kind)]
    if get_origin(kind) in (Union, UnionType, tuple):
        return [value for each in get_args(kind) for value in choices(each)]
    return []


def told(kind: type) -> dict[str, str]:
    """What the docstrings of settings, and of those that they go beyond, say of each: its first sentence."""
    found: dict[str, str] = {}
    for each in reversed(kind.__mro__):
        _, _, attributes = inspect.cleandoc(each.__doc__ or "").partition("Attributes:\n")
        for name, what in re.findall(r"^ {4}(\w+): (.+(?:\n {8}.+)*)", attributes, re.MULTILINE):
            found[name] = re.split(r"(?<=[a-z)])[.;:] ", " ".join(what.split()) + " ")[0].strip().rstrip(".")
    return found
