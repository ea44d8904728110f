"""Compiling: the cache, several processes at once, and a machine without a compiler."""

import multiprocessing
import os
import sys
from contextlib import nullcontext
from pathlib import Path

import pytest
import torch
from torch import nn

from oraclecheck.engines.lanes import compiler as compiling
from oraclecheck.engines.lanes.chain import Chain, chain_of
from oraclecheck.engines.lanes.compiler import compiler
from oraclecheck.engines.lanes.library import library_of

TINY = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))


@pytest.fixture
def chain(kernels) -> Chain:
    return chain_of(TINY, (1, 2, 2))


@pytest.fixture
def fresh():
    """The compiler is looked for anew, and afterwards again."""
    compiling.compiler.cache_clear()
    library_of.cache_clear()
    yield
    compiling.compiler.cache_clear()
    library_of.cache_clear()


def libraries(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.so"))


def test_library_is_compiled_once_and_named_by_all_that_it_is_made_of(chain, tmp_path, fresh, monkeypatch):
    library_of(chain, tmp_path)
    (first,) = libraries(tmp_path)
    made = first.stat().st_mtime_ns
    library_of.cache_clear()
    library_of(chain, tmp_path)
    assert libraries(tmp_path) == [first] and first.stat().st_mtime_ns == made
    others = {
        "chain": lambda: library_of(chain_of(nn.Sequential(nn.Flatten(), nn.Linear(4, 3)), (1, 2, 2)), tmp_path),
        "flags": lambda: monkeypatch.setattr("oraclecheck.engines.lanes.library.FLAGS", (*compiling.FLAGS, "-g")),
        "compiler": lambda: monkeypatch.setattr(compiling.Compiler, "__getattribute__", _older),
    }
    for n, change in enumerate(others.values(), start=2):
        change()
        library_of.cache_clear()
        library_of(chain, tmp_path)
        assert len(libraries(tmp_path)) == n
    assert not [path for path in tmp_path.iterdir() if path.suffix == ".tmp"]


def _older(self, name):
    value = object.__getattribute__(self, name)
    return "g++ 9" if name == "name" else value


def _compile(folder: str, results) -> None:
    chain = chain_of(TINY, (1, 2, 2))
    results.put(library_of(chain, Path(folder)).parameters)


@pytest.mark.parametrize("locked", [True, False])
def test_several_processes_may_compile_at_once(chain, tmp_path, locked, monkeypatch):
    """Where locks do not hold, too: the library is put in place whole, by whoever is first."""
    if not locked:
        monkeypatch.setattr("oraclecheck.engines.lanes.library.FileLock", lambda path: nullcontext())
    context = multiprocessing.get_context("fork")
    results = context.SimpleQueue()
    processes = [context.Process(target=_compile, args=(str(tmp_path), results)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [results.get() for _ in processes] == [10, 10, 10]
    assert len(libraries(tmp_path)) == 1 and not list(tmp_path.glob(".*tmp"))


def test_missing_compiler_is_said_in_one_sentence_that_names_the_package(fresh, monkeypatch):
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr(compiling.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"^engine=lanes must have a C\+\+20 compiler, .*; got none: .*g\+\+ .*Debian"):
        compiler()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("/nowhere/g++", "No such file"),
        ("{python} -c pass", None),
        ("{python} -c import(", "which cannot take our flags"),
    ],
)
def test_compiler_of_the_environment_is_taken_or_refused(fresh, monkeypatch, text, reason):
    monkeypatch.setenv("CXX", text.format(python=sys.executable))
    if reason is None:
        assert compiler().command[1:] == ("-c", "pass")
    else:
        with pytest.raises(ValueError, match=reason):
            compiler()


def test_wheel_with_a_compiler_is_taken_where_there_is_no_other(fresh, monkeypatch):
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr(compiling.importlib.util, "find_spec", lambda name: object())
    assert compiling._command() == (sys.executable, "-m", "ziglang", "c++")


def test_what_cannot_be_compiled_is_told_in_the_compilers_words(chain, tmp_path, fresh, monkeypatch):
    wrong = Chain(chain.shape, chain.layers, ("Nothing<1>",))
    with pytest.raises(ValueError, match=r"^engine=lanes must .* cannot compile chain.cpp: .*Nothing"):
        library_of(wrong, tmp_path)
    assert libraries(tmp_path) == []


def test_compiled_kernels_survive_a_changed_working_folder(chain, tmp_path, fresh, monkeypatch):
    monkeypatch.chdir(tmp_path)
    library = library_of(chain, Path("cache"))
    os.chdir("/")
    assert library.parameters == 10 and torch.get_num_threads() >= 1
