"""What each shell needs in order to complete the commands: a script, made from the commands and their options."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from textwrap import indent


@dataclass(frozen=True)
class Option:
    """An option of a command.

    Attributes:
        name: such as "--task"; "" for what has a place and no name.
        takes: whether a value follows; `several` whether any number of them do.
        choices: the values that it can be; none where it may be anything, such as a file.
    """

    name: str
    what: str
    takes: bool = False
    several: bool = False
    choices: tuple[str, ...] = ()


@dataclass(frozen=True)
class Command:
    """A command: its name, what it does, its options."""

    name: str
    what: str
    options: tuple[Option, ...]

    @property
    def named(self) -> list[Option]:
        """The options that have names."""
        return [option for option in self.options if option.name]

    @property
    def places(self) -> list[str]:
        """The choices for what has a place and no name."""
        return [value for option in self.options if not option.name for value in option.choices]


BASH = """\
# Completion of deltarule for bash.
_deltarule() {{
    local word=${{COMP_WORDS[COMP_CWORD]}} first=1 place before= last= options= values= places=
    [[ $word == '=' ]] && word=
    for ((place = 1; place < COMP_CWORD; place++)); do
        case ${{COMP_WORDS[place]}} in
            --) first=$((place + 1)) last= ;;
            -*) last=${{COMP_WORDS[place]}} before=$last ;;
            =) ;;
            *) before=${{COMP_WORDS[place]}} ;;
        esac
    done
    if ((COMP_CWORD == first)); then
        COMPREPLY=($(compgen -W '{commands}' -- "$word"))
        return
    fi
    case ${{COMP_WORDS[first]}} in
{cases}
    esac
    if [[ -n $values ]]; then
        COMPREPLY=($(compgen -W "$values" -- "$word"))
        [[ -n ${{COMPREPLY[*]}} || $word != -* ]] && return
    fi
    if [[ $word == -* ]]; then
        COMPREPLY=($(compgen -W "$options" -- "$word"))
    else
        COMPREPLY=($(compgen -W "$places" -- "$word"))
    fi
}}
complete -o default -F _deltarule deltarule"""


def bash(commands: Iterable[Command]) -> str:
    """For bash: options and choices, and files where neither fits."""
    commands = list(commands)
    cases = []
    for command in commands:
        lines = [f"options='{' '.join(option.name for option in command.named)}'"]
        lines += [f"places='{' '.join(command.places)}'"] if command.places else []
        for several, word in ((False, "before"), (True, "last")):
            chosen = [each for each in command.named if each.choices and each.several is several]
            if chosen:
                values = [f"    {each.name}) values='{' '.join(each.choices)}' ;;" for each in chosen]
                lines += [f"case ${word} in", *values, "esac"]
        cases.append(f"{command.name})\n" + indent("\n".join(lines), "    ") + "\n    ;;")
    names = " ".join(command.name for command in commands)
    return BASH.format(commands=names, cases=indent("\n".join(cases), " " * 8))


ZSH = """\
#compdef deltarule
# Completion of deltarule for zsh.
_deltarule() {{
    local -a commands=(
{commands}
    )
    local place
    for ((place = CURRENT - 1; place > 1; place--)); do
        if [[ $words[place] == -- ]]; then
            words=(deltarule $words[place+1,-1])
            ((CURRENT -= place - 1))
            break
        fi
    done
    if ((CURRENT == 2)); then
        _describe command commands
        return
    fi
    local command=$words[2]
    shift words
    ((CURRENT--))
    case $command in
{cases}
    esac
}}
compdef _deltarule deltarule"""


def zsh(commands: Iterable[Command]) -> str:
    """For zsh: options with what they mean, choices, and files."""
    commands = list(commands)
    named = [f"{quoted(f'{command.name}:{command.what}')}" for command in commands]
    cases = []
    for command in commands:
        specifications = [quoted(zsh_option(option)) for option in command.named]
        rest = f"*:value:({' '.join(command.places)})" if command.places else "*:file:_files"
        arguments = " \\\n".join(["_arguments", *(f"    {each}" for each in [*specifications, quoted(rest)])])
        cases.append(f"{command.name})\n{indent(arguments, '    ')}\n    ;;")
    return ZSH.format(commands=indent("\n".join(named), " " * 8), cases=indent("\n".join(cases), " " * 8))


def zsh_option(option: Option) -> str:
    """An option as `_arguments` takes it."""
    what = "".join(f"\\{letter}" if letter in "[]:\\" else letter for letter in option.what)
    if not option.takes:
        return f"{option.name}[{what}]"
    values = f"({' '.join(option.choices)})" if option.choices else "_files"
    name = option.name.removeprefix("--")
    return (
        f"{option.name}=[{what}]:*-*:{name}:{values}"
        if option.several
        else f"{option.name}=[{what}]:{name}:{values}"
    )


def fish(commands: Iterable[Command]) -> str:
    """For fish: options with what they mean, choices, and files."""
    lines = ["# Completion of deltarule for fish.", "complete -c deltarule -n __fish_use_subcommand -f"]
    for command in commands:
        lines.append(
            f"complete -c deltarule -n __fish_use_subcommand -a {command.name} -d {fish_quoted(command.what)}"
        )
        seen = f"complete -c deltarule -n '__fish_seen_subcommand_from {command.name}'"
        for option in command.options:
            name = f" -l {option.name.removeprefix('--')}" if option.name else ""
            takes = " -r" if option.takes and name else ""
            values = f" -f -a {fish_quoted(' '.join(option.choices))}" if option.choices else ""
            lines.append(f"{seen}{name}{takes}{values} -d {fish_quoted(option.what)}")
    return "\n".join(lines)


def tcsh(commands: Iterable[Command]) -> str:
    """For tcsh, which tells no command's options from another's: the options of all, their choices, and files."""
    commands = list(commands)
    values: dict[str, dict[str, None]] = {}
    for option in (option for command in commands for option in command.named):
        values.setdefault(option.name, {}).update(dict.fromkeys(option.choices))
    rules = [f"'c/--/({' '.join(name.removeprefix('--') for name in values)})/'"]
    rules += [f"'n/{name}/({' '.join(chosen)})/'" for name, chosen in values.items() if chosen]
    rules += [f"'p/1/({' '.join(command.name for command in commands)})/'"]
    rules += [f"'n/{command.name}/({' '.join(command.places)})/'" for command in commands if command.places]
    return "# Completion of deltarule for tcsh.\ncomplete deltarule " + " \\\n    ".join([*rules, "'p/*/f/'"])


def quoted(text: str) -> str:
    """Text in single quotes, for bash and zsh."""
    return "'" + text.replace("'", "'\\''") + "'"


def fish_quoted(text: str) -> str:
    """Text in single quotes, for fish."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


SCRIPTS: dict[str, Callable[[Iterable[Command]], str]] = {"bash": bash, "zsh": zsh, "fish": fish, "tcsh": tcsh}
