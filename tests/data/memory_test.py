"""What a machine's memory is, where the system tells it and where it does not."""

import os
from pathlib import Path

import pytest

from deltarule.data.memory import available_memory, machine_memory
from deltarule.inspect.memory import memory_here


@pytest.fixture
def eight_pages(monkeypatch):
    """A machine of eight pages of 100 bytes."""
    monkeypatch.setattr(os, "sysconf", {"SC_PHYS_PAGES": 8, "SC_PAGE_SIZE": 100}.__getitem__)


@pytest.mark.usefixtures("eight_pages")
@pytest.mark.parametrize(
    ("told", "available"),
    [("MemTotal: 9 kB\nMemAvailable:      3 kB\n", 3072), ("MemTotal: 9 kB\n", 800), (None, 800)],
)
def test_what_is_available_is_what_linux_says_or_else_the_whole(told, available, monkeypatch):
    def read_text(path):
        if told is None:
            raise FileNotFoundError(path)
        return told

    monkeypatch.setattr(Path, "read_text", read_text)
    assert available_memory() == available
    assert (machine_memory(), memory_here()) == (800, 800)


def test_a_system_that_says_nothing_has_no_bound(monkeypatch):
    monkeypatch.delattr(os, "sysconf")
    assert machine_memory() is None
    assert memory_here() == 0
