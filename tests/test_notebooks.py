"""Notebooks run from top to bottom where a user opens them, on small studies, and are kept without outputs."""

from pathlib import Path

import nbformat
import numpy as np
import pandas as pd
import pytest
from nbclient import NotebookClient
from quick import QUICK

from oraclecheck.score import main as score

NOTEBOOKS = Path(__file__).parent.parent / "notebooks"


pytestmark = pytest.mark.filterwarnings("ignore")  # Jupyter's own


@pytest.fixture(scope="module")
def kernel():
    """One for all notebooks, which import what takes seconds."""
    client = NotebookClient(nbformat.v4.new_notebook(), timeout=300)
    yield client
    client._cleanup_kernel()


@pytest.fixture
def run(kernel, tmp_path):
    """Runs a notebook in notebooks/, its working directory in Jupyter; gives the number of figures it shows."""

    def run(name):
        folder = tmp_path / "notebooks"
        folder.mkdir()
        notebook = nbformat.read(NOTEBOOKS / name, as_version=4)
        assert not any(cell.get("outputs") for cell in notebook.cells)
        begun = f"%reset -f\nimport os\nos.chdir({str(folder)!r})\nos.environ.pop('ORACLECHECK_DATA', None)\ndel os"
        kernel.nb = nbformat.from_dict({**notebook, "cells": [nbformat.v4.new_code_cell(begun), *notebook.cells]})
        kernel.reset_execution_trackers()
        kernel.execute(cleanup_kc=False)
        assert not any(folder.iterdir())  # nothing that git would see
        outputs = [output for cell in kernel.nb.cells for output in cell.get("outputs", [])]
        return sum("image/png" in output.get("data", {}) for output in outputs)

    return run


@pytest.mark.parametrize(("name", "figures"), [("01_reaggregate.ipynb", 4), ("02_wandb.ipynb", 1)])
def test_notebook_about_a_sweep_runs_and_is_kept_without_outputs(command, run, name, figures):
    logger = "wandb" if "wandb" in name else "none"
    assert command(*QUICK, f"logger={logger}", 'combo="0-3,l1"', 'repeat="0-1"')[0] == 0
    assert run(name) == figures


@pytest.mark.slow
def test_notebook_about_a_sweep_runs_on_a_study_without_repeats_that_has_only_begun(command, run):
    assert command(*QUICK, "logger=none", 'combo="0,1"')[0] == 0
    assert run("01_reaggregate.ipynb") == 4


def test_notebook_about_published_points_runs_on_csv_files(run, tmp_path):
    folder = tmp_path / "data" / "paper_scatter"
    folder.mkdir(parents=True)
    generator = np.random.default_rng(0)
    for study in ("first", "second"):
        loss = generator.uniform(0, 3, size=20)
        accuracy = 0.9 - 0.01 * loss + generator.normal(0, 0.005, size=20)
        points = pd.DataFrame({"pruned_train_loss": loss, "final_test_accuracy": accuracy})
        points.to_csv(folder / f"{study}.csv", index=False)
    assert run("03_paper_figures.ipynb") == 3


@pytest.mark.slow
def test_notebook_about_several_networks_runs_on_two_wirings_of_each(command, run):
    sweep = ("study=networks", 'combo="0-2"', "pretrain.seed=0,1,2", "pruning.wiring=correct,released_code")
    assert command("-m", *QUICK, "logger=none", *sweep)[0] == 0
    assert run("04_networks.ipynb") == 2


def test_notebook_about_ones_own_criterion_runs_on_a_study_with_scores(command, run, tmp_path):
    assert command(*QUICK, "logger=none", 'combo="0-7"', 'repeat="0-1"')[0] == 0
    (study,) = (tmp_path / "multirun").glob("lenet*/")
    assert score([str(study), "criterion=l1"]) == 0
    assert run("05_your_criterion.ipynb") == 1


def test_every_notebook_is_run():
    assert sorted(path.name for path in NOTEBOOKS.glob("*.ipynb")) == [
        "01_reaggregate.ipynb",
        "02_wandb.ipynb",
        "03_paper_figures.ipynb",
        "04_networks.ipynb",
        "05_your_criterion.ipynb",
    ]
