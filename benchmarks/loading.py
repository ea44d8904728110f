"""Seconds to load a study of many records: from its records, and from the cache that the first loading leaves.

A section of `bench.py`; alone, `python benchmarks/loading.py`.
"""

import json
import math
import random
import shutil
import subprocess
import sys
import tempfile
from base64 import b64encode
from pathlib import Path

from oraclecheck.files import write_json
from oraclecheck.records.record import Record, to_json
from oraclecheck.records.store import record_path
from oraclecheck.records.validation import MEASURED
from oraclecheck.study.identity import OF_STUDY, SCHEMA

RECORDS = 10_000
EPOCHS = 30
TEST_IMAGES = 10_000
PER_EPOCH = ("lr", "train_loss", "test_loss", "test_accuracy")
FIXED = {"model": "lenet5_mini", "pruning_ratio": {"conv2": 0.5}, "wiring": "correct", "order": "sampled"}
FIXED |= {"engine": "lightning", "pipeline": "one_shot", "retrain_fraction": 1.0, "dense_hash": "1" * 64}
LOAD = """
import sys, time
from oraclecheck import load_runs
start = time.perf_counter()
load_runs(sys.argv[1])
print(time.perf_counter() - start)
"""


def a_study(folder: Path, n: int = RECORDS) -> Path:
    """A study of n records like those of LeNet5-Mini on MNIST, without the fsync of a real one."""
    generator = random.Random(0)
    study = folder / "loading-00000000"
    for combo in range(n):
        history = [
            {
                "epoch": epoch,
                **{name: generator.random() for name in ("lr", "train_loss", "test_loss", "test_accuracy")},
            }
            for epoch in range(EPOCHS)
        ]
        metrics = {name: generator.random() for name in MEASURED} | {"best_epoch": 3}
        record = Record(
            schema=SCHEMA, study=study.name, study_hash="0" * 64, setting_hash="2" * 64, data="mnist", layers=["conv2"],
            space_size=math.comb(20, 10), combo=combo, removed={"conv2": sorted(generator.sample(range(20), 10))},
            picked_by=None, repeat=0, seed=generator.getrandbits(63), pretrain_seed=0, status="ok", **FIXED,
            history=history, final_test_correct=b64encode(generator.randbytes(TEST_IMAGES // 8)).decode(),
            versions={"oraclecheck": "0.1.0", "torch": "2.11"}, device="cpu x86_64", threads=1, **metrics,
        )  # fmt: skip
        path = record_path(study, combo, 0)
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(to_json(record), indent=1))
    definition = {**FIXED, "layers": {"conv2": [20, 10]}, "order_seed": 0, "seed": 0}
    identity = {name: getattr(record, name) for name in OF_STUDY}
    write_json(study / "study.json", {"identity": identity, "definition": definition, "overrides": [], "config": {}})
    return study


def seconds(study: Path, *, cached: bool) -> float:
    """Seconds a fresh process takes to load a study, from its records or from the cache that a loading before left."""
    if not cached:
        shutil.rmtree(study / ".cache", ignore_errors=True)
    shown = subprocess.run([sys.executable, "-c", LOAD, str(study)], capture_output=True, text=True, check=True)
    return float(shown.stdout)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as where:
        study = a_study(Path(where))
        for cached in (False, True):
            print(f"{'again' if cached else 'first'}: {seconds(study, cached=cached):.2f} s")
