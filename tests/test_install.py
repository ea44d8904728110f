"""The wheel, in an empty environment: the configuration travels with it."""

import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.mark.slow
def test_wheel_runs_in_an_empty_environment(tmp_path):
    """Build, install with all dependencies, run from elsewhere; takes minutes, most of them pip's."""
    for part in ("src", "conf", "pyproject.toml", "README.md", "LICENSE"):
        copy = shutil.copytree if (ROOT / part).is_dir() else shutil.copy
        copy(ROOT / part, tmp_path / part)
    subprocess.run([sys.executable, "-m", "build", "--wheel", "--outdir", tmp_path / "dist", tmp_path], check=True)
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    venv.create(tmp_path / "env", with_pip=True)
    python = tmp_path / "env/bin/python"
    install = [python, "-m", "pip", "install", "--quiet", "--constraint", ROOT / "constraints.txt", wheel]
    subprocess.run(install, check=True)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    quick = ["pretrain.epochs=1", "pretrain.lr='0: 1e-2'", "retrain.epochs=1", "retrain.lr='0: 1e-2'", 'combo="0-2"']
    for call in ([tmp_path / "env/bin/oraclecheck", *quick], [python, "-m", "oraclecheck", *quick, "logger=none"]):
        done = subprocess.run(call, cwd=elsewhere, env=environment, capture_output=True, text=True)
        assert done.returncode == 0 and "3 of 3 runs have records" in done.stdout, done.stderr
    study = next((elsewhere / "multirun").glob("lenet*"))
    report = subprocess.run([tmp_path / "env/bin/oraclecheck-report", study], env=environment, capture_output=True)
    assert report.returncode == 1 and b"249 missing" in report.stderr  # of the 252 in the space; the report is there
    assert (study / "report/scatter_accuracy.pdf").is_file()
    assert (study / "report/index.html").is_file()
