"""Every study at a reduced size: its claims hold, and do not where the figures are those of the folklore."""

import importlib
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple
from xml.etree import ElementTree

import numpy as np
import pytest

from deltarule.cli.study import heading, studies
from deltarule.inspect.figures import drawn
from study import lean

GALLERY = Path(__file__).parent.parent / "docs" / "gallery.md"


class Reduced(NamedTuple):
    """A study's reduced size, the fault that its claims must find, and claims that need the whole size."""

    sizes: dict[str, Any]
    fault: Callable[[Any], Any]
    left_out: str = "$^"


REDUCED = {
    "adding": Reduced(
        {"length": 10, "steps": 300, "seeds": 1},
        lambda found: {**found, "GRU": found["simple RNN"]},  # all cells are alike
        "simple RNN",
    ),
    "approximation": Reduced(
        {"widths": (4, 8, 16, 64), "epochs": 100, "seeds": 2},
        lambda found: replace(  # the best is found
            found, error={(name, h): np.full(2, found.built[h]) for name, h in found.error}
        ),
    ),
    "batch_size": Reduced(
        {"sizes": (256, 512), "depths": (1, 3), "rounds": 1},
        lambda found: {depth: replace(f, bytes=f.sizes * 2 * 4 * 128) for depth, f in found.items()},  # two layers
        "time",
    ),
    "convolution_settings": Reduced(
        {"choices": {"stride": (1, 2, 4), "padding": (0, 1), "channels": (2, 8, 16)}, "seeds": 1},
        lambda found: {**found, ("stride", 2): replace(found["stride", 2], size=5)},  # a ceiling
        "channels: ",
    ),
    "ensembles": Reduced(
        {"seeds": 3},
        lambda found: replace(found, averaged={k: m.mean(1) for k, m in found.members.items()}),  # means are alike
    ),
    "equivariance": Reduced(
        {"epochs": 6, "seeds": 1},
        lambda found: replace(  # every convolution is invariant
            found, accuracy={**found.accuracy, "convolutions, then dense": found.accuracy["global pooling"]}
        ),
    ),
    "initialisation": Reduced(
        {"depth": 10, "width": 64, "seeds": 2},
        lambda found: {**found, ("ReLU", "Glorot"): found["ReLU", "He"]},  # one rule serves all activations
    ),
    "length": Reduced(
        {"lengths": [32, 1024], "rounds": 1},
        lambda found: found._replace(truncated=found.full),  # truncation saves nothing
        "time",
    ),
    "local_minima": Reduced(
        {"epochs": 40, "seeds": 3},
        lambda found: replace(found, pairs=[replace(pair, after=0.0) for pair in found.pairs]),  # one minimum
    ),
    "normalisation": Reduced(
        {"sizes": (1, 2, 4), "epochs": 3, "seeds": 2},
        lambda found: replace(found, noise={key: noise + 0.1 for key, noise in found.noise.items()}),  # not exact
    ),
    "steep_and_flat": Reduced(
        {"kappas": (10, 1000), "steps": 4000, "seeds": 2},
        lambda found: {  # RMSProp sees through a turn
            **found,
            ("RMSProp", "turned by 45°", 1000): found["RMSProp", "on the axes", 1000],
        },
    ),
    "truncation_bias": Reduced(
        {"radii": (0.5, 0.99), "seeds": 1},
        lambda found: found._replace(truncated=np.abs(found.truncated)),  # the sign is always right
    ),
    "vanishing_gradients": Reduced(
        {"depths": (2, 16), "width": 64, "seeds": 2},
        lambda found: {**found, ("ReLU, Glorot", 16): found["ReLU, He", 16]},  # ReLU does not vanish
    ),
    "zero_start": Reduced(
        {"epochs": 60, "seeds": 2},
        lambda found: {  # no parameter changes
            **found,
            "ReLU, zero": replace(found["ReLU, zero"], offset=0 * found["ReLU, zero"].offset),
        },
    ),
}


def lost(name: str, found: Any, left_out: str = "$^") -> list[str]:
    """The claims that do not hold."""
    claims = importlib.import_module(name).claims(found)
    return [claim for holds, claim in claims if not holds and not re.search(left_out, claim)]


def test_every_study_is_tested():
    assert list(REDUCED) == list(studies())


@pytest.mark.parametrize("name", REDUCED)
def test_the_claims_hold_and_not_of_the_folklore_and_are_drawn(name):
    study, reduced = importlib.import_module(name), REDUCED[name]
    found = study.measured(**reduced.sizes)
    assert lost(name, found, reduced.left_out) == []
    assert len(lost(name, reduced.fault(found))) > len(lost(name, found))
    svg = lean(drawn(study.picture)(found))
    assert len(svg) < 60_000
    assert ElementTree.fromstring(svg).tag.endswith("svg")
    header, *rows = study.table(found).written()
    assert {len(row) for row in rows} == {len(header)}


def test_a_lean_picture_keeps_its_words():
    svg = b'<path d="M 1.2345 6.789 \nL 2 3.14159"/><text x="1.2345">0.0123 of 1.2345</text>'
    assert lean(svg) == b'<path d="M 1.2 6.7 L 2 3.1"/><text x="1.2">0.0123 of 1.2345</text>'


def test_the_gallery_shows_every_study_and_its_claim():
    text = GALLERY.read_text()
    shown = re.findall(r"^## (.+)\n\n\*\*(.+)\*\*$", text, re.MULTILINE)
    assert shown == [(name.replace("_", " "), heading(path)) for name, path in studies().items()]
    for picture in re.findall(r"!\[.*\]\((.+)\)", text):
        assert (GALLERY.parent / picture).is_file()
    assert "**does not hold:**" not in text
