"""The compilation cache: on by default in the user's folder, and off where it is not wanted."""

import jax
import pytest

from deltarule.cache import use_compilation_cache

SETTINGS = (
    "jax_compilation_cache_dir",
    "jax_persistent_cache_min_compile_time_secs",
    "jax_persistent_cache_min_entry_size_bytes",
)


@pytest.fixture(autouse=True)
def without_a_cache(monkeypatch):
    """No cache is chosen at first, and the settings are put back afterwards."""
    before = {name: getattr(jax.config, name) for name in SETTINGS}
    jax.config.update("jax_compilation_cache_dir", None)
    monkeypatch.delenv("DELTARULE_CACHE", raising=False)
    yield
    for name, value in before.items():
        jax.config.update(name, value)


def folder():
    return jax.config.jax_compilation_cache_dir


@pytest.mark.parametrize(
    ("platform", "variable", "below"),
    [("linux", "XDG_CACHE_HOME", ""), ("linux", "HOME", ".cache"), ("darwin", "HOME", "Library/Caches"),
     ("win32", "LOCALAPPDATA", "")],
)  # fmt: skip
def test_it_lies_in_the_users_cache_folder(platform, variable, below, tmp_path, monkeypatch):
    monkeypatch.setattr("sys.platform", platform)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv(variable, str(tmp_path))
    use_compilation_cache()
    assert folder() == str(tmp_path / below / "deltarule" / "xla")
    assert (tmp_path / below / "deltarule" / "xla").is_dir()


def test_another_folder_can_be_named(tmp_path, monkeypatch):
    monkeypatch.setenv("DELTARULE_CACHE", str(tmp_path / "here"))
    use_compilation_cache()
    assert folder() == str(tmp_path / "here")


def test_it_can_be_turned_off(monkeypatch):
    monkeypatch.setenv("DELTARULE_CACHE", "off")
    use_compilation_cache()
    assert folder() is None


def test_a_cache_that_jax_was_given_is_left_alone(tmp_path, monkeypatch):
    monkeypatch.setenv("DELTARULE_CACHE", str(tmp_path / "ours"))
    jax.config.update("jax_compilation_cache_dir", str(tmp_path / "theirs"))
    use_compilation_cache()
    assert folder() == str(tmp_path / "theirs")
    assert not (tmp_path / "ours").exists()


def test_a_home_that_cannot_be_written_costs_no_error(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("DELTARULE_CACHE", str(tmp_path / "file" / "below"))
    use_compilation_cache()
    assert folder() is None
