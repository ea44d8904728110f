import os
import subprocess
import sys

from hypothesis import given
from hypothesis import strategies as st

from oraclecheck.seeds import run_seed


def test_seed_is_the_same_in_every_process():
    code = "from oraclecheck.seeds import run_seed; print(run_seed(3, {'conv1': (1, 2)}, 4, 'retrain'))"
    for hash_seed in ("1", "2"):
        shown = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
        )
        assert int(shown.stdout) == run_seed(3, {"conv1": (1, 2)}, 4, "retrain")


@given(st.integers(0, 9), st.sets(st.integers(0, 9), min_size=1), st.integers(0, 9), st.sampled_from(["a", "b"]))
def test_seed_depends_on_every_part(base, removed, repeat, purpose):
    filters = {"conv1": tuple(sorted(removed))}
    seed = run_seed(base, filters, repeat, purpose)
    assert 0 <= seed < 2**63
    others = [
        run_seed(base + 1, filters, repeat, purpose),
        run_seed(base, {"conv2": filters["conv1"]}, repeat, purpose),
        run_seed(base, {"conv1": (*filters["conv1"], 10)}, repeat, purpose),
        run_seed(base, filters, repeat + 1, purpose),
        run_seed(base, filters, repeat, purpose + "c"),
    ]
    assert seed not in others


def test_seed_does_not_depend_on_the_order_of_layers():
    assert run_seed(0, {"a": (1,), "b": (2,)}, 0, "x") == run_seed(0, {"b": (2,), "a": (1,)}, 0, "x")
