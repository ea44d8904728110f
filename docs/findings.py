"""What the published results say: writes the tables and figures of README.md and docs/findings.md from results/.

    python docs/findings.py [README.md docs/findings.md ...]

What stands in a page between `<!-- NAME -->` and `<!-- /NAME -->` is written anew; everything else is left as it is.
"""

import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from textwrap import fill
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from scipy import stats

import oraclecheck as oc
from oraclecheck.analysis.chance import RANDOM
from oraclecheck.analysis.criteria import judge
from oraclecheck.analysis.criterion import ORACLE
from oraclecheck.analysis.figures.agreement import MEAN
from oraclecheck.analysis.figures.columns import write_columns
from oraclecheck.analysis.figures.criteria import save_criteria
from oraclecheck.analysis.figures.lettering import SMALL
from oraclecheck.analysis.figures.points import typographic
from oraclecheck.analysis.figures.print_style import FULL, given_or_new, save_figure
from oraclecheck.analysis.networks import LEAST, across_networks, mean_over_networks
from oraclecheck.analysis.rounding import agreement, agreement_interval, decimal, p_value, percent
from oraclecheck.analysis.statistics.correlation import VALID_AGREEMENT
from oraclecheck.analysis.words import in_reading_order, spell
from oraclecheck.records.scored_runs import with_scores
from oraclecheck.report.criteria import criteria_of

ROOT = Path(__file__).parent.parent
RESULTS, PAGES, FIGURE = ROOT / "results", (ROOT / "README.md", ROOT / "docs/findings.md"), ROOT / "docs/findings"
CRITERIA_FIGURE = FIGURE.with_name("findings_criteria")

DATA = ("mnist", "digits")
"""Data sets, in the order of the tables."""

LEAST_SAMPLE = 100
"""So many sampled combinations of a searched space are a study of their own."""

LED = ("l1", "taylor", "fpgm", "fisher", "activation", "gradient_norm")
"""Criteria that the oracle is put beside in pairs."""

LENGTHS = (0.1, 1.0)
"""Shares of the retraining that are compared."""

WIRINGS = {"correct": "correct", "released_code": "released code"}
COLORS = {"correct": "#0072B2", "released_code": "#D55E00"}
BESIDE = ("l1", "taylor", "fpgm", "random")
"""The criteria whose mean agreement stands beside the oracle's in the first table."""


@dataclass(frozen=True)
class Findings:
    """What there is to say of the studies in a folder.

    Attributes:
        runs: Their runs, with the scores of the criteria that have scored all of them. Of `searches` the sample alone,
            one repeat of each combination, where it is large enough.
        searches: Runs of studies whose whole space was searched. Beside what criteria picked they hold numbers that
            were chosen for their loss, which would make the criterion look better than it is.
        every: Whether all criteria are judged, and not the oracle alone, which takes seconds instead of minutes.
    """

    runs: pd.DataFrame
    searches: pd.DataFrame
    every: bool = True

    @classmethod
    def of(cls, folder: Path = RESULTS, *, every: bool = True) -> "Findings":
        """The findings of a folder of published studies."""
        runs = oc.load_runs(folder)
        is_search = runs["study"].isin(runs.loc[runs["picked_by"] == ORACLE.name, "study"])
        searches = runs[is_search]
        samples = [sample for _, study in searches.groupby("study") if len(sample := _sample(study)) >= LEAST_SAMPLE]
        scored, _ = with_scores(pd.concat([runs[~is_search], *samples], ignore_index=True), [str(folder)])
        return cls(scored, searches, every)

    @cached_property
    def table(self) -> pd.DataFrame:
        """A row for each study, criterion and metric."""
        others = [each for each in criteria_of(self.runs) if each.name != ORACLE.name] if self.every else []
        parts = [judge(self.runs, [ORACLE])] + ([judge(self.runs, others, metric="accuracy")] if others else [])
        return in_reading_order(pd.concat(parts, ignore_index=True))

    @cached_property
    def means(self) -> pd.DataFrame:
        """A row for each setting of at least three dense networks, criterion and metric, in reading order."""
        means = across_networks(self.table)
        means = means[means["networks"] >= LEAST]
        return means.assign(_last=means["data"].map(DATA.index)).sort_values(
            ["_last", "retrain_fraction", "layers", "wiring"], key=_sortable, kind="stable"
        )

    def rows(self, mean: pd.Series, criterion: str = ORACLE.name, metric: str = "accuracy") -> pd.DataFrame:
        """The studies of a setting."""
        table = self.table
        chosen = (table["criterion"] == criterion) & (table["metric"] == metric)
        return table[chosen & table["study"].isin(mean["studies"])]

    def oracle(self, metric: str = "accuracy") -> list[pd.Series]:
        """The means of the oracle, a row for each setting."""
        means = self.means[(self.means["criterion"] == ORACLE.name) & (self.means["metric"] == metric)]
        return [row for _, row in means.iterrows()]

    def mean_of(self, mean: pd.Series, criterion: str) -> pd.Series | None:
        """What another criterion shows in the same setting, with test accuracy."""
        means = self.means
        found = means[
            (means["setting_hash"] == mean["setting_hash"])
            & (means["criterion"] == criterion)
            & (means["metric"] == "accuracy")
        ]
        return found.iloc[0] if len(found) else None

    def blocks(self) -> dict[str, str]:
        """What stands between the marks of the pages, by name."""
        found = {
            "cells": self._cells("accuracy"),
            "cells-loss": self._cells("loss"),
            "networks": self._networks(),
            "wirings": self._wirings(),
            "lengths": self._lengths(),
            "lengths-answer": self._lengths_answer(),
            "wiring-losses": self._wiring_losses(),
            "spread": self._spreads(),
            "single": self._single(),
            "picks": self._picks(),
            "picks-means": self._picks_over_networks(),
            "picks-answer": self._picks_answer(),
        }
        if not self.every:
            return found
        return {
            **found,
            "criteria": self._criteria(),
            "leads": self._leads(),
            "chance": self._chance(),
            "answer": self._answer(),
        }

    def _answer(self) -> str:
        """What follows, for the cells that there are; whoever adds cells looks at it again."""
        cells = {(_cell(row), row["wiring"], row["retrain_fraction"]): row for row in self.oracle()}
        tenth, whole = LENGTHS
        first = cells["mnist conv1 0.2", "correct", tenth]
        few, few_wired = (cells["digits conv1 0.2", wiring, whole] for wiring in WIRINGS)
        (few_loss,) = (row for row in self.oracle("loss") if row["setting_hash"] == few["setting_hash"])

        def of(wiring: str, share: float) -> dict[str, pd.Series]:
            chosen = [key for key in cells if key[1:] == (wiring, share) and key[0].startswith(DATA[0])]
            return {_short(key[0]): cells[key] for key in chosen}

        def listed(rows: dict[str, pd.Series]) -> str:
            return "; ".join(
                f"{_said(row)} for {cell} over {row['networks']:.0f}{_unsure(row)}" for cell, row in rows.items()
            )

        longer, spreads = [], []
        for of_cell, sides, mean in self._paired("retrain_fraction", [*LENGTHS], ["wiring"]):
            cell = _cell(of_cell.iloc[0])
            if of_cell["wiring"].iloc[0] == "correct" and cell.startswith(DATA[0]):
                longer.append(f"{_said(mean, 'difference')} for {_short(cell)}")
                spreads.append("{:.2f} and {:.2f} for ".format(*(100 * _spread(side) for side in sides)) + _short(cell))
        pruned, wired = of("correct", tenth), of("released_code", tenth)
        agree, agree_wired = (
            {cell: row for cell, row in rows.items() if row["relation"] == "agrees"} for rows in (pruned, wired)
        )
        unshown = [listed({cell: row}) for cell, row in pruned.items() if cell not in agree]
        pruned_leads, wired_leads = (
            {name: {cell: pd.Series(self._lead(row, name)) for cell, row in rows.items()} for name in ("l1", "taylor")}
            for rows in (pruned, wired)
        )
        differ = {
            name: sum(lead["lead_low"] * lead["lead_high"] > 0 for lead in leads.values())
            for name, leads in pruned_leads.items()
        }
        told = {name: f"{count}" if count else "none" for name, count in differ.items()}
        wider = self._wider(pruned, wired)
        ceiling = decimal(self.rows(first)["ceiling"].mean())
        optimum = self.picks_over_networks().loc["l1"]
        sentences = (
            "On MNIST, correctly pruned and after a tenth of the retraining, the pruned train loss predicts in "
            f"{len(agree)} of {len(pruned)} cells, with s from {_range(agree)} where a perfect predictor would show "
            f"{ceiling} (conv1 0.2){''.join(f'; s is {each}' for each in unshown)}. After the whole retraining, s is "
            f"{listed(of('correct', whole))}: three networks each, whose intervals say little where they happen to be "
            f"alike. In the same networks, s after a tenth minus s after the whole is {', '.join(longer)}, and the "
            f"standard deviation of their combinations, in points of accuracy, {', '.join(spreads)}.",
            f"In {told['l1']} of these cells is its s shown to differ from that of l1, and in {told['taylor']} from "
            f"that of taylor, which evaluate no pruned network (s minus theirs is {_range(pruned_leads['l1'], 'lead')} "
            f"and {_range(pruned_leads['taylor'], 'lead')}, [interval by interval](docs/findings.md)). Nor is the true "
            "optimum of all 63,504 ways to halve conv1 and conv2 shown to end better than what l1 picks, after a tenth "
            f"of the retraining: by {optimum['lead']:.2f} [{optimum['lead_low']:.2f}, {optimum['lead_high']:.2f}] "
            f"points; {optimum['networks']:.0f} networks cannot tell half a point.",
            f"Wired as the released code does, the loss predicts after a tenth in {len(agree_wired)} of {len(wired)} "
            f"cells, with s from {_range(wired)}, and final accuracies lie {wider} times as far apart, which alone "
            f"makes them easier to rank. Its s minus that of l1 is {_range(wired_leads['l1'], 'lead')}, minus that of "
            f"taylor {_range(wired_leads['taylor'], 'lead')}: both know the dense network alone, and nothing of the "
            f"mismatch. On digits, over {few['networks']:.0f} networks and with the whole retraining, it predicts so "
            f"wired ({_said(few_wired)}), and is not shown to, correctly pruned ({_said(few)}; with final test loss it "
            f"is {_said(few_loss)}, {few_loss['relation']}; these dense networks have hardly any loss left). The "
            "paper's conclusion rests on larger networks, too, which have yet to be asked.",
        )
        return "\n".join(fill(f"- {each}", 128, subsequent_indent="  ") for each in sentences)

    def _wider(self, pruned: dict[str, pd.Series], wired: dict[str, pd.Series]) -> str:
        """How many times as far apart final accuracies lie where networks are wired as the released code does."""
        spreads = [
            {cell: _spread(self.runs[self.runs["study"].isin(row["studies"])]) for cell, row in rows.items()}
            for rows in (wired, pruned)
        ]
        times = [spreads[0][cell] / spreads[1][cell] for cell in spreads[0] if cell in spreads[1]]
        return f"{min(times):.1f} to {max(times):.1f}"

    def _lead(self, mean: pd.Series, name: str) -> dict[str, float]:
        """How much better the oracle agrees than another criterion in the same networks, in pairs."""
        own, other = (self.rows(mean, each).set_index("study")["agreement"] for each in (ORACLE.name, name))
        return mean_over_networks((own - other.reindex(own.index)).to_numpy(float), "lead")

    def _chance(self) -> str:
        """What a criterion that knows nothing shows in single networks of the setting of the figure."""
        s = self.rows(self.oracle()[0], RANDOM)["agreement"]
        return (
            "In a single network even `random` can look like a criterion: from "
            f"{agreement(s.min())} to {agreement(s.max())} in those of the figure, for combinations\n"
            "share filters. Which is why networks are what counts."
        )

    def _wiring_losses(self) -> str:
        """How much more the released code's wiring damages, over the dense networks that have both."""
        keys = ["data", "ratios", "retrain_fraction", "pretrain_seed", "wiring"]
        cell = self.runs[self.runs["study"].isin([study for each in self.oracle() for study in each["studies"]])]
        cell = cell[cell["data"] == DATA[0]].assign(ratios=cell["pruning_ratio"].map(str))
        medians = cell.groupby(keys)["pruned_train_loss"].median().unstack()[[*WIRINGS]].dropna()
        times = (medians["released_code"] / medians["correct"]).sort_values()
        return (
            "Wired as the released code does, most filters feed weights that were trained for others: on MNIST the "
            f"median pruned train loss is\n{times.iloc[0]:.1f} to {times.iloc[-1]:.1f} times as large as where the "
            "same filters were removed correctly, by cell and dense network."
        )

    def _spreads(self) -> str:
        """How much combinations differ at the end."""
        ends = self.runs.groupby(["data", "retrain_fraction", "wiring", "study", "combo"])["final_test_accuracy"].mean()
        found = 100 * ends.groupby(level=[0, 1, 2, 3]).std()
        said = [
            f"{of.min():.2f} to {of.max():.2f} ({data}, {spell('retrain_fraction', share)}, {WIRINGS[wiring]})"
            for (data, share, wiring), of in found.groupby(level=[0, 1, 2])
        ]
        sentence = (
            "- Combinations differ little: the standard deviation of their final test accuracies is, from study to "
            f"study, {', '.join(said)} points. One test image is 0.01 points on MNIST, and "
            "0.17 on digits, whose test set has 599."
        )
        return fill(sentence, 135, subsequent_indent="  ")

    def _cells(self, metric: str) -> str:
        beside = [name for name in BESIDE if metric == "accuracy" and (self.table["criterion"] == name).any()]
        head = ["cell", "retraining", "wiring", "dense networks", "s [95 %]", "ceiling", "answer"]
        lines = [_line([*head, *beside]), _line(["---"] * (len(head) + len(beside)))]
        for mean in self.oracle(metric):
            rows = self.rows(mean, metric=metric)
            others = [self.mean_of(mean, name) for name in beside]
            lines.append(
                _line(
                    [
                        *(_cell(mean), _share(mean), WIRINGS[mean["wiring"]], f"{mean['networks']:.0f}"),
                        f"**{agreement(mean['agreement'])}** {_interval(mean)}",
                        decimal(rows["ceiling"].mean()),
                        f"{mean['relation']}; {mean['verdict']}",
                        *(decimal(None) if other is None else agreement(other["agreement"]) for other in others),
                    ]
                )
            )
        return "\n".join(lines)

    def _networks(self) -> str:
        head = ("cell", "retraining", "wiring", "seed", "dense accuracy", "median pruned train loss", "s [95 %]")
        lines = [_line([*head, "ceiling", "permuted p", "better than the oracle's choice", "answer"])]
        lines.append(_line(["---"] * (len(head) + 4)))
        for mean in self.oracle():
            for _, row in self.rows(mean).sort_values("pretrain_seed").iterrows():
                runs = self.runs[self.runs["study"] == row["study"]]
                lines.append(
                    _line(
                        [
                            *(_cell(mean), _share(mean), WIRINGS[mean["wiring"]]),
                            *(f"{row['pretrain_seed']}", f"{runs['dense_test_accuracy'].iloc[0]:.4f}"),
                            f"{runs['pruned_train_loss'].median():.2f}",
                            f"{agreement(row['agreement'])} {_interval(row)}".strip(),
                            *(decimal(row["ceiling"]), p_value(row["p_permutation"])),
                            *(f"{percent(row['anomaly_ratio'])} %", f"{row['relation']}; {row['verdict']}"),
                        ]
                    )
                )
        return "\n".join(lines)

    def _wirings(self) -> str:
        """Correct pruning and the released code's wiring of the same dense networks, in pairs."""
        return self._pairs("wiring", [*WIRINGS], "s correct minus s released", ["retrain_fraction"])

    def _lengths(self) -> str:
        """A tenth and the whole of the retraining of the same dense networks, in pairs."""
        return self._pairs("retrain_fraction", [*LENGTHS], "s after 10 % minus s after 100 %", ["wiring"])

    def _lengths_answer(self) -> str:
        """What the comparison of lengths says of correctly pruned networks."""
        sentences = []
        for of_cell, sides, mean in self._paired("retrain_fraction", [*LENGTHS], ["wiring"]):
            if of_cell["wiring"].iloc[0] != "correct":
                continue
            after = "after a tenth of the retraining", "after the whole"
            if mean["difference_low"] * mean["difference_high"] > 0:
                better, worse = after if mean["difference"] > 0 else after[::-1]
                says = f"predicts better {better} than {worse}"
            else:
                says = f"is not shown to predict better, or worse, {after[0]} than {after[1]}"
            spread = [f"{100 * _spread(side):.2f}" for side in sides]
            means = (side.groupby("study")["final_test_accuracy"].mean().mean() for side in sides)
            accuracy = [f"{100 * mean:.2f} %" for mean in means]
            sentences.append(
                f"{_cell(of_cell.iloc[0])}: the pruned train loss {says}: {agreement(mean['difference'])} "
                f"{_interval(mean, 'difference')} over {sides[0]['dense_hash'].nunique()} networks. Final accuracies "
                f"are {accuracy[0]} and {accuracy[1]} on average; the standard deviation of a network's combinations "
                f"is {spread[0]} and {spread[1]} points.{self._repeated(sides)}"
            )
        return "\n\n".join(fill(sentence, 135, break_on_hyphens=False) for sentence in sentences)

    def _repeated(self, sides: list[pd.DataFrame]) -> str:
        """What is known of the part that retraining noise has in a comparison of lengths."""
        table = self.table[(self.table["criterion"] == ORACLE.name) & (self.table["metric"] == "accuracy")]
        of_studies = table.set_index("study")
        rows = [of_studies.loc[side["study"].unique()].set_index("dense_hash") for side in sides]
        found = []
        for network in rows[0].index:
            tenth, whole = (each.loc[network] for each in rows)
            if whole["k"] > 1:
                found.append(
                    f" Of seed {whole['pretrain_seed']}, with {whole['k']} repeats of both, s is "
                    f"{agreement(tenth['agreement'])} and {agreement(whole['agreement'])} under noise ceilings of "
                    f"{decimal(tenth['ceiling'])} and {decimal(whole['ceiling'])}."
                )
        rest = " The other networks have one repeat, so that some of their change may be its noise."
        return "".join(found) + rest * (0 < len(found) < len(rows[0]))

    def _pairs(self, key: str, values: list, difference: str, others: list[str]) -> str:
        """Two settings that differ in a key alone, over the dense networks and repeats that both have."""
        said = {"retrain_fraction": ("retraining", _share), "wiring": ("wiring", lambda row: WIRINGS[row["wiring"]])}
        names, spelt = zip(*(said[name] for name in others), strict=True)
        head = ("cell", *names, "networks", f"{difference} [95 %]", "p", "tau between their final accuracies [95 %]")
        lines = [_line(head), _line(["---"] * len(head))]
        for of_cell, sides, mean in self._paired(key, values, others):
            row = [_cell(of_cell.iloc[0]), *(spell_it(of_cell.iloc[0]) for spell_it in spelt)]
            row += [f"{sides[0]['dense_hash'].nunique()}"]
            row += [f"{agreement(mean['difference'])} {_interval(mean, 'difference')}", p_value(mean["p"])]
            lines.append(_line([*row, f"{agreement(mean['final_tau'])} {_interval(mean, 'final_tau')}"]))
        return "\n".join(lines)

    def _paired(
        self, key: str, values: list, others: list[str]
    ) -> Iterator[tuple[pd.DataFrame, list[pd.DataFrame], pd.Series]]:
        """Each cell that both settings have: its runs, those compared, by setting, and the comparison's mean."""
        runs = self.runs.assign(ratios=self.runs["pruning_ratio"].map(str), at=self.runs["data"].map(DATA.index))
        for _, of_cell in runs.groupby(["at", "ratios", *others]):
            sides = [of_cell[of_cell[key] == value] for value in values]
            keys = [pd.MultiIndex.from_frame(side[["dense_hash", "repeat"]]) for side in sides]
            shared = keys[0].intersection(keys[1])
            sides = [side[key.isin(shared)] for side, key in zip(sides, keys, strict=True)]
            if sides[0]["dense_hash"].nunique() >= LEAST:
                yield of_cell, sides, oc.compare_settings(*sides, metric="accuracy").iloc[-1]

    def _single(self) -> str:
        """What each network alone would have said, tallied."""
        head = ("cell", "retraining", "wiring", "networks", "Definition 3.1 valid", "agrees", "opposes", "none shown")
        lines = [_line(head), _line(["---"] * len(head))]
        for mean in self.oracle():
            rows = self.rows(mean)
            tally = [int((rows["relation"] == word).sum()) for word in ("agrees", "opposes", "none shown")]
            valid = int(rows["valid"].astype(bool).sum())
            said = [f"{len(rows)}", f"{valid}", *map(str, tally)]
            lines.append(_line([_cell(mean), _share(mean), WIRINGS[mean["wiring"]], *said]))
        return "\n".join(lines)

    @cached_property
    def searched(self) -> dict[str, pd.DataFrame]:
        """Study whose whole space was searched -> a row for each combination: its kind, and means over its repeats.

        A kind is the criterion that picked it; else "sampled" (from 0 on without a gap) or "best of 1,000".
        """
        found = {}
        for study, runs in self.searches.groupby("study", sort=False):
            sample = set(_sample(runs)["combo"].astype(int))
            names = runs["picked_by"].fillna(runs["combo"].astype("string"))
            rows = runs.groupby(names).agg(
                loss=("pruned_train_loss", "mean"),
                accuracy=("final_test_accuracy", "mean"),
                deviation=("final_test_accuracy", "std"),
            )
            kinds = ["sampled" if int(name) in sample else "best of 1,000" for name in rows.index if name.isdigit()]
            found[study] = rows.assign(kind=[*kinds, *(name for name in rows.index if not name.isdigit())])
        return found

    def _leads(self) -> str:
        """How much better the oracle agrees than other criteria in the same networks."""
        names = [name for name in LED if (self.means["criterion"] == name).any()]
        lines = [_line(["cell", "retraining", "wiring", "networks", *(f"minus {name}" for name in names)])]
        lines.append(_line(["---"] * (4 + len(names))))
        for mean in self.oracle():
            leads = [pd.Series(self._lead(mean, name)) for name in names]
            where = (_cell(mean), _share(mean), WIRINGS[mean["wiring"]], f"{mean['networks']:.0f}")
            lines.append(_line([*where, *(_said(lead, "lead") for lead in leads)]))
        return "\n".join(lines)

    def _picks(self) -> str:
        """What criteria picked, where the whole space was searched: means over repeats, beside sampled ones."""
        head = ("cell", "seed", "combination", "pruned train loss", "final test accuracy", "standard deviation")
        lines = [_line([*head, "sampled that end better"]), _line(["---"] * (len(head) + 1))]
        for study, rows in sorted(self.searched.items(), key=lambda each: self._first(each[0])["pretrain_seed"]):
            about = [_cell(self._first(study)), f"{self._first(study)['pretrain_seed']}"]
            sampled = rows[rows["kind"] == "sampled"]
            ends, losses = sampled["accuracy"], sampled["loss"]
            picked = rows[rows["kind"] != "sampled"].sort_values("accuracy", ascending=False)
            for _, row in picked.iterrows():
                end, better = f"{100 * row['accuracy']:.2f} %", f"{(ends > row['accuracy']).sum()} of {len(ends)}"
                deviation = f"{100 * row['deviation']:.2f}"
                lines.append(_line([*about, f"`{row['kind']}`", f"{row['loss']:.3f}", end, deviation, better]))
            of_losses = f"{losses.min():.3f} to {losses.max():.3f}"
            said = [f"{len(ends)} sampled", of_losses, f"{100 * ends.min():.2f} to {100 * ends.max():.2f} %"]
            lines.append(_line([*about, *said, "", ""]))
        return "\n".join(lines)

    @cached_property
    def ends(self) -> pd.DataFrame:
        """Kind of combination x study -> mean final accuracy."""
        return pd.DataFrame({study: rows.groupby("kind")["accuracy"].mean() for study, rows in self.searched.items()})

    def lead(self, kind: str) -> pd.Series:
        """Study -> by how many percentage points the true optimum ends better than combinations of a kind."""
        return 100 * (self.ends.loc[ORACLE.name] - self.ends.loc[kind]).dropna()

    def picks_over_networks(self) -> pd.DataFrame:
        """Kind of combination -> mean final accuracy over dense networks, and the true optimum's lead over it.

        The lead is of the networks that have both, in percentage points, with its t-interval over networks and p.
        """
        rows = {}
        for kind, ends in self.ends.iterrows():
            said = {"networks": ends.notna().sum(), "accuracy": ends.mean()}
            if kind != ORACLE.name:
                lead = self.lead(str(kind))
                test = stats.ttest_1samp(lead, 0)
                low, high = test.confidence_interval()
                said |= {"lead": lead.mean(), "lead_low": low, "lead_high": high, "p": test.pvalue}
            rows[kind] = said
        return pd.DataFrame.from_dict(rows, orient="index").sort_values("accuracy", ascending=False)

    def _picks_over_networks(self) -> str:
        head = ("combination", "networks", "final test accuracy, mean", "the true optimum's lead in points [95 %]", "p")
        lines = [_line(head), _line(["---"] * len(head))]
        for kind, row in self.picks_over_networks().iterrows():
            lead = "" if kind == ORACLE.name else f"{row['lead']:.2f} [{row['lead_low']:.2f}, {row['lead_high']:.2f}]"
            said = [f"`{kind}`" if kind != "sampled" else "sampled, their mean", f"{row['networks']:.0f}"]
            p = "" if kind == ORACLE.name else p_value(row["p"])
            lines.append(_line([*said, f"{100 * row['accuracy']:.2f} %", lead, p]))
        return "\n".join(lines)

    def _picks_answer(self) -> str:
        """What follows from the picks; whoever adds networks looks at it again."""
        rows = self.picks_over_networks()
        each = {name: self.lead(name) for name in ("l1", "taylor", "sampled")}
        better = int((each["sampled"] > 0).sum())

        def said(name: str) -> str:
            row = rows.loc[name]
            return f"{row['lead']:.2f} [{row['lead_low']:.2f}, {row['lead_high']:.2f}]"

        return fill(
            f"The true optimum ends better than the mean of the sampled combinations in {better} of "
            f"{len(each['sampled'])} networks, by {said('sampled')} points. It is not shown to end better, or worse, "
            f"than what L1 and Taylor pick, whose pruned train loss is larger: {said('l1')} and {said('taylor')}. One "
            "network would have made one believe anything: by itself, the lead over L1's pick goes from "
            f"{each['l1'].min():.2f} to {each['l1'].max():.2f} points, where repeats of a retraining differ by a few "
            "hundredths.",
            128,
        )

    def _first(self, study: str) -> pd.Series:
        """A run of a study."""
        return self.searches[self.searches["study"] == study].iloc[0]

    def _criteria(self) -> str:
        settings = self.oracle()
        names = [name for name in dict.fromkeys(self.table["criterion"])]
        whole = [f"{_cell(row)}, {WIRINGS[row['wiring']]}, {_share(row)}" for row in settings]
        lines = [_line(["criterion", *whole]), _line(["---"] * (len(whole) + 1))]
        found = {name: [self.mean_of(each, name) for each in settings] for name in names}
        order = sorted(names, key=lambda name: -np.mean([0 if x is None else x["agreement"] for x in found[name]]))
        for name in order:
            said = [decimal(None) if x is None else f"{agreement(x['agreement'])} {_interval(x)}" for x in found[name]]
            lines.append(_line([f"**{name}**" if name == ORACLE.name else name, *said]))
        return "\n".join(lines)

    def draw(self, ax: Axes | None = None) -> Axes:
        """Draw the mean agreement of the oracle with test accuracy, a row for each setting, with its networks."""
        means = self.oracle()
        with given_or_new(ax, FULL, _height(len(means))) as ax:
            ax.axvline(0, color="0.75", lw=0.8, zorder=0)
            ax.axvline(VALID_AGREEMENT, color="0.3", lw=0.8, ls="--", zorder=0)
            for at, mean in enumerate(means):
                rows, color = self.rows(mean), COLORS[mean["wiring"]]
                ring: Any = {"ls": "", "marker": "o", "ms": 2.8, "mfc": "none", "mec": color, "mew": 0.7}
                ax.plot(rows["agreement"], [at + 0.25] * len(rows), **ring)
                ax.plot([rows["ceiling"].mean()], [at], ls="", marker="|", ms=8, mew=1, color="0.3")
                ax.plot([mean["agreement_low"], mean["agreement_high"]], [at, at], lw=1.9, color=color)
                ax.plot([mean["agreement"]], [at], ls="", marker=MEAN, ms=5.5, color=color, mec="white", mew=0.4)
            labels = [f"{_cell(each)}, {_share(each)} of the epochs" for each in means]
            ax.set_yticks(range(len(means)), labels, size=SMALL)
            ax.set_ylim(len(means) - 0.4, -0.6)
            ax.tick_params(axis="y", length=0)
            ax.spines[["top", "right", "left"]].set_visible(False)
            ax.set_xlabel("agreement $s$ of pruned train loss with final test accuracy")
            columns = {
                "$s$": [typographic(agreement(each["agreement"])) for each in means],
                "95 %": [typographic(_interval(each)) for each in means],
                "networks": [f"{each['networks']:.0f}" for each in means],
            }
            write_columns(ax, columns, list(range(len(means))), [False] * len(means))
            figure: Any = ax.get_figure(root=True)
            keys = [Line2D([], [], color=COLORS[name], marker=MEAN, ms=5.5, lw=1.9, label=said)
                    for name, said in WIRINGS.items()]  # fmt: skip
            ring = {"ls": "", "marker": "o", "ms": 2.8, "mfc": "none", "mec": "0.3", "mew": 0.7}
            keys.append(Line2D([], [], label="one dense network", **ring))
            keys.append(Line2D([], [], ls="", marker="|", ms=8, mew=1, color="0.3", label="noise ceiling"))
            keys.append(Line2D([], [], color="0.3", lw=0.8, ls="--", label=f"{VALID_AGREEMENT} (Def. 3.1)"))
            figure.legend(handles=keys, loc="outside lower center", ncols=5, frameon=False, handletextpad=0.6)
        return ax


def written(page: str, blocks: Mapping[str, str]) -> str:
    """A page with its blocks as they are now.

    Raises:
        ValueError: If a block that the page has is none of these.
    """

    def block(match: re.Match[str]) -> str:
        name = match[1]
        if name not in blocks:
            raise ValueError(f"a block must be one of {', '.join(blocks)}; got {name}")
        return f"<!-- {name} -->\n{blocks[name]}\n<!-- /{name} -->"

    return re.sub(r"<!-- ([\w-]+) -->\n.*?<!-- /\1 -->", block, page, flags=re.DOTALL)


def _spread(runs: pd.DataFrame) -> float:
    """Standard deviation of the final test accuracies of a network's combinations, mean over networks."""
    accuracies = runs.groupby(["study", "combo"])["final_test_accuracy"].mean()
    return float(accuracies.groupby("study").std().mean())


def _sample(runs: pd.DataFrame) -> pd.DataFrame:
    """The first repeat of the combinations of a searched study that are numbered from 0 on without a gap."""
    first = runs[runs["picked_by"].isna() & (runs["repeat"] == 0)]
    numbers = np.sort(first["combo"].astype(int).unique())
    return first[first["combo"].astype(int).isin(numbers[numbers == np.arange(len(numbers))])]


def _height(rows: int) -> float:
    return 1.0 + 0.24 * rows


def _cell(row: pd.Series) -> str:
    return f"{row['data']} {spell('layers', row['layers'])} {spell('pruning_ratio', row['pruning_ratio'])}"


def _short(cell: str) -> str:
    return cell.removeprefix(f"{DATA[0]} ")


def _range(rows: dict[str, pd.Series], name: str = "agreement") -> str:
    means = [row[name] for row in rows.values()]
    return f"{agreement(min(means))} to {agreement(max(means))}"


def _share(row: pd.Series) -> str:
    return spell("retrain_fraction", row["retrain_fraction"])


def _interval(row: pd.Series, name: str = "agreement") -> str:
    return agreement_interval(row[f"{name}_low"], row[f"{name}_high"])


def _unsure(row: pd.Series) -> str:
    """What is to be said of a relation that is not shown."""
    return "" if row["relation"] == "agrees" else f" ({row['relation']}: Holm's p {p_value(row['p_holm'])})"


def _said(row: pd.Series, name: str = "agreement") -> str:
    return f"{agreement(row[name])} {_interval(row, name)}"


def _line(cells: Any) -> str:
    return f"| {' | '.join(cells)} |"


def _sortable(column: pd.Series) -> pd.Series:
    """Single layers before several."""
    return column.map(lambda layers: f"{len(layers):3} {layers}") if column.name == "layers" else column


def main(pages: list[Path]) -> None:
    """Write the figure and the pages."""
    findings = Findings.of()
    blocks = findings.blocks()
    for page in pages:
        page.write_text(written(page.read_text(), blocks))
    drawn = save_figure(findings.draw, FIGURE, FULL, _height(len(findings.oracle())))
    first, table, means = findings.oracle()[0], findings.table, findings.means
    drawn += save_criteria(
        table[table["study"].isin(first["studies"])],
        CRITERIA_FIGURE,
        metric="accuracy",
        networks=means[means["setting_hash"] == first["setting_hash"]],
    )
    for path in drawn:
        if path.suffix == ".pdf":
            path.unlink()


if __name__ == "__main__":
    main([Path(word) for word in sys.argv[1:]] or list(PAGES))
