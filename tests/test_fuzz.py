"""A few examples of all that `make fuzz` makes by the thousand: no traceback, exit codes 0 to 2, nothing elsewhere."""

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from fuzz.targets import TARGETS, base
from fuzz.world import fuzzing

FEW, MANY = 4, 60
SLOW = ("files of --config-dir", "checkpoints", "what a sweep finds in its folder")  # seconds an example
QUICK = ("notes of what was asked for", "claims", "CSV and Parquet files, bytes", "studies' files")


@pytest.mark.parametrize("name", [pytest.param(name, marks=[pytest.mark.slow] * (name in SLOW)) for name in TARGETS])
def test_fuzzed_input_is_met_with_a_sentence(name):
    target = TARGETS[name]

    @settings(
        max_examples=MANY if name in QUICK else FEW,
        derandomize=True,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=[*HealthCheck],
    )
    @given(target.inputs)
    def check(made):
        target.check(made)

    with fuzzing():
        base()
        check()
