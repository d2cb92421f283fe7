"""What commands say: notes on standard error, the result on standard output, or as one line of JSON."""

import json
import sys
import textwrap
from collections.abc import Iterable
from typing import Any

import tyro

FLAGS = (tyro.conf.FlagCreatePairsOff,)  # --json, and no --no-json


def tell(notes: Iterable[str]) -> None:
    """Notes for a person."""
    for note in notes:
        print(textwrap.fill(f"note: {note}", 100, subsequent_indent="      "), file=sys.stderr)


def say(result: dict[str, Any], as_json: bool, text: str) -> None:
    """The result: text for a person, or one JSON object as the last line."""
    print(json.dumps(result) if as_json else text)
