"""`pruning.budget`: a study whose ratios come from one threshold over all layers."""

import json

import pytest
import torch
from quick import QUICK

from oraclecheck.command.stored_study import StoredStudy

LAYERS = "pruning.ratio={conv1: 0.5, conv2: 0.5, conv3: 0.5}"
BUDGET = "pruning.budget={criterion: l1, ratio: 0.4}"


def test_a_budget_becomes_the_studys_ratios(command, tmp_path):
    sweep = (*QUICK, "logger=none", LAYERS, BUDGET)
    code, _, err = command(*sweep)
    assert code == 2 and "pruning.budget must be shared out over the dense network's filters" in err
    assert command(*sweep, "stage=pretrain")[0] == 0
    assert command(*sweep, 'combo="0,l1"')[0] == 0
    (study,) = (tmp_path / "multirun").glob("lenet*/")
    definition = json.loads((study / "study.json").read_text())["definition"]
    network = StoredStudy.of(study).network
    norms = [
        network.get_submodule(name).weight.detach().abs().flatten(1).sum(1) for name in ("conv1", "conv2", "conv3")
    ]
    pooled = torch.cat([each / each.mean() for each in norms])
    threshold = pooled.sort().values[11]  # the twelfth of thirty
    expected = {f"conv{i}": [10, int((each / each.mean() <= threshold).sum())] for i, each in enumerate(norms, 1)}
    assert sum(count for _, count in expected.values()) == 12
    assert definition["layers"] == {name: counts for name, counts in expected.items() if counts[1]}
    # the same counts by hand are the same study
    by_hand = ", ".join(f"{name}: {count / 10}" for name, (_, count) in expected.items() if count)
    assert command(*QUICK, "logger=none", f"pruning.ratio={{{by_hand}}}", "combo=1")[0] == 0
    assert [each.name for each in (tmp_path / "multirun").glob("lenet*/")] == [study.name]


@pytest.mark.parametrize(
    ("budget", "reason"),
    [
        ("0.5", "must be {criterion: NAME, ratio: FRACTION}; got 0.5"),
        ("{criterion: l1}", "must be {criterion: NAME, ratio: FRACTION}; got"),
        ("{criterion: l3, ratio: 0.5}", "a criterion of l1, l2,"),
        ("{criterion: l1, ratio: 1.5}", "a fraction in (0, 1); got 1.5"),
    ],
)
def test_a_budget_that_is_none_is_one_sentence(command, budget, reason):
    code, _, err = command(*QUICK, "logger=none", LAYERS, f"pruning.budget={budget}")
    assert code == 2 and reason in err and err.count("\n") == 1
