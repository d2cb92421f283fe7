"""The laws of the house: what is imported, where autodiff may stand, how long a file may be."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parent.parent / "src" / "deltarule"
FILES = sorted(SOURCE.rglob("*.py"))


def test_importing_needs_jax_numpy_and_safetensors_only():
    """What comes with `import deltarule` belongs to them, to what they bring, or to the standard library."""
    program = (
        "import sys, jax, jax.numpy, numpy, safetensors, safetensors.numpy\n"
        "before = {name.partition('.')[0] for name in sys.modules}\n"
        "import deltarule\n"
        "after = {name.partition('.')[0] for name in sys.modules}\n"
        "print(*sorted(after - before - set(sys.stdlib_module_names)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["deltarule"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_a_file_is_short_and_holds_no_autodiff(path):
    text = path.read_text()
    assert len(text.splitlines()) <= 300
    if path != SOURCE / "inspect" / "laws.py":  # the oracle that written-down derivatives are held against
        assert not re.search(r"\b(value_and_grad|grad|vjp|jvp|jacrev|jacfwd|linearize|hessian)\(|jax\.grad", text)
