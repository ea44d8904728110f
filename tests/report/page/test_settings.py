import shlex

import pandas as pd

from oraclecheck.report.page.settings import sweep_commands


def runs(combos, repeats=(0,), picked_by=None):
    rows = [{"study": "s", "combo": c, "repeat": r, "picked_by": picked_by} for c in combos for r in repeats]
    return pd.DataFrame(rows).astype({"combo": object, "picked_by": object})


STUDIES = {"s": {"overrides": ["pruning.ratio={conv1: 0.2}", "study=mine"]}}


def test_sweep_command_is_the_studys_with_the_runs_that_are_there():
    (command,) = sweep_commands(runs(range(3), (0, 1)), STUDIES).values()
    said = ["python", "-m", "oraclecheck", "-m", "pruning.ratio={conv1: 0.2}", "study=mine"]
    assert shlex.split(command) == [*said, "combo=range(3)", "repeat=range(2)"]


def test_sweep_command_lists_combinations_that_are_not_the_first():
    (command,) = sweep_commands(runs([17, 3]), STUDIES).values()
    assert shlex.split(command)[-1] == "combo=3,17"


def test_sweep_command_is_silent_where_no_study_file_or_no_combination_is_known():
    assert sweep_commands(runs([0]), {}) == sweep_commands(runs([None], picked_by="l1"), STUDIES) == {}
