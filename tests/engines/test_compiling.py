"""Training through torch.compile."""

import json
from pathlib import Path

import pytest
from quick import QUICK


@pytest.mark.slow  # compiling takes half a minute
def test_compiled_training_gives_what_eager_training_gives(command):
    found = {}
    for out, compile in (("eager", "false"), ("compiled", "true")):
        code, _, err = command(*QUICK, "logger=none", f"trainer.compile={compile}", f"paths.out={out}")
        assert code == 0, err
        (path,) = Path(out).glob("*/0/0/record.json")
        found[out] = json.loads(path.read_text())
    assert found["compiled"]["study_hash"] != found["eager"]["study_hash"]
    for metric in ("pruned_train_loss", "final_train_loss", "final_test_loss"):
        assert found["compiled"][metric] == pytest.approx(found["eager"][metric], rel=1e-3), metric
