"""Intervals of agreement, reliability and noise-free agreement: their coverage where the truth is known."""

import math

import numpy as np
import pytest
from interval_coverage import NAMES, SETTING, coverage_of_census, coverage_of_sample, settings, stated
from scipy.stats import kendalltau
from simulation import WORLDS

from oraclecheck.analysis.statistics import intervals
from oraclecheck.analysis.statistics.intervals import noise_and_intervals
from oraclecheck.analysis.statistics.retraining_noise import agreement_error
from oraclecheck.analysis.statistics.uncertainty import census_reliability

MONTE_CARLO = 4.0
"""Standard errors by which a coverage may differ from the stated one: all 324 of the table stay within in 98 %."""

QUICK = [
    ("sample", "gaussian", 45, 3, 0.6, 0.3),
    ("sample", "collapsed", 45, 2, 0.0, 0.8),
    ("census", "additive", 45, 3, 0.6, 0.3),
    ("census", "rounded", 45, 3, 0.6, 0.8),
]


def assert_as_stated(setting: tuple, networks: int, studies: int, retrainings: int) -> None:
    """A fresh simulation, with seeds of its own, covers what the table states, within the errors of both."""
    kind, *numbers = setting
    if kind == "sample":
        found, error = coverage_of_sample(*numbers, studies=networks * studies, base=(7,))
    else:
        sizes = {"networks": networks, "studies": studies, "retrainings": retrainings}
        found, error = coverage_of_census(*numbers, **sizes, base=(7,))
    row = stated().set_index(list(SETTING)).loc[setting]
    for name, share, own in zip(NAMES, found, error, strict=True):
        # The error of a share that happens to be 1 is not 0.
        own = max(own, np.sqrt(row[name] * (1 - row[name]) / (networks * studies)))
        assert abs(share - row[name]) < MONTE_CARLO * np.hypot(own, row[f"{name}_error"]), (setting, name, share)


@pytest.mark.parametrize("setting", QUICK, ids=lambda setting: "-".join(map(str, setting)))
def test_intervals_cover_what_the_table_states(setting):
    assert_as_stated(setting, networks=25, studies=10, retrainings=40)


@pytest.mark.slow
@pytest.mark.parametrize("setting", settings(), ids=lambda setting: "-".join(map(str, setting)))
def test_intervals_cover_what_the_table_states_in_every_setting(setting):
    assert_as_stated(setting, networks=40, studies=10, retrainings=60)


def test_coverage_is_stated_for_every_setting_and_lies_where_the_docstring_says():
    table = stated()
    assert [tuple(row) for row in table[list(SETTING)].to_numpy(object)] == settings()
    lines = [line.split() for line in intervals.__doc__.splitlines() if line.strip().startswith(("census ", "sample "))]
    groups = table.groupby(["kind", "world"])
    assert {tuple(line[:2]) for line in lines} == set(groups.groups)
    for line in lines:
        shares = 100 * groups.get_group(tuple(line[:2])).groupby(["n", "k"])[list(NAMES)].agg(["min", "max"])
        expected = [f"{low:.0f}-{high:.0f}" for name in NAMES for low, high in shares[name].to_numpy()]
        assert line[2:] == expected, line
    inside = int(table[list(NAMES)].apply(lambda shares: shares.between(0.93, 0.97)).to_numpy().sum())
    assert f"{inside} of the {3 * len(table)} coverages lie between 93 and 97 %" in " ".join(intervals.__doc__.split())
    errors = table[[f"{name}_error" for name in NAMES]].to_numpy()
    assert f"{100 * errors.min():.1f} to {100 * errors.max():.1f}" in " ".join(intervals.__doc__.split())
    of_census = table[table["kind"] == "census"]["rho_k"]
    low, high = of_census.min(), of_census.max()
    assert f"{100 * low:.0f} to {100 * high:.0f} %" in " ".join(census_reliability.__doc__.split())


def test_error_of_a_census_is_the_spread_over_retrainings():
    rng = np.random.default_rng(0)
    world = WORLDS["additive"](120, 0.5, 0.7, rng)
    studies = [world.retrain(rng, 3) for _ in range(200)]
    spread = np.std([kendalltau(world.score, finals.mean(axis=1)).statistic for finals in studies])
    errors = [agreement_error(world.score, finals)[0] for finals in studies[:40]]
    assert np.mean(errors) == pytest.approx(spread, rel=0.12)


def test_error_without_noise_is_zero_and_without_repeats_unknown():
    score, finals = np.arange(12.0), np.repeat(np.arange(12.0)[::-1, None], 3, axis=1)
    assert agreement_error(score, finals)[0] == pytest.approx(0, abs=1e-12)
    assert math.isnan(agreement_error(score, finals[:, :1])[0])
    assert math.isnan(agreement_error(np.ones(12), finals)[0])


def test_error_does_not_depend_on_units_or_on_which_repeat_is_which():
    rng = np.random.default_rng(0)
    score, finals = rng.normal(size=30), rng.normal(size=(30, 3))
    error, freedom = agreement_error(score, finals)
    assert agreement_error(-5 * score, 100 * finals[:, [2, 0, 1]] + 3) == pytest.approx((error, freedom))


def test_ends_are_in_the_direction_of_the_agreement():
    rng = np.random.default_rng(0)
    score, finals = rng.normal(size=30), rng.normal(size=(30, 2))
    for census in (True, False):
        loss, _ = noise_and_intervals(score, finals, higher_is_better=False, census=census, draws=500, seed=0)
        accuracy, _ = noise_and_intervals(score, -finals, higher_is_better=True, census=census, draws=500, seed=0)
        assert loss == pytest.approx(accuracy)
