"""How little retraining is enough: against scipy, and its interval against simulated retrainings."""

from itertools import permutations

import numpy as np
import pandas as pd
import pytest
from hand_made import study_folder, write_run
from scipy.stats import kendalltau

from oraclecheck.analysis.partial_retraining import mean_partial_retraining, partial_epoch, partial_retraining
from oraclecheck.analysis.statistics.balance import mean_of_repeats
from oraclecheck.analysis.statistics.correlation import kendall
from oraclecheck.analysis.statistics.retraining_noise import joint_error
from oraclecheck.records.table import load_runs

N, K, EPOCHS = 12, 2, 4


@pytest.fixture
def values():
    """Accuracy after every epoch, of twelve combinations and two repeats: nearer and nearer to the last."""
    generator = np.random.default_rng(5)
    final = generator.uniform(0.6, 0.9, size=(N, K))
    return np.stack([final + generator.normal(size=(N, K)) * width for width in (0.1, 0.05, 0.01, 0)])


def make(folder, name, values, **columns):
    study = study_folder(folder, name, n=N, k=K, **columns)
    for combo in range(N):
        for repeat in range(K):
            history = [
                {"epoch": e, "lr": 0.1, "train_loss": 0.1, "test_loss": 1 - a, "test_accuracy": a}
                for e, a in enumerate(values[:, combo, repeat].tolist())
            ]
            last = history[-1]
            run = {"accuracy": last["test_accuracy"], "loss": last["test_loss"], "history": history, "space_size": N}
            write_run(study, combo, repeat, removed={"conv1": [combo]}, **run, **columns)
    return study


def test_agreement_after_every_epoch_is_scipys(tmp_path, values):
    make(tmp_path, "a-11111111", values)
    table = partial_retraining(load_runs(tmp_path))
    assert len(table) == 2 * EPOCHS and set(table["k"]) == {K} and set(table["epochs"]) == {EPOCHS}
    for _, row in table.iterrows():
        partial, final = values[row["epoch"] - 1], values[-1]
        assert row["tau"] == pytest.approx(kendalltau(partial.mean(axis=1), final.mean(axis=1)).statistic)
        other = [kendalltau(partial[:, r], final[:, q]).statistic for r, q in permutations(range(K), 2)]
        assert row["tau_other"] == pytest.approx(np.mean(other))
        assert row["tau_low"] <= row["tau"] <= row["tau_high"]
    last = table[table["epoch"] == EPOCHS]
    assert last[["tau", "tau_low", "tau_high"]].to_numpy() == pytest.approx(np.ones((2, 3)))


def test_studies_without_a_history_say_nothing(tmp_path):
    study_folder(tmp_path, "a-11111111")  # of one epoch
    assert partial_retraining(load_runs(tmp_path)).empty
    assert mean_partial_retraining(pd.DataFrame()).empty


def test_mean_over_networks_has_their_t_interval(tmp_path, values):
    generator = np.random.default_rng(1)
    for number in range(3):
        noisy = values + generator.normal(size=values.shape) * 0.02
        make(tmp_path, f"a-1111111{number}", noisy.clip(0, 1), dense_hash=f"{number}" * 64, setting_hash="5" * 64)
    table = partial_retraining(load_runs(tmp_path), metric="loss")
    means = mean_partial_retraining(table).set_index("epoch")
    taus = table[table["epoch"] == 1]["tau"]
    reach = 4.302653 * taus.std() / np.sqrt(3)
    assert means.loc[1, ["tau", "tau_low", "tau_high"]].tolist() == pytest.approx(
        [taus.mean(), taus.mean() - reach, taus.mean() + reach]
    )
    assert set(means["networks"]) == {3}


def test_a_tenth_of_the_epochs_is_the_papers():
    assert [partial_epoch(epochs) for epochs in (30, 120, 10, 4)] == [3, 12, 1, 1]


@pytest.mark.parametrize("shared", [0.3, 0.9])
def test_joint_error_is_the_spread_over_retrainings(shared):
    generator = np.random.default_rng(2)
    truth = generator.normal(size=50)
    early = 0.7 * truth + 0.7 * generator.normal(size=50)
    found, errors = [], []
    for _ in range(150):
        noise = generator.normal(size=(2, 50, 3))
        partial = early[:, None] + 0.6 * noise[0]
        finals = truth[:, None] + 0.6 * (shared * noise[0] + np.sqrt(1 - shared**2) * noise[1])
        found.append(kendall(mean_of_repeats(partial), mean_of_repeats(finals))[0])
        errors.append(joint_error(partial, finals)[0])
    assert np.sqrt(np.mean(np.square(errors))) == pytest.approx(np.std(found), rel=0.2)
    assert joint_error(finals, finals)[0] == 0 and np.isnan(joint_error(partial[:, :1], finals[:, :1])[0])
