"""The `deltarule` command: finds the command's file, and turns errors into one paragraph."""

import importlib
import io
import sys
import textwrap

from deltarule import __version__
from deltarule.errors import DeltaruleError
from deltarule.training.signals import Interrupted

COMMANDS = {
    "demo": "train a network on handwritten digits and show the result",
    "train": "train a network on a table, a series, images or a text",
    "sweep": "train a network under many settings at once, and compare them",
    "dqn": "train agents on an environment by deep Q-learning, and show how they play",
    "play": "let an agent that learned an environment play it, in figures, a GIF or a window",
    "launch": "run train, or a script, in several processes that train as one, on one machine or on many",
    "predict": "predict each row of a file, each image, or the next values of a series, with a trained model",
    "evaluate": "measure a trained model on a file that has its target, on a text, or on class folders of images",
    "plan": "tell what a training step of a network costs, layer by layer, before anything runs",
    "check": "hold every layer of a network to its laws, and say what is wrong",
    "explain": "print the forward and backward equations of a network, line by line, with its shapes",
    "trace": "show one training step with its numbers, as text, a page, or a notebook that computes it in NumPy",
    "report": "write the page of a run, or one that compares several runs",
    "export": "write a trained model as an ONNX file, its preparation of the data included",
    "sample": "draw text from a model that was trained on a text",
    "study": "measure the claims of the theory, hold each against its figures, and draw it",
    "grade": "grade a student's derivation of a backward pass, equation by equation",
    "doctor": "tell what is installed, which devices there are, and what is missing",
    "completion": "print a script by which a shell completes these commands",
}
USAGE = "deltarule: networks trained from their written-down derivatives\n\n" + "\n".join(
    f"  deltarule {name:10} {what}" for name, what in COMMANDS.items()
)


def main(arguments: list[str] | None = None) -> int:
    """Runs a command and returns its exit status: 0; 2 for an error that has a name; 130 and 143 for a signal."""
    arguments = sys.argv[1:] if arguments is None else arguments
    for stream in (sys.stdout, sys.stderr):  # a terminal that has no ✓ or σ shows ? in their place
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(USAGE + "\n\n'deltarule COMMAND --help' shows a command's settings.")
        return 0
    if arguments[0] == "--version":
        print(f"deltarule {__version__}")
        return 0
    if arguments[0] not in COMMANDS:
        return fail(f"unknown command {arguments[0]!r}; expected one of {', '.join(COMMANDS)}")
    try:
        importlib.import_module(f"deltarule.cli.{arguments[0]}").main(arguments[1:])
    except DeltaruleError as error:
        return fail(str(error))
    except ModuleNotFoundError as error:
        package = (error.name or str(error)).split(".")[0]
        return fail(f"{package} is not installed; pip install 'deltarule[cli]' brings it")
    except Interrupted as stopped:
        return fail(str(stopped), stopped.status)
    except KeyboardInterrupt:
        return fail("interrupted; a run folder keeps the finished epochs", status=130)
    return 0


def fail(message: str, status: int = 2) -> int:
    """Says what went wrong on standard error, and returns the exit status."""
    print(
        textwrap.fill(f"deltarule: {message}", 100, break_long_words=False, break_on_hyphens=False),
        file=sys.stderr,
    )
    return status


if __name__ == "__main__":
    sys.exit(main())
