"""Components of variance and predicted intervals: by hand, and against simulations with known truth."""

import numpy as np
import pytest
from scipy.stats import t as student

from oraclecheck.analysis.statistics.balance import mean_of_repeats
from oraclecheck.analysis.statistics.bootstrap import kendall_draws
from oraclecheck.analysis.statistics.components import Agreements, Components
from oraclecheck.analysis.statistics.correlation import kendall
from oraclecheck.analysis.statistics.retraining_noise import agreement_error
from oraclecheck.analysis.statistics.uncertainty import mean_tau, reliability


def test_components_by_hand():
    # Means 1, 3 and 11, 13; repeats differ by 2: MS_e = 2, MS_C = 2 * 4 / 2 = 4, MS_N = 4 * 2 * 25 = 200.
    finals = [np.array([[0.0, 2.0], [2.0, 4.0]]), np.array([[10.0, 12.0], [12.0, 14.0]])]
    found = Components.of(finals)
    assert (found.repeat, found.combination, found.network) == pytest.approx((2, 1, (200 - 4) / 4))
    assert found.reliability(2) == pytest.approx(1 / 2)
    alone = Components.of(finals[:1])
    assert np.isnan(alone.network) and alone.repeat == 2
    noise_alone = Components.of([np.array([[0.0, 2.0], [2.0, 0.0]])])
    assert (noise_alone.combination, noise_alone.reliability(2)) == (0, 0)


def test_components_are_those_of_the_simulation():
    generator = np.random.default_rng(1)
    found = []
    for _ in range(300):
        finals = [
            generator.normal(0, 2) + generator.normal(0, 1, (n, 1)) + generator.normal(0, 0.5, (n, 3))
            for n in (20, 45, 30, 45, 12)
        ]
        each = Components.of(finals)
        found.append((each.network, each.combination, each.repeat))
    assert np.mean(found, axis=0) == pytest.approx([4, 1, 0.25], rel=0.1)


def test_more_networks_narrow_by_the_t_quantile_and_the_root():
    known = Agreements(np.array([0.1, 0.3, 0.5]), np.full(3, 0.01), np.full(3, 0.8), 45, 2, True)
    assert (known.known, known.rest) == pytest.approx((0.01, 0.03))
    assert known.half_width(3, 45, 2) == pytest.approx(4.302653 * 0.2 / np.sqrt(3), rel=1e-6)
    assert known.half_width(4, 45, 2) == pytest.approx(3.182446 * 0.2 / 2, rel=1e-6)
    unknown = Agreements(np.array([0.1, 0.3]), np.full(2, 0.01), np.full(2, np.nan), 45, 1, False)
    assert np.isnan(unknown.half_width(2, 45, 2)) and unknown.half_width(2, 90, 1) > 0


WORLDS = [(0.0, 0.15, 0.5, True), (0.3, 0.15, 0.5, True), (0.3, 0.0, 0.3, False), (0.3, 0.2, 0.7, False)]
"""Mean and spread over networks of the correlation with the true metric, rho_1, census."""


@pytest.mark.parametrize(("mean", "spread", "rho", "census"), WORLDS[1:2])
def test_predicted_half_widths_are_those_of_the_simulation(mean, spread, rho, census):
    check(mean, spread, rho, census, studies=80, networks=5)


@pytest.mark.slow
@pytest.mark.parametrize("networks", [3, 8])
@pytest.mark.parametrize(("mean", "spread", "rho", "census"), WORLDS)
def test_predicted_half_widths_are_those_of_many_simulations(mean, spread, rho, census, networks):
    check(mean, spread, rho, census, studies=250, networks=networks)


def check(mean, spread, rho, census, *, studies, networks):
    """Root mean squares, within 15 %, of what (m, n, k) predicts and what the larger designs show."""
    n, k = 45, 2
    asked = [(networks, n, k), (networks + 1, n, k), (networks, n, k + 1)]
    asked += [] if census else [(networks, 2 * n, k)]
    generator = np.random.default_rng(3)
    predicted = []
    for _ in range(studies):
        found = simulated(generator, networks, n, k, mean, spread, rho)
        predicted.append([agreements(found, census).half_width(*design) for design in asked])
    shown = []
    for design in asked:
        m, combinations, repeats = design
        widths = []
        for _ in range(studies):
            found = simulated(generator, m, combinations, repeats, mean, spread, rho)
            s = np.array([kendall(score, mean_of_repeats(finals))[0] for score, finals in found])
            widths.append(student.ppf(0.975, m - 1) * s.std(ddof=1) / np.sqrt(m))
        shown.append(root_mean_square(widths))
    assert [root_mean_square(each) for each in np.transpose(predicted)] == pytest.approx(shown, rel=0.15)


def root_mean_square(values):
    return float(np.sqrt(np.mean(np.square(values))))


def simulated(generator, networks, n, k, mean, spread, rho):
    """Scores and finals of each network; the score's correlation with the true metric is the network's own."""
    found = []
    for _ in range(networks):
        r = float(np.clip(generator.normal(mean, spread), -0.99, 0.99))
        score = generator.normal(size=n)
        truth = r * score + np.sqrt(1 - r**2) * generator.normal(size=n)
        noise = generator.normal(size=(n, k))
        found.append((score, np.sqrt(rho) * truth[:, None] + np.sqrt(1 - rho) * noise))
    return found


def agreements(found, census) -> Agreements:
    n, k = found[0][1].shape
    s = np.array([kendall(score, mean_of_repeats(finals))[0] for score, finals in found])
    rho = np.array([float(reliability(mean_tau(finals), k)[1]) for _, finals in found])
    if census:
        variance = np.array([agreement_error(score, finals)[0] ** 2 for score, finals in found])
    else:
        pairs = [[(score, mean_of_repeats(finals))] for score, finals in found]
        variance = np.array([kendall_draws(pair, 200, 0).var() for pair in pairs])
    return Agreements(s, variance, rho, n, k, census)
