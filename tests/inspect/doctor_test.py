"""The look at an installation: what is there, what lacks, and what is found wrong where something is."""

import json
from types import SimpleNamespace

import jax
import pytest

from deltarule.inspect import doctor, self_test
from deltarule.inspect.doctor import Diagnosis, Problem, diagnosis
from deltarule.inspect.installed import Found, extras_of, meets, needs, parsed
from deltarule.inspect.self_test import Trial, trial
from deltarule.kernels import native
from deltarule.layers import Dense


@pytest.fixture
def packages(tmp_path, monkeypatch):
    """A function that installs the metadata of a package."""
    monkeypatch.syspath_prepend(tmp_path)

    def install(name, version, *lines):
        folder = tmp_path / f"{name}-{version}.dist-info"
        folder.mkdir()
        text = "\n".join(["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}", *lines])
        (folder / "METADATA").write_text(text + "\n")

    return install


def fresh(monkeypatch, value, of="DELTARULE_KERNELS"):
    """Sets an environment variable that the kernels are chosen by, and forgets the choice."""
    monkeypatch.setenv(of, value)
    native.companion.cache_clear()


@pytest.fixture(autouse=True)
def choose_again():
    """The kernels are chosen anew after each test."""
    yield
    native.companion.cache_clear()


def test_what_an_extra_lacks_is_found(packages):
    packages(
        "deltarule",
        "0.1.0",
        "Requires-Dist: numpy>=1.26",
        "Provides-Extra: a",
        'Requires-Dist: there>=1.0; extra == "a"',
        "Requires-Dist: gone>=2; extra == 'a'",
        "Requires-Dist: old[more]>=3; extra == 'a'",
        "Provides-Extra: all",
        "Requires-Dist: deltarule[a]; extra == 'all'",
        "Requires-Dist: elsewhere; extra == 'all' and sys_platform == 'win32'",
    )
    packages("there", "1.5")
    packages("old", "2.9", "Requires-Dist: nested; extra == 'more'", "Requires-Dist: base")
    lacks = [
        Found("there", "1.5", ">=1.0"),
        Found("gone", None, ">=2"),
        Found("old", "2.9", ">=3"),
        Found("nested", None, ""),
    ]
    assert extras_of() == ["a", "all"]
    assert list(needs(extra="a")) == lacks
    assert list(needs(extra="all")) == lacks
    assert [each.name for each in needs()] == ["numpy"]
    problems = []
    found = doctor.extras(problems)
    assert found["a"]["missing"] == ["gone", "old 2.9 (needs >=3)", "nested"]
    assert found["a"]["packages"]["there"] == "1.5"
    assert found["all"]["brings"] == "pip install 'deltarule[all]'"
    assert problems[0].what == "a: old 2.9 (needs >=3): pip install 'deltarule[a]'"
    assert not any(problem.fatal for problem in problems)


@pytest.mark.parametrize(
    ("version", "versions", "fits"),
    [
        ("0.10.2", ">=0.10", True),
        ("0.9.9", ">=0.10", False),
        ("1.0", "==1.0.0", True),
        ("2.13.0+cpu", "==2.13.0", True),
        ("3.0", ">=1,<3", False),
        ("2.9.1", ">=1, <3", True),
        ("1.0rc1", "~=7", True),  # what cannot be judged
        ("5", "<=4.9", False),
        ("5", ">5", False),
    ],
)
def test_versions_are_compared_by_their_numbers(version, versions, fits):
    assert meets(version, versions) is fits


def test_a_requirement_has_its_parts():
    assert parsed("a.b_c") == ("a.b_c", "", ())
    assert parsed("old [x, y] (>=3)") == ("old", ">=3", ("x", "y"))


def test_a_whole_installation_works():
    found = diagnosis()
    assert found.works
    told = json.loads(json.dumps(found.to_json()))
    assert told["versions"]["jax"] == jax.__version__
    assert told["devices"]["0"]["platform"] == jax.devices()[0].platform
    assert told["machine"]["threads"] >= 1
    assert told["test"]["gradient_error"] < 1e-8
    assert told["cache"] == {"folder": told["cache"]["folder"], **told["cache"]}
    assert set(told) >= {
        "works",
        "versions",
        "machine",
        "devices",
        "kernels",
        "cache",
        "extras",
        "test",
        "problems",
    }


def test_a_core_package_that_is_too_old_is_fatal(packages):
    packages("deltarule", "0.1.0", "Requires-Dist: jax>=99", "Requires-Dist: nowhere>=1")
    problems = []
    doctor.versions(problems)
    assert [problem.fatal for problem in problems] == [True, True]
    assert f"jax {jax.__version__} is installed, and >=99 is needed: pip install 'jax>=99'" in problems[0].what
    assert "nowhere is not installed" in problems[1].what


def test_another_version_than_what_runs_is_told(packages):
    packages("deltarule", "0.0.1")
    problems = []
    doctor.versions(problems)
    [problem] = problems
    assert "deltarule 0.0.1 is installed, and" in problem.what


def test_a_platform_that_is_not_there_is_fatal(monkeypatch):
    def none():
        raise RuntimeError("Unable to initialize backend 'rocm'")

    monkeypatch.setenv("JAX_PLATFORMS", "rocm")
    monkeypatch.setattr(jax, "devices", none)
    problems = []
    assert doctor.devices(problems) == {}
    assert [problem.fatal for problem in problems] == [True]
    assert "JAX_PLATFORMS=rocm asks for what is not there; unset it" in problems[0].what


def test_a_gpu_package_without_a_gpu_is_told(packages, monkeypatch):
    packages("jax-cuda12-plugin", "0.10.2")
    monkeypatch.setattr(doctor.shutil, "which", lambda name: None)
    assert [
        "jax-cuda12-plugin is installed, but JAX finds no GPU" in each.what
        for each in doctor.gpu_problems({"cpu"})
    ]
    assert list(doctor.gpu_problems({"cpu", "gpu"})) == []


def test_a_gpu_that_jax_does_not_use_is_told(monkeypatch):
    monkeypatch.setattr(doctor.shutil, "which", lambda name: "/usr/bin/nvidia-smi")
    monkeypatch.setattr(doctor.metadata, "distributions", list)
    [problem] = doctor.gpu_problems({"cpu"})
    assert "pip install 'jax[cuda12]'" in problem.what
    monkeypatch.setenv("JAX_PLATFORMS", "cpu")
    assert list(doctor.gpu_problems({"cpu"})) == []


def test_kernels_that_are_asked_for_in_vain_are_fatal(monkeypatch):
    fresh(monkeypatch, "mkl")
    problems = []
    assert doctor.kernels(problems)["used"] == "none"
    assert [problem.fatal for problem in problems] == [True]
    assert "expected auto, xla or onednn, got 'mkl'" in problems[0].what


def test_kernels_that_can_be_built_are_told(monkeypatch):
    monkeypatch.setattr(doctor, "version_of", lambda name: None)
    monkeypatch.setattr(doctor.shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setenv("CXX", "clang++")
    problems = []
    assert doctor.kernels(problems)["compiler"] == "/usr/bin/clang++"
    assert "make native, in Deltarule's source, builds them with /usr/bin/clang++" in problems[0].what


def test_kernels_of_another_version_are_told(monkeypatch):
    monkeypatch.setattr(doctor, "described", lambda: "XLA (deltarule-onednn cannot be loaded: it is 0.1.0)")
    monkeypatch.setattr(doctor, "version_of", lambda name: "0.1.0")
    problems = []
    assert doctor.kernels(problems)["companion"] == "0.1.0"
    assert [("the native kernels are not used" in each.what, each.fatal) for each in problems] == [(True, False)]


def test_the_cache_is_measured(tmp_path, monkeypatch):
    monkeypatch.setattr(doctor, "jax", SimpleNamespace(config=SimpleNamespace(jax_compilation_cache_dir=None)))
    monkeypatch.setenv("DELTARULE_CACHE", str(tmp_path))
    (tmp_path / "jit_f-cache").write_bytes(b"12345")
    problems = []
    assert doctor.cache(problems) == {"folder": str(tmp_path), "programs": 1, "bytes": 5}
    monkeypatch.setenv("DELTARULE_CACHE", "off")
    assert doctor.cache(problems)["folder"] is None
    assert problems == []
    monkeypatch.setenv("DELTARULE_CACHE", str(tmp_path / "jit_f-cache" / "inside"))  # a file is no folder
    assert doctor.cache(problems)["folder"] is None
    assert ["set DELTARULE_CACHE" in problem.what for problem in problems] == [True]


def test_a_training_step_that_cannot_be_computed_is_fatal(monkeypatch):
    def lost():
        raise ValueError("no such kernel\nand more")

    monkeypatch.setattr(doctor, "trial", lost)
    problems = []
    assert doctor.tried(problems) == {}
    assert problems == [Problem("a training step cannot be computed: ValueError: no such kernel", fatal=True)]
    assert not Diagnosis({}, tuple(problems)).works


def test_wrong_numbers_are_fatal(monkeypatch):
    monkeypatch.setattr(doctor, "trial", lambda: Trial(0.5, 1.0, 0.9, 0.1))
    problems = []
    doctor.tried(problems)
    assert "computes wrong numbers" in problems[0].what
    assert problems[0].fatal


def test_the_trial_finds_a_wrong_derivative(monkeypatch):
    class Wrong(Dense):
        def backward(self, params, saved, dy):
            dx, dparams = super().backward(params, saved, dy)
            return dx, dparams | {"b": dparams["b"] * 1.001}

    monkeypatch.setattr(self_test, "Dense", Wrong)
    assert not trial().works
