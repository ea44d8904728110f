"""What this project's statistics say of the published points: writes docs/published.md.

    python docs/published.py DATA

Paper 1 is Feng, Tao and Wang, "Is Oracle Pruning the True Oracle?" (arXiv 2412.00143). DATA/paper_scatter holds every
point of its Figures 2 to 5, one CSV file per study, and DATA/paper_tables its printed tables.
"""

import sys
from itertools import combinations
from math import comb
from pathlib import Path

import numpy as np
import pandas as pd

import oraclecheck as oc

PAGE = Path(__file__).with_name("published.md")
SHUFFLES = 999
FILTERS = 10  # of each convolution of LeNet5-Mini


def main(data: Path, page: Path = PAGE) -> None:
    """Write the page.

    Args:
        data: Folder with paper_scatter and paper_tables.
        page: Where the page goes.
    """
    printed = pd.read_csv(data / "paper_tables" / "table_2_tau_accuracy.csv")
    printed["study"] = [_study(row.layers, row.pruning_ratio) for row in printed.itertuples()]
    paths = sorted((data / "paper_scatter").glob("*.csv"))
    runs = pd.concat([published_runs(path) for path in paths], ignore_index=True)
    cells = runs[runs["study"].isin(printed["study"])]
    others = runs[~runs["study"].isin(printed["study"])]
    table = printed.merge(oc.correlate(cells, metric="accuracy"), on="study", suffixes=("_printed", ""))
    beyond = oc.correlate(others, metric="accuracy")
    order = pd.DataFrame([row_order(points) for _, points in runs.groupby("study") if _is_census(points)])
    page.write_text(_page(table, beyond, order))


def published_runs(path: Path) -> pd.DataFrame:
    """The points of one file as runs; those of a whole combination space with the filters their row number says.

    `row_order` tests that the rows are in the order of the space.
    """
    runs = oc.load_runs(path)
    layers = [part.rsplit("_", 1) for part in path.stem.split("-")[2:]]
    runs["model"], runs["data"] = path.stem.split("-")[:2]
    runs["layers"] = [[name for name, _ in layers]] * len(runs)
    runs["pruning_ratio"] = [{name: float(ratio) for name, ratio in layers}] * len(runs)
    if len(layers) == 1 and layers[0][0] != "blocks" and layers[0][0] != "convs" and "_w" not in path.stem:
        name, ratio = layers[0][0], float(layers[0][1])
        removed = round(FILTERS * ratio)
        runs["order"], runs["space_size"] = "lexicographic", comb(FILTERS, removed)
        runs["removed"] = [{name: list(chosen)} for chosen in combinations(range(FILTERS), removed)]
    else:
        runs["order"] = "sampled"
    return runs


def row_order(points: pd.DataFrame, seed: int = 0) -> dict[str, object]:
    """How well ten additive filter effects explain the points if row i is combination i, against shuffled rows.

    Args:
        points: The runs of one whole space.
        seed: Seed of the shuffles.

    Returns:
        `study`, `r2` (share of the variance of the ranks of pruned train loss and accuracy, their mean, that the
        effects explain; higher is better), `shuffled` (its mean over shuffled rows) and `p`.
    """
    is_removed = np.zeros((len(points), FILTERS))
    for row, removed in enumerate(points["removed"]):
        is_removed[row, next(iter(removed.values()))] = 1
    basis = np.linalg.qr(is_removed)[0]  # the constant is in its span: each row removes equally many filters
    ranks = points[["pruned_train_loss", "final_test_accuracy"]].rank().to_numpy()
    ranks = (ranks - ranks.mean(axis=0)) / ranks.std(axis=0) / np.sqrt(len(ranks))

    def explained(rows: np.ndarray) -> float:
        return float(((basis.T @ ranks[rows]) ** 2).sum() / ranks.shape[1])

    generator = np.random.default_rng(seed)
    found = explained(np.arange(len(ranks)))
    shuffled = np.array([explained(generator.permutation(len(ranks))) for _ in range(SHUFFLES)])
    p = (1 + (shuffled >= found).sum()) / (1 + SHUFFLES)
    return {"study": points["study"].iloc[0], "r2": found, "shuffled": shuffled.mean(), "p": p}


def _is_census(points: pd.DataFrame) -> bool:
    return points["order"].iloc[0] == "lexicographic"


def _study(layers: str, ratio: float) -> str:
    """The file of a cell of Table 2: conv1/3 at 0.5 is conv1_0.5-conv3_0.5."""
    numbers = layers.removeprefix("conv").split("/")
    return "-".join(["lenet5_mini-mnist", *(f"conv{number}_{ratio}" for number in numbers)])


def _page(table: pd.DataFrame, beyond: pd.DataFrame, order: pd.DataFrame) -> str:
    right, wrong = table[table["relation"] == "agrees"], table[table["relation"] == "opposes"]
    by_definition = table["valid"].astype(bool)
    census = table["space"] == "enumerated"
    lost = table[by_definition & (table["p_holm"] >= 0.05)]
    lines = [
        "# The published points, with their uncertainty",
        "",
        "Made by `python docs/published.py DATA`. The points are those of the figures of Feng, Tao and Wang, *Is Oracle",
        "Pruning the True Oracle?* ([arXiv 2412.00143](https://arxiv.org/abs/2412.00143)), read off the vector figures that",
        "the authors published: pruned train loss and final test accuracy, the mean of three repeats, of every combination.",
        "If they were made with the code as released, they are those of the networks that it builds (README, *Two wirings*), so this page",
        "asks what follows from the published points, not what follows for pruning.",
        "",
        "## Which cells of Table 2 stand?",
        "",
        f"- Definition 3.1 calls {by_definition.sum()} of {len(table)} cells valid, as printed.",
        f"- *Is there a relation, and which way?* **{len(right)} of the {len(table)} cells agree**, after Holm's adjustment "
        f"over the {len(table)} cells (p < 0.05). For the {census.sum()} cells of one layer, chance includes that "
        "combinations share filters."
        + (f" Opposed: {_names(wrong)}." if len(wrong) else " None opposes; in the others none is shown.")
        + f" Valid by Definition 3.1 but not beyond chance after adjustment: {_names(lost) or 'none'}.",
        "- *Is it strong enough to choose by?* "
        + ", ".join(f"{name} {count}" for name, count in table["verdict"].value_counts().items())
        + ". The cells of one layer hold *all* combinations of one network, so resampling combinations says nothing; only "
        "repeats could give an interval, and the published points are means over repeats. That, and nothing about pruning, "
        "leaves them undecided; *invalid* too is only said where repeats show how much noise could hide.",
        "- *For what?* One trained network; other networks of the same recipe may say otherwise.",
        "",
        "| layers | ratio | n | printed τ / p | τ / p from the points | s | 95 % interval | p, permuted filters | p, Holm | "
        "Def. 3.1 | relation | verdict |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
        *(_cell(row) for row in table.itertuples()),
        "",
        "s is −τ for accuracy: positive where a lower pruned train loss goes with a higher final accuracy. The interval of a "
        "sampled space is a bootstrap over combinations. *p, permuted filters* relabels the ten filters at random, 1,999 "
        "times, and so keeps that combinations share filters; it needs a whole space. Where it is not defined, Holm's "
        "adjustment takes the usual p.",
        "",
        "## The other studies of Figures 3 to 5",
        "",
        "| study | n | τ / p | s | 95 % interval | p, permuted filters | Def. 3.1 | relation | verdict | anomaly ratio |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
        *(_study_row(row) for row in beyond.itertuples()),
        "",
        "## How row numbers become filters",
        "",
        "The files name no filters. Their rows are in the order in which the authors' code walks the combinations, "
        "`itertools.combinations`, as the points themselves show: if row i is combination i, ten additive filter effects "
        "explain the share R² of the variance of the ranks; with shuffled rows they explain what ten numbers explain of "
        f"anything. Of {len(order)} whole spaces, {(order['p'] < 0.05).sum()} show it at p < 0.05 "
        f"and {(order['p'] <= 1 / (1 + SHUFFLES)).sum()} at the least p that {SHUFFLES} shuffles can give.",
        "",
        "| study | R² in order | R² shuffled | p |",
        "| --- | --- | --- | --- |",
        *(f"| {row.study} | {row.r2:.2f} | {row.shuffled:.2f} | {row.p:.3f} |" for row in order.itertuples()),
    ]
    return "\n".join(lines) + "\n"


def _cell(row: tuple) -> str:
    return (
        f"| {row.layers_printed} | {row.pruning_ratio_printed} | {row.n} | {row.tau_printed:.2f} / {row.p_value:.1e} "
        f"| {row.tau:.2f} / {row.p:.1e} | {row.agreement:+.2f} | {_interval(row)} | {_p(row.p_permutation)} "
        f"| {_p(row.p_holm)} | {'valid' if row.valid else 'invalid'} | {row.relation} | {row.verdict} |"
    )


def _study_row(row: tuple) -> str:
    return (
        f"| {row.study} | {row.n} | {row.tau:.2f} / {row.p:.1e} | {row.agreement:+.2f} | {_interval(row)} "
        f"| {_p(row.p_permutation)} | {'valid' if row.valid else 'invalid'} | {row.relation} | {row.verdict} "
        f"| {100 * row.anomaly_ratio:.1f} % |"
    )


def _interval(row: tuple) -> str:
    return "–" if np.isnan(row.agreement_low) else f"[{row.agreement_low:+.2f}, {row.agreement_high:+.2f}]"


def _p(value: float) -> str:
    return "–" if np.isnan(value) else f"{value:.4f}" if value >= 5e-4 else f"{value:.0e}"


def _names(cells: pd.DataFrame) -> str:
    return ", ".join(f"{row.layers_printed} at {row.pruning_ratio_printed}" for row in cells.itertuples())


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(f"usage: python docs/{Path(__file__).name} DATA")
    main(Path(sys.argv[1]))
