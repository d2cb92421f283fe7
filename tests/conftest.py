"""Fixtures that any test may ask for."""

import atexit
import os
import shutil
import signal
import tempfile
from collections import Counter
from pathlib import Path

os.environ["DELTARULE_CACHE"] = "off"  # the tests leave the user's cache alone
if "JAX_COMPILATION_CACHE_DIR" not in os.environ:  # what one test compiled the others find, in any process
    os.environ["JAX_COMPILATION_CACHE_DIR"] = tempfile.mkdtemp(prefix="deltarule-tests-")
    os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
    os.environ["JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES"] = "-1"
    atexit.register(shutil.rmtree, os.environ["JAX_COMPILATION_CACHE_DIR"], ignore_errors=True)

import jax
import pytest

from documents import PAGES, snippets

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell has it ignored by what it runs behind

MAPS = 20_000
collect_ignore = ["torture"]  # a driver, and what it forks


@pytest.fixture(autouse=True, scope="module")
def few_programs():
    """Lets compiled programs go where there are many: each maps memory, and Linux allows 65,530 maps a process."""
    yield
    maps = Path("/proc/self/maps")
    if maps.exists() and maps.read_bytes().count(b"\n") > MAPS:
        jax.clear_caches()


@pytest.fixture
def float64():
    """The test runs in float64, so that a formula is held to rounding and not to float32's."""
    with jax.enable_x64(True):
        yield


@pytest.fixture
def torch():
    """PyTorch, or the test is skipped; such a test is marked `torch` too."""
    return pytest.importorskip("torch")


def pytest_terminal_summary(terminalreporter):
    """What must be known of a run besides: ONNX's cases, and the documentation's snippets."""
    tell_of_onnx(terminalreporter)
    tell_of_snippets(terminalreporter)


def tell_of_snippets(terminalreporter):
    """How many snippets of README and docs ran, of how many there are."""
    reports = [
        report for each in terminalreporter.stats.values() for report in each if hasattr(report, "user_properties")
    ]
    ran = {report.nodeid: dict(report.user_properties).get("snippets", 0) for report in reports}
    if any(ran.values()):
        held = sum(len(snippets(page)) for page in PAGES)
        terminalreporter.write_line(f"Snippets: {sum(ran.values())} ran, of {held} in README and docs")


def tell_of_onnx(terminalreporter):
    """How many of ONNX's cases agreed, and how many were left out for which reason."""

    def of_the_suite(outcome):
        reports = terminalreporter.stats.get(outcome, [])
        return [report for report in reports if "onnx_suite_test.py" in report.nodeid]

    agree, differ = len(of_the_suite("passed")), len(of_the_suite("failed"))
    reasons = Counter(report.longrepr[-1].removeprefix("Skipped: ") for report in of_the_suite("skipped"))
    if agree or differ:
        terminalreporter.write_line(f"ONNX: {agree} cases agree, {differ} differ, {reasons.total()} are left out")
    if reasons:
        terminalreporter.write_line("; ".join(f"{count}: {reason}" for reason, count in reasons.most_common()))
