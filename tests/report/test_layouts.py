"""The printed tables, cell by cell, from rows made by hand and from the papers' published numbers."""

import csv
import io
import re
import shutil
import subprocess
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hand_made import correlated
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from scipy.stats import ttest_1samp
from statsmodels.stats.multitest import multipletests

from oraclecheck.analysis import rounding
from oraclecheck.analysis.grouping import group
from oraclecheck.analysis.statistics.correlation import is_valid, kendall
from oraclecheck.analysis.words import short_layers
from oraclecheck.report.grids import honest_grids, paper_grids
from oraclecheck.report.layouts import combinations_layout, comparison_layout, studies_layout, study_layout
from oraclecheck.report.typesetting import Layout, csv_text, latex, markdown, terminal

NO_NETWORKS = pd.DataFrame()


def cells(layout: Layout) -> list[dict[str, str]]:
    return [dict(zip(layout.headings, row, strict=True)) for row in layout.rows if row]


def printed(layout: Layout, width: int = 80) -> str:
    console = Console(file=io.StringIO(), width=width)
    console.print(terminal(layout))
    return console.file.getvalue()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.6149, "0.61"),
        (-0.004, "0.00"),
        (0.2004, "0.2004"),
        (0.1996, "0.20"),
        (0.2, "0.20"),
        (0.1949, "0.19"),
        (float("nan"), "–"),
        (None, "–"),
    ],
)
def test_agreement_is_rounded_on_its_side_of_one_fifth(value, text):
    assert rounding.agreement(value) == text


@given(st.floats(-1, 1))
def test_a_printed_agreement_never_contradicts_the_verdict(value):
    if abs(value - 0.2) > 1e-6:
        assert (float(rounding.agreement(value)) > 0.2) == (value > 0.2)


def test_p_is_printed_as_the_paper_prints_it():
    assert [rounding.p_value(p) for p in (4.87e-9, 0.69, 0, float("nan"))] == ["4.9e-09", "6.9e-01", "<1e-300", "–"]


def test_an_infinite_metric_is_called_diverged():
    assert rounding.outcome(float("-inf"), 2) == "diverged"


def paper_rows(data_root) -> pd.DataFrame:
    """A row of `correlate` for each cell of Table 2, from the published points."""
    rows = []
    for path in sorted((data_root / "paper_scatter").glob("lenet5_mini-mnist-*.csv")):
        points = pd.read_csv(path)
        tau, p = kendall(points["pruned_train_loss"], points["final_test_accuracy"])
        parts = [part.split("_") for part in path.stem.split("-")[2:]]
        cell = {"layers": "/".join(layer for layer, _ in parts), "pruning_ratio": parts[0][1], "study": path.stem}
        rows.append({**cell, "tau": tau, "p": p, "agreement": -tau, "valid": is_valid(-tau, p)})
    return correlated(*rows)


def test_table_2_is_reproduced_cell_by_cell_from_the_published_points(data_root):
    (grid,) = paper_grids(paper_rows(data_root))
    assert grid.headings == ("ratio", "conv1", "conv2", "conv3", "conv1/2", "conv1/3", "conv2/3", "conv1/2/3")
    found = {(row["ratio"], layers): text for row in cells(grid) for layers, text in row.items() if layers != "ratio"}
    expected = pd.read_csv(data_root / "paper_tables" / "table_2_tau_accuracy.csv", dtype={"pruning_ratio": str})
    assert len(expected) == 25
    rejected = multipletests(expected["p_value"], alpha=0.05, method="holm")[0]
    adjusted = dict(zip(zip(expected["layers"], expected["pruning_ratio"], strict=True), rejected, strict=True))
    assert sum(adjusted.values()) == 21
    for cell in expected.itertuples():
        text = found.pop((cell.pruning_ratio, cell.layers))
        tau, p, mark, chance = re.fullmatch(r"(-?\d\.\d\d) / (\d\.\de-\d\d) ?(†)?(‡)?", text).groups()
        assert float(tau) == pytest.approx(cell.tau, abs=0.01 + 1e-9), cell
        assert 1 / 1.4 < float(p) / cell.p_value < 1.4, cell
        assert (mark is None) == (cell.tau < -0.2 and cell.p_value < 0.05), cell
        assert (chance is None) == adjusted[cell.layers, cell.pruning_ratio], cell
    assert set(found.values()) == {""}  # nobody measured conv1/2 at 0.2


def test_a_grid_marks_what_is_invalid_before_rounding():
    table = correlated(
        {"tau": 0.2004, "p": 0.0004, "metric": "loss"}, {"tau": 0.1996, "valid": False, "metric": "loss"}
    )
    table["pruning_ratio"] = ["0.2", "0.3"]
    (grid,) = paper_grids(table)
    assert [row["conv1"] for row in cells(grid)] == ["0.20 / 4.0e-04", "0.20 / 4.8e-09 †"]
    assert "tau > 0.2 and p < 0.05 is valid" in grid.notes[0]


def test_a_grid_shows_an_undefined_tau_as_a_dash_without_a_mark():
    table = correlated({"tau": float("nan"), "p": float("nan"), "valid": None}, {"pruning_ratio": "0.3"})
    assert cells(paper_grids(table)[0])[0]["conv1"] == "–"


def test_a_grid_is_made_for_each_setting_and_metric():
    both = [{"pruning_ratio": ratio, "wiring": w} for w in ("correct", "released_code") for ratio in ("0.2", "0.3")]
    table = correlated(*both, *({**row, "metric": "loss"} for row in both))
    names = ["accuracy_correct", "accuracy_released_code", "loss_correct", "loss_released_code"]
    assert [grid.name for grid in paper_grids(table)] == [f"grid_{name}" for name in names]
    assert [grid.name for grid in honest_grids(table)] == [f"honest_{name}" for name in names]


def test_no_grid_is_made_of_one_cell_or_of_two_studies_in_one():
    assert paper_grids(correlated({})) == []
    assert paper_grids(correlated({}, {"study": "other"}, {"pruning_ratio": "0.3"})) == []


def networks_of(ratio: str, agreements: list[float], **columns: Any) -> list[dict[str, Any]]:
    """Rows of the dense networks of one setting."""
    return [
        {"study": f"{ratio}-{i}", "pruning_ratio": ratio, "agreement": s, "dense_hash": str(i), "pretrain_seed": i}
        | columns
        for i, s in enumerate(agreements)
    ]


@pytest.mark.parametrize(("metric", "sign"), [("accuracy", -1), ("loss", 1)])
def test_one_grid_has_the_means_over_dense_networks_not_one_a_seed(metric, sign):
    agreements = [0.5, 0.6, 0.8]
    several = networks_of("0.2", agreements, metric=metric)
    several[0]["valid"] = False
    table = correlated(*several, {"study": "alone", "pruning_ratio": "0.3", "metric": metric, "pretrain_seed": 2})
    expected = ttest_1samp(agreements, 0)
    low, high = expected.confidence_interval(0.95)
    (grid,) = paper_grids(table)
    assert grid.name == f"grid_{metric}"
    of_many, alone = (row["conv1"] for row in cells(grid))
    assert of_many == f"{sign * np.mean(agreements):.2f} / {expected.pvalue:.1e} (2/3)"
    assert alone == "-0.61 / 4.8e-09"
    assert grid.notes[1].startswith("(1/3): mean tau of 3 dense networks")
    (grid,) = honest_grids(table)
    found = {(ratio, line): cell for ratio, line, cell in filter(None, grid.rows)}
    assert found["0.2", "n"] == "3 networks" and found["0.3", "n"] == "45"
    shown = [cell for _, line, cell in filter(None, grid.rows) if line in ("s", "95 %")]
    assert shown == [f"{np.mean(agreements):.2f}", f"[{low:.2f}, {high:.2f}]", "0.61", "[0.50, 0.71]"]
    adjusted = multipletests([expected.pvalue, 0.0005], method="holm")[1]
    assert [cell for _, line, cell in filter(None, grid.rows) if line == "Holm p"] == [f"{p:.1e}" for p in adjusted]


def test_a_grid_leaves_a_network_out_that_has_no_agreement_yet():
    begun = {"agreement": float("nan"), "study": "begun", "dense_hash": "9", "pretrain_seed": 9}
    table = correlated(
        *networks_of("0.2", [0.5, 0.6, 0.7]), {"pruning_ratio": "0.2", **begun}, {"pruning_ratio": "0.3"}
    )
    (grid,) = paper_grids(table)
    assert cells(grid)[0]["conv1"].startswith("-0.60 / ") and "(3/3)" in cells(grid)[0]["conv1"]


def test_the_honest_grid_has_interval_ceiling_permuted_p_and_verdict():
    undecided = {"verdict": "undecided", "reason": "no repeats: x", "ceiling": float("nan")}
    (grid,) = honest_grids(correlated({}, {"pruning_ratio": "0.3", **undecided}))
    assert grid.headings == ("ratio", "", "conv1")
    assert grid.rows == (
        ("0.2", "s", "0.61"),
        ("", "95 %", "[0.50, 0.71]"),
        ("", "ceiling", "0.92"),
        ("", "permuted p", "5.0e-04"),
        ("", "Holm p", "1.0e-03"),
        ("", "relation", "agrees"),
        ("", "verdict", "valid"),
        (),
        ("0.3", "s", "0.61"),
        ("", "95 %", "[0.50, 0.71]"),
        ("", "ceiling", "–"),
        ("", "permuted p", "5.0e-04"),
        ("", "Holm p", "1.0e-03"),
        ("", "relation", "agrees"),
        ("", "verdict", "undecided (no repeats)"),
    )


def test_layers_are_written_as_in_the_paper():
    assert short_layers("conv1/conv2/conv3") == "conv1/2/3"
    assert short_layers("features.0/fc") == "features.0/fc"
    assert short_layers("/".join(f"conv{i}" for i in range(1, 17))) == "conv1/…/conv16 (16 layers)"


def test_one_study_shows_every_number_with_its_interval():
    layout = study_layout(correlated({}, {"metric": "loss", "diverged": 0}))
    assert layout.title == "lenet5_mini-mnist-conv1_0.2-0a1b2c3d: 45 of 45 combinations (enumerated), 3 repeats"
    assert layout.headings == ("", "final test accuracy", "final test loss")
    column = {row[0]: row[1:] for row in layout.rows}
    assert column["agreement s"] == ("0.61 [0.50, 0.71]",) * 2
    assert column["noise ceiling of s"][0] == "0.92 [0.88, 0.95]"
    assert column["tau / p"][0] == "-0.61 / 4.8e-09"
    assert column["anomaly ratio %"][0] == "8.9 [5.0, 14.0]"
    assert list(column)[:3] == ["relation", "strong enough", "for"]
    assert (column["relation"][0], column["strong enough"][0], column["for"][0]) == ("agrees", "valid", "one network")
    assert column["regret, at least (% or nats)"] == ("0.12 [0.04, 0.21]", "0.0012 [0.0004, 0.0021]")
    assert "agreement without diverged" not in column and "agreement if all were known" not in column


def test_one_study_says_what_it_lacks_and_what_that_could_change():
    gaps = {"runs": 130, "missing": 3, "failed": 1, "unfinished": 1, "diverged": 2}
    bounds = {"agreement_missing_low": 0.5, "agreement_missing_high": 0.7, "agreement_without_diverged": 0.55}
    layout = study_layout(correlated({**gaps, **bounds}))
    column = dict(layout.rows)
    assert column["agreement without diverged"] == "0.55"
    assert column["agreement if all were known"] == "[0.50, 0.70]"
    assert layout.notes[-1] == "of 133 runs 3 missing, 1 failed, 1 unfinished: the numbers do not include them"


def test_one_study_fits_80_columns_whatever_happened():
    row = {"missing": 3, "diverged": 2, "study": "a-very-long-name" * 8}
    assert max(map(len, printed(study_layout(correlated(row, {**row, "metric": "loss"}))).splitlines())) <= 80


def test_a_study_name_with_brackets_is_printed_as_it_is():
    assert "[bold]x[/bold]" in printed(study_layout(correlated({"study": "[bold]x[/bold]"})))


def test_several_studies_are_named_by_what_differs():
    table = correlated({}, {"layers": "conv2", "study": "lenet5_mini-mnist-conv2_0.2-ffffffff", "valid": False})
    layout = studies_layout(table, NO_NETWORKS)
    assert layout.headings[:3] == ("layers", "study", "metric")
    assert [row["study"] for row in cells(layout)] == ["0a1b2c3d", "ffffffff"]
    assert [row["Def. 3.1"] for row in cells(layout)] == ["valid", "invalid"]
    assert "model lenet5_mini, data mnist, ratio 0.2, wiring correct" in layout.title


def test_means_over_networks_follow_the_studies():
    table = correlated(*({"pretrain_seed": seed, "study": f"s{seed}"} for seed in range(3)))
    mean = correlated({"networks": 3, "agreement": 0.5, "n": None, "studies": ["s0", "s1", "s2"]}).drop(
        columns=["tau", "p", "ceiling", "valid", "k"]
    )
    layout = studies_layout(table, mean)
    assert layout.rows[3] == ()
    last = cells(layout)[-1]
    assert (last["dense seed"], last["study"], last["n"], last["k"]) == ("mean", "mean", "3 networks", "–")
    assert (last["s"], last["tau / p"], last["ceiling"], last["Def. 3.1"]) == ("0.50", "–", "–", "–")


def test_rows_are_grouped_by_the_columns_that_a_user_names():
    seeds = [{"dense_hash": str(seed), "pretrain_seed": seed, "study": f"s{seed}"} for seed in range(3)]
    alone, joined = group(correlated(*seeds, {"layers": "conv2", "study": "other"}), ["layers"])
    assert alone["study"].tolist() == ["other"]
    assert joined["networks"].tolist() == [3]


@pytest.mark.parametrize(
    ("rows", "by", "message"),
    [
        ([{"study": "a"}], ["layer"], "got 'layer': did you mean layers"),
        ([{"study": "a"}], ["?"], "got '\\?': it may be model, data"),
        (
            [{"study": "a"}, {"study": "b", "wiring": "x", "pretrain_seed": 1}],
            ["layers"],
            "a, b share a row: add wiring",
        ),
        ([{"study": "a"}, {"study": "b"}], ["layers"], "a, b share a row: add study"),
        (
            [{"study": "a"}, {"study": "b", "pretrain_seed": 1, "dense_hash": None}],
            ["layers"],
            "share a row: add study",
        ),
    ],
)
def test_rows_that_mix_studies_are_refused_with_the_column_that_would_help(rows, by, message):
    with pytest.raises(ValueError, match=message):
        group(correlated(*rows), by)


def test_combinations_are_printed_as_in_table_a5(data_root):
    points = pd.read_csv(data_root / "paper_tables" / "table_a5_vit.csv")
    combos = pd.DataFrame({"study": "vit", "combo": points["combination"], "picked_by": None, "k": 1})
    combos["score"] = points["pruned_train_loss"]
    combos["final_test_accuracy"] = points["final_test_accuracy_percent"] / 100
    combos["final_test_loss"] = points["final_test_loss"]
    combos["removed"] = [{"heads": [0, i]} for i in range(10)]
    layout = combinations_layout(combos, metrics=["accuracy", "loss"])
    assert layout.headings[2:5] == ("pruned train loss", "final test accuracy (%)", "final test loss")
    for row, expected in zip(layout.rows, points.itertuples(), strict=True):
        assert row[0] == str(expected.combination)
        assert [float(cell) for cell in row[2:5]] == list(expected[2:])
    assert layout.rows[3][1] == "heads 0, 3"


def test_combinations_whose_filters_are_not_known_have_no_such_column():
    combos = pd.DataFrame({"study": "s", "combo": [0, 1], "picked_by": None, "k": 1, "score": [1.0, 2.0]})
    combos["removed"], combos["final_test_loss"] = [{}, {}], [0.5, float("nan")]
    layout = combinations_layout(combos, metrics=["loss"])
    assert layout.headings == ("combination", "pruned train loss", "final test loss", "repeats")
    assert layout.rows[1] == ("1", "2.0000", "–", "1")


def test_a_pick_and_a_diverged_combination_are_named_as_such():
    combos = pd.DataFrame({"study": "s", "combo": [7, None], "picked_by": [None, "l1"], "k": [1, 2]}, dtype=object)
    combos["removed"] = [{"conv1": [0]}, {"conv1": [1], "conv2": [2, 3]}]
    combos["score"] = [1.0, float("inf")]
    combos["best_test_accuracy"] = [0.5, float("-inf")]
    first, second = combinations_layout(combos, final="best", metrics=["accuracy"]).rows
    assert first == ("7", "conv1 0", "1.0000", "50.0000", "1")
    assert second == ("pick of l1", "conv1 1; conv2 2, 3", "diverged", "diverged", "2")


def test_a_comparison_shows_the_difference_with_its_interval():
    row = {"study_a": "a", "study_b": "b", "final": "last", "metric": "accuracy", "n": 45, "note": ""}
    row |= {"agreement_a": 0.61, "agreement_b": 0.64, "only_a": 0, "only_b": 3}
    for name, (value, low, high) in {
        "difference": (-0.03, -0.1, 0.05),
        "final_tau": (0.7, 0.6, 0.8),
        "final_spearman": (0.85, float("nan"), float("nan")),
    }.items():
        row |= {name: value, f"{name}_low": low, f"{name}_high": high}
    layout = comparison_layout(pd.DataFrame([row]), ["a", "b"])
    assert layout.title == "A: a, B: b: 45 combinations in both"
    assert dict(layout.rows) == {
        "agreement of A": "0.61",
        "agreement of B": "0.64",
        "difference A - B": "-0.03 [-0.10, 0.05]",
        "tau of the two final metrics": "0.70 [0.60, 0.80]",
        "Spearman of the two": "0.85",
    }
    assert layout.notes == ("left out: 0 combinations only in A, 3 only in B",)


AWKWARD = Layout(
    "awkward", r"50 % of a_b & c|d\e", ("x", "y"), (("-0.5 / 1e-3 †", "[-0.1, 2]"), (), ("<1e-300", "–")), ("a < b",)
)


def test_markdown_escapes_what_would_break_a_table():
    lines = markdown(AWKWARD).splitlines()
    assert lines == [
        r"**50 % of a_b & c\|d\\e**",
        "",
        "| x | y |",
        "| :--- | ---: |",
        "| -0.5 / 1e-3 † | [-0.1, 2] |",
        r"| \<1e-300 | – |",
        "",
        r"a \< b",
    ]


def test_csv_holds_the_printed_cells():
    assert list(csv.reader(io.StringIO(csv_text(AWKWARD)))) == [["x", "y"], *map(list, AWKWARD.rows[::2])]


def test_latex_has_booktabs_rules_and_a_real_minus():
    text = latex(AWKWARD)
    assert all(text.count(rule) == count for rule, count in ((r"\toprule", 1), (r"\midrule", 2), (r"\bottomrule", 1)))
    assert r"$-$0.5 / 1e-3 \textsuperscript{\dag} & {[}$-$0.1, 2{]} \\" in text
    assert r"\caption{50 \% of a\_b \& c\textbar{}d\textbackslash{}e}" in text


def test_latex_compiles(tmp_path, data_root):
    if shutil.which("pdflatex") is None:
        pytest.skip("pdflatex is not installed")
    table = paper_rows(data_root)
    long = Layout("long", "long", ("n",), tuple((str(i),) for i in range(200)), ("note",))
    layouts = [*paper_grids(table), *honest_grids(table), studies_layout(table, NO_NETWORKS), AWKWARD, long]
    body = "\n".join(latex(layout) for layout in layouts)
    packages = r"\usepackage[margin=0.8in]{geometry}\usepackage{booktabs,graphicx,longtable}"
    preamble = rf"\documentclass{{article}}{packages}\begin{{document}}"
    (tmp_path / "all.tex").write_text(f"{preamble}\n{body}\n\\end{{document}}\n")
    done = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "all.tex"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-2000:]
    assert "Overfull \\hbox" not in done.stdout
