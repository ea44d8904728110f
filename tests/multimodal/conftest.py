"""A tiny LLaVA with its questions, made once, and a command line that studies it."""

import importlib.util
from collections.abc import Callable
from pathlib import Path

import pytest
from tiny_llava import write_questions, write_tiny_llava

from oraclecheck.cli import main
from oraclecheck.multimodal.hub import EXTRA


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what builds a model where transformers is not installed."""
    if importlib.util.find_spec("transformers") is None:
        skip = pytest.mark.skip(reason=f"needs transformers: {EXTRA}")
        for item in items:
            if {"llava", "questions_folder"} & {*getattr(item, "fixturenames", ())}:
                item.add_marker(skip)


@pytest.fixture(scope="session")
def questions_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """64 questions about images of one color, and 32 to test with."""
    return write_questions(tmp_path_factory.mktemp("questions") / "data")


@pytest.fixture(scope="session")
def llava(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a model in the Hub's format."""
    return write_tiny_llava(tmp_path_factory.mktemp("llava") / "model")


@pytest.fixture(scope="session")
def words(llava: Path, questions_folder: Path) -> tuple[str, ...]:
    """The arguments of a study of it; where records go is still to be said."""
    return (
        *("model=tinyllava", f"model.path={llava}", "pruning.ratio=0.4375", "logger=none", "workers=1"),
        *(f"data.root={questions_folder}", "data.train=train.json", "data.test=test.json", "data.workers=0"),
        *("trainer.accelerator=cpu", "trainer.precision=32-true", "trainer.accumulate=2", "retrain.lr='0: 3e-2'"),
    )


@pytest.fixture(scope="session")
def swept(words: tuple[str, ...], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The study's folder after two methods."""
    out = tmp_path_factory.mktemp("swept")
    assert main([*words, f"paths.out={out}", 'combo="0,1"', "repeat=0"]) == 0
    (study,) = out.glob("tinyllava-*")
    return study


@pytest.fixture
def refused(words: tuple[str, ...], command: Callable[..., tuple[int, str, str]]) -> Callable[..., str]:
    """The sentence that a command with other arguments behind these is refused with."""

    def ask(*others: str) -> str:
        keys = {other.partition("=")[0] for other in others}
        kept = [word for word in words if word.partition("=")[0] not in keys]
        code, _, err = command(*kept, *others)
        assert code == 2, err
        line = [line for line in err.splitlines() if line.startswith("oraclecheck: ")][-1]
        return line.removeprefix("oraclecheck: ")

    return ask
