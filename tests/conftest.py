"""What tests share: a small real study, and the command line in this process."""

import gc
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from oraclecheck.cli import main

DATA = Path(os.environ["ORACLECHECK_DATA"]).absolute() if "ORACLECHECK_DATA" in os.environ else None

HERE = Path(__file__).parent
# as pytest's own pythonpath, for the processes that tests start
os.environ["PYTHONPATH"] = os.pathsep.join([str(HERE), str(HERE / "support"), os.environ.get("PYTHONPATH", "")])


LONGEST = (
    "test_resume.py",
    "test_faults.py",
    "test_fuzz.py",
    "test_cli.py",
    "test_experiment.py",
    "test_experiments.py",
    "report/test_report.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take longest, so that no process has one of them left when the others are done."""
    rank = {HERE / name: i for i, name in enumerate(LONGEST)}
    items.sort(key=lambda item: (rank.get(item.path, len(LONGEST)), item.path.parent != HERE))


def pytest_collection_finish() -> None:
    """Keep what was imported out of the garbage collector's rounds: statsmodels starts one at each adjustment of p."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish() -> None:
    gc.unfreeze()  # what plugins import for their summaries looks for its own objects there


@pytest.fixture(autouse=True)
def isolated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Every test writes to a folder of its own, and W&B finds neither account nor server."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith(("WANDB_", "HYDRA_"))]:
        monkeypatch.delenv(name)
    monkeypatch.delenv("ORACLECHECK_CACHE", raising=False)
    yield
    for name in [name for name in os.environ if name.startswith("WANDB_")]:
        del os.environ[name]  # such as $WANDB_SERVICE: processes of later tests would share this one's service


@pytest.fixture(autouse=True, scope="session")
def quick_networks_are_trained_once() -> None:
    """Hundreds of tests want the same few dense networks of a handful of digits, each in a folder of its own.

    What names a network's file decides its weights: tests/pipelines/test_dense.py sees to that in trainings of its own.
    """
    from few_digits import FewDigits  # not in the process that only hands out the tests: torch takes seconds

    from oraclecheck.engines.trainer import device_of
    from oraclecheck.pipelines import dense

    train, trained = dense._train, {}

    def train_or_remember(setting, about):
        ours = setting.network.description["_target_"].startswith("oraclecheck.")
        epochs = dense.epochs_to_keep(setting)
        if not ours or not isinstance(setting.data.source, FewDigits) or len(epochs) > 1:
            return train(setting, about)
        key = (dense.training_path(setting).name, str(epochs), str(device_of(setting.trainer)))
        if key not in trained:
            trained[key] = train(setting, about)
        return trained[key]

    dense._train = train_or_remember


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Runs a command line; gives its exit code, stdout and stderr."""

    def run(*arguments: str) -> tuple[int, str, str]:
        code = main(arguments)
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder of compiled kernels for all tests of all processes: each takes seconds to compile."""
    own = tmp_path_factory.getbasetemp()
    return (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "kernels"


@pytest.fixture(scope="session")
def data_root() -> Path:
    """The folder with real MNIST and the papers' numbers."""
    if DATA is None or not DATA.is_dir():
        pytest.skip("ORACLECHECK_DATA names no folder with MNIST/raw, paper_scatter and paper_tables")
    return DATA
