"""The benchmark for GPUs, with next to no work on the CPU: that it runs when there is a GPU."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

SCRIPT = Path(__file__).parents[3] / "benchmarks" / "stacking.py"


def run(*arguments: str) -> str:
    return subprocess.run([sys.executable, SCRIPT, *arguments], capture_output=True, text=True, check=True).stdout


@pytest.mark.slow
def test_benchmark_has_all_its_rows():
    rows = run("--tiny")
    for row in ("stacked / usual way", "ResNet56, captured / plain loop", "VGG19, captured / plain loop", "minutes"):
        assert row in rows


@pytest.mark.slow
@pytest.mark.skipif(torch.cuda.is_available(), reason="make bench measures a GPU, for minutes")
def test_benchmark_without_a_gpu_says_so():
    assert "to be run; there is no CUDA device" in run()
