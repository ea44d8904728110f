"""What more runs would decide: by hand from the records of three dense networks."""

import numpy as np
import pytest
from hand_made import study_folder

from oraclecheck.analysis.more_runs import more_runs, variance_components
from oraclecheck.analysis.networks import across_networks
from oraclecheck.analysis.statistics.components import Components
from oraclecheck.analysis.tables import correlate
from oraclecheck.records.table import load_runs
from oraclecheck.report.more_runs import components_layout, more_runs_layout


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """Runs and table of three dense networks whose s differ, 12 combinations, 3 repeats, 36 s a run."""
    folder = tmp_path_factory.mktemp("more")
    for number in range(3):
        fixed = {"dense_hash": f"{number}" * 64, "setting_hash": "5" * 64, "duration_total": 36.0}
        study_folder(folder, f"a-1111111{number}", n=12, k=3, **fixed)
    runs = load_runs(folder)
    generator = np.random.default_rng(4)
    for name, start in (("final_test_accuracy", 0.9), ("final_test_loss", 0.1)):
        effect = {(study, i): v for study in set(runs["study"]) for i, v in enumerate(generator.normal(size=12))}
        means = [effect[key] for key in zip(runs["study"], runs["combo"].astype(int), strict=True)]
        runs[name] = start + 0.004 * np.array(means) + 0.002 * generator.normal(size=len(runs))
    return runs, correlate(runs, draws=200)


def test_components_are_those_of_the_records(measured):
    runs, table = measured
    found = variance_components(runs, table).set_index("metric")
    for metric in ("accuracy", "loss"):
        wide = runs.pivot_table(index=["study", "combo"], columns="repeat", values=f"final_test_{metric}")
        finals = [rows.to_numpy() for _, rows in wide.groupby("study")]
        expected = Components.of(finals)
        shares = np.array([expected.network, expected.combination, expected.repeat])
        names = ["share_network", "share_combination", "share_repeat"]
        assert found.loc[metric, names].tolist() == pytest.approx((shares / shares.sum()).tolist())
        row = found.loc[metric]
        assert (row["networks"], row["n"], row["k"]) == (3, 12, 3)
        assert row["s_spread"] ** 2 == pytest.approx(row["s_known"] ** 2 + row["s_rest"] ** 2)
        assert row["rho_k_low"] <= row["rho_anova"] <= row["rho_k_high"]


def test_further_runs_have_their_costs_and_the_interval_now_is_the_one_there_is(measured):
    runs, table = measured
    found = more_runs(runs, table)
    networks = across_networks(table).set_index("metric")
    for metric, rows in found.groupby("metric"):
        rows = rows.set_index("more")
        assert set(rows.index) == {"networks", "repeats"}  # a census has no more combinations
        reach = (networks.loc[metric, "agreement_high"] - networks.loc[metric, "agreement_low"]) / 2
        assert rows["now"].tolist() == pytest.approx([reach, reach])
        assert rows.loc["networks", ["networks", "n", "k", "runs"]].tolist() == [4, 12, 3, 36]
        assert rows.loc["repeats", ["networks", "n", "k", "runs"]].tolist() == [3, 12, 4, 36]
        assert rows["hours"].tolist() == pytest.approx([0.36, 0.36])
        assert rows["an_hour"].tolist() == pytest.approx(((rows["now"] - rows["then"]) / rows["hours"]).tolist())
    assert found["an_hour"].groupby(found["metric"], sort=False).apply(lambda each: each.is_monotonic_decreasing).all()


def test_a_sample_may_have_more_combinations_up_to_all(measured):
    runs, table = measured
    sampled = table.assign(space="sampled", space_size=20)
    rows = more_runs(runs, sampled).query("metric == 'loss'").set_index("more")
    assert rows.loc["combinations", ["networks", "n", "k", "runs"]].tolist() == [3, 20, 3, 72]
    assert rows.loc["combinations", "then"] < rows.loc["combinations", "now"]


def test_one_network_has_components_and_no_forecast(measured):
    runs, table = measured
    alone = table[table["study"] == "a-11111110"]
    found = variance_components(runs, alone)
    assert found["share_network"].isna().all() and (found["share_combination"] + found["share_repeat"]).tolist() == [
        1,
        1,
    ]
    assert more_runs(runs, alone).empty


def test_the_report_says_in_one_sentence_what_narrows_most(measured):
    runs, table = measured
    layout = more_runs_layout(more_runs(runs, table))
    sentence = next(note for note in layout.notes if note.startswith("test loss: "))
    assert "more dense networks narrow the interval over dense networks most per hour" in sentence
    assert (
        "dense networks (4 in all) for 36 runs, 0.36 h: ±" in sentence and "repeats (4 of each combination)" in sentence
    )
    assert len(layout.rows) == 5 and components_layout(variance_components(runs, table)).rows[0][2] == "3, 12, 3"
