"""The pages about the published results: every number as the files of results/ give it to pandas and scipy alone."""

import json
import re
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import kendalltau, sem, ttest_1samp
from scipy.stats import t as student

ROOT = Path(__file__).parent.parent
PAGES = ("README.md", "docs/findings.md")
MOST_BYTES = 8_000_000
SAMPLED = 300  # combinations of the searched spaces that were retrained as a sample


@pytest.fixture(scope="module")
def findings():
    sys.path.insert(0, str(ROOT / "docs"))
    import findings

    sys.path.pop(0)
    return findings


def block(page: str, name: str) -> list[dict[str, str]]:
    """The rows of the table between a page's marks."""
    text = (ROOT / page).read_text().split(f"<!-- {name} -->")[1].split(f"<!-- /{name} -->")[0]
    head, _, *rows = [line.strip("| ").split(" | ") for line in text.strip().splitlines()]
    return [dict(zip(head, row, strict=True)) for row in rows]


def counted(runs: pd.DataFrame) -> pd.DataFrame:
    """A study's runs without those that a criterion picked; of a searched space the sample alone, one repeat of it."""
    searched = (runs["picked_by"] == "oracle").any()
    runs = runs[runs["picked_by"].isna()]
    if searched:  # beside a sample it has combinations that were chosen for their loss, and more repeats of some
        runs = runs[(runs["combo"].astype(int) < SAMPLED) & (runs["repeat"] == 0)]
    return runs[:0] if searched and runs["combo"].nunique() < SAMPLED else runs


@pytest.fixture(scope="module")
def by_hand() -> dict[tuple[str, str, str], list[tuple[float, float]]]:
    """Cell, retraining and wiring -> s of each of its dense networks with accuracy, and with loss."""
    found: dict = {}
    for path in sorted(ROOT.glob("results/*/runs.parquet")):
        runs = counted(pd.read_parquet(path))
        if runs.empty:
            continue
        (data,), (wiring,), (share,), (ratio,) = (
            runs[name].unique() for name in ("data", "wiring", "retrain_fraction", "pruning_ratio")
        )
        ratios = json.loads(ratio)
        layers = "conv1/2" if [*ratios] == ["conv1", "conv2"] else "/".join(ratios)
        cell = f"{data} {layers} {'/'.join(dict.fromkeys(str(value) for value in ratios.values()))}"
        means = (
            runs.groupby("combo")[["pruned_train_loss", "final_test_accuracy", "final_test_loss"]].mean().round(12)
        )  # averages of the same counts of images are ties
        score = means["pruned_train_loss"]
        both = -kendalltau(score, means["final_test_accuracy"])[0], kendalltau(score, means["final_test_loss"])[0]
        found.setdefault((cell, f"{100 * share:g} %", wiring.replace("_", " ")), []).append(both)
    return found


@pytest.mark.parametrize(("page", "name", "metric"), [
    ("README.md", "cells", 0), ("docs/findings.md", "cells", 0), ("docs/findings.md", "cells-loss", 1),
])  # fmt: skip
def test_means_over_networks_are_those_of_scipy(by_hand, page, name, metric):
    rows = block(page, name)
    assert len(rows) == sum(len(each) >= 3 for each in by_hand.values())
    for row in rows:
        values = np.array([each[metric] for each in by_hand[row["cell"], row["retraining"], row["wiring"]]])
        assert len(values) == int(row["dense networks"])
        reach = student.ppf(0.975, len(values) - 1) * values.std(ddof=1) / len(values) ** 0.5
        said = [float(number) for number in re.findall(r"-?\d+\.\d+", row["s [95 %]"])]
        assert said == pytest.approx([values.mean(), values.mean() - reach, values.mean() + reach], abs=0.0051)


def test_pages_hold_what_make_results_writes(findings):
    """All but what other criteria than the oracle say, which takes minutes."""
    blocks = findings.Findings.of(every=False).blocks()
    for page in PAGES:
        text = (ROOT / page).read_text()
        for name in set(re.findall(r"<!-- ([\w-]+) -->", text)) & blocks.keys() - {"cells"}:
            assert f"<!-- {name} -->\n{blocks[name]}\n<!-- /{name} -->" in text, (page, name)


@pytest.mark.slow
def test_pages_hold_what_make_results_writes_of_all_criteria(findings):
    blocks = findings.Findings.of().blocks()
    for page in PAGES:
        text = (ROOT / page).read_text()
        assert findings.written(text, blocks) == text


def test_sentences_hold_what_the_runs_say():
    """Numbers between words, each computed anew."""
    text = " ".join((ROOT / "docs/findings.md").read_text().split())
    runs = pd.concat([pd.read_parquet(path) for path in ROOT.glob("results/*mnist-conv[123]_0.2*/runs.parquet")])
    cells = runs.assign(ratio=runs["pruning_ratio"].map(str)).groupby(["ratio", "pretrain_seed", "wiring"])
    medians = cells["pruned_train_loss"].median().unstack()
    times = medians["released_code"] / medians["correct"]
    assert f"{times.min():.1f} to {times.max():.1f} times as large" in text
    spread: dict = {}
    for runs in map(pd.read_parquet, ROOT.glob("results/*/runs.parquet")):
        runs = counted(runs)
        if runs.empty:
            continue
        what = runs["data"].iloc[0], runs["retrain_fraction"].iloc[0], runs["wiring"].iloc[0].replace("_", " ")
        spread.setdefault(what, []).append(100 * runs.groupby("combo")["final_test_accuracy"].mean().std())
    for (data, share, wiring), found in spread.items():
        assert f"{min(found):.2f} to {max(found):.2f} ({data}, {100 * share:g} %, {wiring})" in text
    assert "and 0.17 on digits, whose test set has 599" in text
    assert round(1797 / 3) == 599 and round(100 / 599, 2) == 0.17
    s = []
    for path in ROOT.glob("results/lenet5_mini-mnist-conv1_0.2-????????/scores/random.parquet"):
        scores, runs = pd.read_parquet(path), pd.read_parquet(path.parent.parent / "runs.parquet")
        if runs["retrain_fraction"].iloc[0] == 1:  # another figure's
            continue
        finals = runs.groupby("combo")["final_test_accuracy"].mean()
        known = dict(zip(scores["combination"].astype(int), scores["score"], strict=True))
        s.append(-kendalltau([known[int(combo)] for combo in finals.index], finals.round(12))[0])
    assert f"from {min(s):.2f} to {max(s):.2f} in" in text


@pytest.mark.parametrize("wiring", ["", "released_code-"])
@pytest.mark.parametrize("criterion", ["l1", "gradient_norm"])
def test_leads_of_the_oracle_are_differences_in_the_same_networks(criterion, wiring):
    leads = []
    for folder in ROOT.glob(f"results/lenet5_mini-mnist-conv2_0.2-{wiring}????????"):
        runs = pd.read_parquet(folder / "runs.parquet")
        if runs["retrain_fraction"].iloc[0] == 1:
            continue
        means = runs.groupby("combo")[["pruned_train_loss", "final_test_accuracy"]].mean().round(12)
        scores = pd.read_parquet(folder / "scores" / f"{criterion}.parquet")
        scored = scores.assign(combo=scores["combination"].astype(int)).set_index("combo")["score"]
        both = [means["pruned_train_loss"], scored.loc[means.index.astype(int)]]
        s = [-kendalltau(score.to_numpy(), means["final_test_accuracy"].to_numpy())[0] for score in both]
        leads.append(s[0] - s[1])
    (row,) = (
        row
        for row in block("docs/findings.md", "leads")
        if (row["cell"], row["retraining"], row["wiring"])
        == ("mnist conv2 0.2", "10 %", "released code" if wiring else "correct")
    )
    assert len(leads) == 5 and row[f"minus {criterion}"] == mean_with_interval(leads)


@pytest.mark.parametrize("layer", ["conv1", "conv2"])
def test_a_tenth_and_the_whole_of_the_retraining_are_compared_as_they_say(layer):
    """Paired by network and repeat; t-interval over networks."""
    folders = f"results/*mnist-{layer}_0.2-????????/runs.parquet"
    runs = pd.concat([pd.read_parquet(path) for path in ROOT.glob(folders)])
    differences, taus = [], []
    for _, of_network in runs.groupby("dense_hash"):
        whole, tenth = (of_network[of_network["retrain_fraction"] == share] for share in (1, 0.1))
        if whole.empty:
            continue
        tenth = tenth[tenth["repeat"].isin(whole["repeat"])]
        ends = [side.groupby("combo")[["pruned_train_loss", "final_test_accuracy"]].mean() for side in (tenth, whole)]
        s = [-kendalltau(end["pruned_train_loss"], end["final_test_accuracy"].round(12))[0] for end in ends]
        differences.append(s[0] - s[1])
        taus.append(kendalltau(*(end["final_test_accuracy"].round(12) for end in ends))[0])
    p = ttest_1samp(differences, 0).pvalue
    row = f"| mnist {layer} 0.2 | correct | 3 | {{}} | {p:.1e} | {{}} |"
    said = row.format(*map(mean_with_interval, (differences, taus)))
    assert len(differences) == 3 and said in (ROOT / "docs/findings.md").read_text()


def mean_with_interval(values: list[float]) -> str:
    low, high = student.interval(0.95, len(values) - 1, np.mean(values), sem(values))
    return f"{np.mean(values):.2f} [{low:.2f}, {high:.2f}]"


def test_results_are_small_and_name_no_place_of_the_machine_that_made_them():
    files = [path for path in ROOT.glob("results/*/*") if path.suffix in (".parquet", ".json", ".pt")]
    files += ROOT.glob("results/*/scores/*.parquet")
    assert sum(path.stat().st_size for path in files) < MOST_BYTES
    for path in ROOT.glob("results/*/study.json"):
        assert not re.search(r'["=](/|~|[A-Z]:)', path.read_text()), path  # no value begins like an absolute path
