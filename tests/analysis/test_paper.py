"""The published numbers of paper 1 from the published points, read from $ORACLECHECK_DATA.

Tolerances are those of the numbers' print: tau to its two decimals, p within a factor of 1.4 (the points were read off
vector figures), anomaly ratios within one combination.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from oraclecheck.analysis.statistics.choice import anomaly_ratio
from oraclecheck.analysis.statistics.correlation import kendall
from oraclecheck.analysis.statistics.pairs import counterexamples

TWO_DECIMALS = 0.005 + 1e-9


def scatter(root: Path, name: str) -> tuple[np.ndarray, np.ndarray]:
    points = pd.read_csv(root / "paper_scatter" / f"{name}.csv")
    return points["pruned_train_loss"].to_numpy(), points["final_test_accuracy"].to_numpy()


def cell_names(root: Path) -> dict[str, pd.Series]:
    """The rows of Table 2 by the name of their points' file: conv1/3 at 0.5 is conv1_0.5-conv3_0.5."""
    rows = {}
    for _, row in pd.read_csv(root / "paper_tables" / "table_2_tau_accuracy.csv").iterrows():
        layers = [f"conv{number}_{row['pruning_ratio']}" for number in row["layers"].removeprefix("conv").split("/")]
        rows["lenet5_mini-mnist-" + "-".join(layers)] = row
    return rows


def test_table_2_has_a_cell_for_every_file_of_points(data_root):
    files = {path.stem for path in (data_root / "paper_scatter").glob("lenet5_mini-mnist-*.csv")}
    assert set(cell_names(data_root)) == files
    assert len(files) == 25


@pytest.mark.parametrize("cell", range(25))
def test_table_2_reproduces_from_the_published_points(data_root, cell):
    name, printed = list(cell_names(data_root).items())[cell]
    tau, p = kendall(*scatter(data_root, name))
    assert tau == pytest.approx(printed["tau"], abs=TWO_DECIMALS), name
    assert 1 / 1.4 < p / printed["p_value"] < 1.4, name


@pytest.mark.parametrize("figure", range(4))
def test_figures_reproduce_their_tau_and_anomaly_ratio(data_root, figure):
    printed = pd.read_csv(data_root / "paper_tables" / "figures_tau_and_anomaly.csv").iloc[figure]
    score, final = scatter(data_root, printed["scatter_file"])
    assert len(score) == printed["n"]
    assert kendall(score, final)[0] == pytest.approx(printed["tau"], abs=TWO_DECIMALS)
    better = anomaly_ratio(score, final, higher_is_better=True) * len(score)
    assert abs(round(better) - round(printed["anomaly_ratio_percent"] / 100 * len(score))) <= 1


@pytest.fixture
def table_a5(data_root):
    return pd.read_csv(data_root / "paper_tables" / "table_a5_vit.csv")


@pytest.mark.parametrize(
    ("metric", "tau", "p"), [("final_test_accuracy_percent", 0.16, 0.60), ("final_test_loss", -0.04, 0.86)]
)
def test_table_a5_reproduces_tau_and_p(table_a5, metric, tau, p):
    # Printed in the paper's text and not in the data folder's tables.
    found = kendall(table_a5["pruned_train_loss"], table_a5[metric])
    assert found == pytest.approx((tau, p), abs=TWO_DECIMALS)


def test_table_a5_reproduces_the_printed_counterexamples(table_a5, data_root):
    printed = pd.read_csv(data_root / "paper_tables" / "table_a5_counterexamples.csv")
    printed_pairs = {frozenset(pair) for pair in printed.itertuples(index=False, name=None)}
    rows = table_a5.set_index("combination")[["pruned_train_loss", "final_test_accuracy_percent"]]
    found = set()
    for first in rows.index:
        for second in rows.index[rows.index > first]:
            pair = rows.loc[[first, second]]
            counts = counterexamples(pair.iloc[:, 0], pair.iloc[:, 1], higher_is_better=True)
            found |= {frozenset((first, second))} if counts.counterexamples else set()
    assert found == printed_pairs

    counts = counterexamples(rows.iloc[:, 0], rows.iloc[:, 1], higher_is_better=True)
    assert (counts.counterexamples, counts.pairs) == (len(printed), 45)
    assert (counts.tied_score, counts.tied_final) == (0, 0)


def test_table_a5_has_23_counterexamples_and_one_tie_in_loss(table_a5):
    counts = counterexamples(table_a5["pruned_train_loss"], table_a5["final_test_loss"], higher_is_better=False)
    assert (counts.counterexamples, counts.tied_score, counts.tied_final) == (23, 0, 1)


@pytest.fixture
def table_a6(data_root):
    table = pd.read_csv(data_root / "paper_tables" / "table_a6_mllm.csv").set_index("method")
    benchmarks = table[["sqa", "textvqa", "gqa", "mmvet", "pope"]]
    return table, benchmarks


def test_table_a6_printed_average_is_the_sum_of_five_benchmarks_over_four(table_a6):
    table, benchmarks = table_a6
    difference = (benchmarks.sum(axis=1) / 4 - table["printed_average"]).abs()
    assert difference.drop("PNP").max() < TWO_DECIMALS
    assert difference["PNP"] == pytest.approx(0.02)  # as printed: 76.28 for 305.2 / 4


def test_table_a6_has_five_counterexamples_with_printed_averages_and_four_and_a_tie_with_true_means(table_a6):
    table, benchmarks = table_a6
    pruned = table.index != "dense"
    score = table["pruned_train_loss"][pruned]
    printed = counterexamples(score, table["printed_average"][pruned], higher_is_better=True)
    assert (printed.counterexamples, printed.tied_final, printed.pairs) == (5, 0, 6)
    # Means of numbers with one decimal have two; unrounded, the tie breaks in the 15th digit.
    true = counterexamples(score, benchmarks.mean(axis=1).round(2)[pruned], higher_is_better=True)
    assert (true.counterexamples, true.tied_final, true.pairs) == (4, 1, 6)
