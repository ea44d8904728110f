"""The page about the published points: what its command writes, and the numbers that the paper prints.

The paper's tables are read from $ORACLECHECK_DATA/paper_tables, the page as it lies in the repository: no number of it
is taken from the code that wrote it. Tolerances are those of the print: tau to its two decimals, p within a factor of
1.4 (the points were read off vector figures), anomaly ratios within one combination.
"""

import re
import runpy
from math import comb
from pathlib import Path

import pandas as pd
import pytest

PAGE = Path(__file__).parent.parent / "docs" / "published.md"
_NUMBER = r"-?[\d.]+(?:e[+-]\d+)?"


def table_under(heading: str) -> list[dict[str, str]]:
    """The rows of the first table under a heading of the page."""
    section = PAGE.read_text().split(f"## {heading}\n")[1].split("\n## ")[0]
    head, _, *rows = [line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("|")]
    return [dict(zip(head, row, strict=True)) for row in rows]


def pair(cell: str) -> tuple[float, float]:
    """The two numbers of "-0.60 / 4.9e-09"."""
    tau, p = re.fullmatch(rf"({_NUMBER}) / ({_NUMBER})", cell).groups()
    return float(tau), float(p)


def printed(root: Path, name: str) -> pd.DataFrame:
    path = root / "paper_tables" / f"{name}.csv"
    if not path.is_file():
        pytest.skip(f"{path} is missing: the paper's printed tables are not at hand")
    return pd.read_csv(path)


def test_published_page_is_what_its_command_writes(data_root, tmp_path):
    runpy.run_path(str(PAGE.with_suffix(".py")))["main"](data_root, tmp_path / "page.md")
    assert (tmp_path / "page.md").read_text() == PAGE.read_text()


def test_published_page_has_the_numbers_of_table_2(data_root):
    cells = printed(data_root, "table_2_tau_accuracy").set_index(["layers", "pruning_ratio"])
    rows = {(row["layers"], float(row["ratio"])): row for row in table_under("Which cells of Table 2 stand?")}
    assert set(rows) == set(cells.index) and len(rows) == 25
    for (layers, ratio), row in rows.items():
        cell = cells.loc[(layers, ratio)]
        assert pair(row["printed τ / p"]) == (cell["tau"], cell["p_value"]), layers
        tau, p = pair(row["τ / p from the points"])
        assert tau == cell["tau"] == -float(row["s"]), (layers, ratio)
        assert 1 / 1.4 < p / cell["p_value"] < 1.4, (layers, ratio)
        assert row["Def. 3.1"] == ("valid" if cell["tau"] < -0.2 and cell["p_value"] < 0.05 else "invalid")
        # ceil(10 ratio) of ten filters in each layer; 1,000 of the spaces of several layers.
        assert int(row["n"]) == (1000 if "/" in layers else comb(10, round(10 * ratio)))


def test_published_page_counts_the_valid_cells_as_table_2_does(data_root):
    cells = printed(data_root, "table_2_tau_accuracy")
    valid = ((cells["tau"] < -0.2) & (cells["p_value"] < 0.05)).sum()
    assert f"Definition 3.1 calls {valid} of {len(cells)} cells valid, as printed." in PAGE.read_text()


def test_published_page_has_the_tau_and_the_anomaly_ratios_of_the_figures(data_root):
    figures = printed(data_root, "figures_tau_and_anomaly").set_index("scatter_file")
    rows = {row["study"]: row for row in table_under("The other studies of Figures 3 to 5")}
    shared = [name for name in figures.index if name in rows]
    assert len(shared) == 3  # the fourth is a cell of Table 2
    for name in shared:
        figure, row = figures.loc[name], rows[name]
        assert int(row["n"]) == figure["n"]
        assert pair(row["τ / p"])[0] == figure["tau"], name
        share = float(row["anomaly ratio"].removesuffix(" %"))
        one, rounding = 100 / figure["n"], 0.05
        assert share == pytest.approx(figure["anomaly_ratio_percent"], abs=one + rounding + 1e-9), name
