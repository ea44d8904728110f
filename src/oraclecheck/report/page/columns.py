"""What each number of the report is called, how it is computed, and how it is printed.

Paper 1 is Feng, Tao and Wang, "Is Oracle Pruning the True Oracle?" (arXiv 2412.00143). In the formulas c is the
criterion's score, y the final metric, ȳ its mean over a combination's k repeats, and d is −1 for accuracy and +1 for
loss. An underscore makes a subscript on the page.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd

from oraclecheck.analysis.rounding import UNDEFINED, agreement, decimal, p_value

ALWAYS, TELLING, ON_DEMAND = "always", "telling", "on demand"
"""When a column is shown unasked; telling: where a row has a value other than zero and empty text."""

_FORMS: dict[str, Callable[[Any], str]] = {
    "text": str,
    "count": "{:,.0f}".format,
    "signed": lambda value: f"{'+' if value > 0 else ''}{agreement(value)}",
    "unsigned": agreement,
    "share": lambda value: f"{decimal(100 * value, 1)} %",
    "p": lambda value: p_value(value, "unicode"),
    "flag": lambda value: "yes" if value else "no",
    "unit of accuracy": lambda value: f"{decimal(100 * value)} pp",
    "unit of loss": lambda value: decimal(value, 4),
}


@dataclass(frozen=True)
class Column:
    """A column of `tables.correlate`, or `lacking`, which is put together from others.

    Attributes:
        name: Its name there.
        heading: What the page calls it.
        kind: How it is printed: "signed" and "unsigned" with two decimals (more where it takes them to stand on its
            side of 0.2), "share" in percent, "p" as a p-value, "unit" in the metric's unit (percentage points for
            accuracy).
        shown: Whether it is there unasked.
        meaning: Definition with formula, as text; {score} stands for what the criterion's score is called.
        source: Who defined it; empty if it is plain counting.
        ends: Names of the columns with its interval's lower and upper end, printed in the same cell.
    """

    name: str
    heading: str
    kind: Literal["text", "count", "signed", "unsigned", "share", "p", "unit", "flag"]
    shown: str
    meaning: str
    source: str = ""
    ends: tuple[str, ...] = ()

    def at_first(self, table: pd.DataFrame) -> bool:
        """Whether the page shows it before anybody asks for it."""
        if self.shown != TELLING:
            return self.shown == ALWAYS
        values = table[self.name]
        return bool((values.notna() & ~values.isin([0, ""])).any())

    def sort_key(self, row: Mapping[str, Any]) -> str:
        """What the page sorts numbers by; empty where one is not defined, and of text, which is sorted by itself."""
        value = row.get(self.name, row.get(self.ends[0]) if self.ends else None)
        return "" if self.kind == "text" or pd.isna(value) else f"{float(value):.9g}"

    def text(self, row: Mapping[str, Any]) -> str:
        """The number as it is printed; empty where there is only an interval."""
        return self._text(row, self.name) if self.name in row else ""

    def interval(self, row: Mapping[str, Any]) -> str:
        """The interval as it is printed; empty if there is none."""
        if not self.ends or any(pd.isna(row.get(end)) for end in self.ends):
            return ""
        low, high = (self._text(row, end).removesuffix(" pp").removesuffix(" %") for end in self.ends)
        return f"[{low}, {high}]"

    def _text(self, row: Mapping[str, Any], name: str) -> str:
        if pd.isna(row[name]):
            return UNDEFINED
        text = _FORMS[f"unit of {row['metric']}" if self.kind == "unit" else self.kind](row[name])
        return text if self.kind == "text" else text.replace("-", "\N{MINUS SIGN}")


GROUPS: dict[str, tuple[Column, ...]] = {
    "Study": (
        Column("study", "Study", "text", ON_DEMAND,
            "The name of the study's folder. A study is everything that is fixed while combinations and repeats vary; "
            "the page calls it by what it does not share with the others."),
        Column("criterion", "Criterion", "text", ON_DEMAND, "The criterion that is judged, by its name."),
        Column("final", "Final", "text", ON_DEMAND,
            "Which epoch the metric is taken from: the last retraining epoch, or the one with the best test accuracy "
            "(what the released code of paper 1 calls final; choosing an epoch by its test accuracy is optimistic)."),
        Column("metric", "Metric", "text", ALWAYS, "Test accuracy (higher is better) or test loss (lower is better)."),
        Column("relation", "Relation", "text", ALWAYS,
            "Is there one, and which way? agrees (s > 0) or opposes (s < 0) if p < 0.05: the filter-permutation p "
            "where it is defined, adjusted by Holm's method over the settings that are judged together; and only if "
            "the missing combinations could not turn the sign. none shown: otherwise.", "oraclecheck"),
        Column("verdict", "Verdict", "text", ALWAYS,
            "Is it strong enough to choose by? valid: it agrees and the interval of s lies above 0.2. invalid: with "
            "k ≥ 2 repeats that agree with each other (lower end of ρ_k above 0), the interval of the noise-free s* "
            "ends at or below 0.2; inverse: below 0, and it opposes. undecided: neither, and the reason says what is "
            "lacking; always so where the space is not known, where only its first part was run, or where the missing "
            "combinations could turn it.",
            "oraclecheck; threshold of Definition 3.1 of paper 1"),
        Column("reason", "Reason", "text", ON_DEMAND, "Why the verdict is what it is."),
        Column("scope", "For", "text", ON_DEMAND,
            "What the answers are about: one trained network. Only several networks speak of a setting."),
        Column("model", "Model", "text", ON_DEMAND, "The network's name."),
        Column("data", "Data", "text", ON_DEMAND, "The data set's name."),
        Column("layers", "Layers", "text", ON_DEMAND, "The layers that lose filters."),
        Column("pruning_ratio", "Ratio", "text", ON_DEMAND,
            "Fraction of a layer's filters removed; their number is ⌈n · ratio⌉."),
        Column("wiring", "Wiring", "text", ON_DEMAND,
            "correct: the next layer loses the inputs of the removed filters. released_code: it keeps the inputs that "
            "the L1 norm chooses, whatever the combination, as the released code of paper 1 does."),
        Column("order", "Order", "text", ON_DEMAND, "How combinations are numbered: lexicographic or sampled."),
        Column("space", "Space", "text", ON_DEMAND,
            "enumerated: the study walks through every combination there is, a census of this network. part: it has "
            "begun with the first of them, which are no random sample. sampled: a random sample of them."),
        Column("space_size", "Space size", "count", ON_DEMAND, "How many combinations there are."),
        Column("pipeline", "Pipeline", "text", ON_DEMAND,
            "What lies between the dense network and the final metrics; one_shot: prune once, retrain; during: the "
            "same with a dense network in mid-training; iterative: in rounds; scratch: the pruned architecture from a "
            "fresh start."),
        Column("engine", "Engine", "text", ON_DEMAND,
            "What retrained the networks: lightning, or lanes, which adds the same numbers in another order."),
        Column("retrain_fraction", "Retraining", "share", ON_DEMAND, "Share of the recipe's epochs that was run."),
        Column("pretrain_seed", "Dense seed", "count", ON_DEMAND, "Seed of the dense network's training."),
        Column("dense_hash", "Dense hash", "text", ON_DEMAND, "SHA-256 of the dense network's tensors."),
        Column("study_hash", "Study hash", "text", ON_DEMAND, "SHA-256 of what defines the study."),
        Column("setting_hash", "Setting hash", "text", ON_DEMAND,
            "SHA-256 of what defines the study but for the dense network; only studies that share it are averaged."),
        Column("lacking", "Lacking", "text", TELLING,
            "Runs without an outcome (missing, failed, unfinished) and runs with one that do not count, so that all "
            "combinations count with equally many repeats (left out). Each has a column of its own under Runs."),
        Column("error", "Error", "text", TELLING,
            "What contradicts itself in the records: the {score} of one combination, or a metric of the dense "
            "network, differs between two of them by more than 10⁻⁵ of its value."),
        Column("note", "Note", "text", ON_DEMAND, "What is not defined, and why."),
    ),
    "Runs": (
        Column("n", "n", "count", ALWAYS, "Combinations that count: those with an outcome of k repeats."),
        Column("k", "k", "count", ALWAYS,
            "Repeats of each combination that count: retrainings that differ only in their seed. Every number rests "
            "on the same k repeats of the same n combinations."),
        Column("runs", "Runs", "count", ON_DEMAND, "Records: one for each combination and repeat."),
        Column("missing", "Missing", "count", ON_DEMAND, "Runs that should be there and have no record."),
        Column("failed", "Failed", "count", ON_DEMAND, "Runs that ended in an error. They are not outcomes."),
        Column("diverged", "Diverged", "count", TELLING,
            "Runs whose loss became NaN or infinite. They are outcomes, and rank worst."),
        Column("unfinished", "Unfinished", "count", ON_DEMAND, "Runs that started and have no outcome."),
        Column("incomplete", "Incomplete", "count", ON_DEMAND,
            "Combinations that lack the outcome of a repeat that was begun."),
        Column("left_out", "Left out", "count", ON_DEMAND,
            "Runs with an outcome that do not count, so that all combinations count with equally many repeats."),
        Column("left_out_combinations", "Left out (n)", "count", ON_DEMAND,
            "Combinations none of whose runs count: they have fewer repeats than nine in ten of the others."),
    ),
    "Agreement": (
        Column("agreement", "s", "signed", ALWAYS,
            "Agreement s = d · τ_b(c, ȳ), between −1 and 1: positive where the combination with the lower {score} "
            "ends better, 0 where the one says nothing about the other. The interval holds 95 %; the column Interval "
            "says what was resampled for it.",
            "Kendall's τ_b as in scipy; paper 1, Eq. 3, prints τ_a", ("agreement_low", "agreement_high")),
        Column("interval", "Interval", "text", ON_DEMAND,
            "What the 95 % interval of s is over: combinations (a sampled space: 10,000 bootstrap draws, all repeats "
            "of a combination kept together), repeats (a census, where the combinations are all there are and only "
            "the retraining seeds could be others: s ± t · standard error, put together from what each combination's "
            "retraining noise does to τ), or none (a census without repeats has no interval).", "oraclecheck"),
        Column("tau", "τ_b", "signed", ON_DEMAND, "Kendall's τ_b(c, ȳ), not signed by d.", "scipy.stats.kendalltau"),
        Column("tau_a", "τ_a", "signed", ON_DEMAND,
            "d · (C − D) / (n(n−1)/2) over concordant and discordant pairs.", "paper 1, Eq. 3"),
        Column("spearman", "Spearman", "signed", ON_DEMAND, "d · Spearman's rank correlation of c and ȳ.", "scipy"),
        Column("pearson", "Pearson", "signed", ON_DEMAND, "d · Pearson's linear correlation of c and ȳ.", "scipy"),
        Column("agreement_without_diverged", "s without diverged", "signed", ON_DEMAND,
            "s over the combinations none of whose repeats diverged."),
        Column("agreement_missing", "s if all were known", "signed", ON_DEMAND,
            "What s could become if the missing and failed combinations were known: all pairs with one of them "
            "discordant, or all concordant.", "oraclecheck", ("agreement_missing_low", "agreement_missing_high")),
    ),
    "p-values": (
        Column("p", "p", "p", ON_DEMAND,
            "Two-sided p of τ_b. It takes the combinations as independent; they share filters, so it is too small: "
            "with ten filters whose effects are random it is below 0.05 in 37 % (n = 45) to 71 % (n = 252) of cases.",
            "scipy.stats.kendalltau, as paper 1"),
        Column("valid", "Valid (3.1)", "flag", ALWAYS,
            "s > 0.2 and p < 0.05, both unrounded.", "paper 1, Definition 3.1"),
        Column("p_permutation", "p (filters)", "p", TELLING,
            "Filter-permutation p, for a census: the filters of each layer are relabelled at random, τ_b between the "
            "relabelled score and ȳ is computed anew, 1,999 times; p = (1 + #{|τ′| ≥ |τ|}) / 2000.", "oraclecheck"),
        Column("p_holm", "p (Holm)", "p", TELLING,
            "p (filters) where it is defined, else p, adjusted by Holm's method over the rows with the same metric, "
            "wiring and dense seed that were computed together; it tests τ = 0, not 0.2.", "Holm 1979"),
        Column("p_family", "Family", "count", ON_DEMAND, "How many p-values were adjusted together."),
        Column("p_used", "p adjusted", "text", ON_DEMAND, "Which p was adjusted: permutation or scipy."),
    ),
    "Noise": (
        Column("ceiling", "Ceiling", "unsigned", TELLING,
            "Noise ceiling s_max = (2/π) · asin(√ρ_k): the agreement that a perfect predictor of the true mean would "
            "show, since nothing agrees with a noisy measurement better than it agrees with itself. It assumes a "
            "Gaussian copula and speaks about one dense network and one test set.",
            "oraclecheck", ("ceiling_low", "ceiling_high")),
        Column("repeat_tau", "t", "signed", ON_DEMAND, "Mean of τ_b(y_r, y_q) over the pairs of repeats r, q."),
        Column("rho_1", "ρ_1", "unsigned", ON_DEMAND,
            "Reliability of one repeat: sin(π t / 2), clipped to 0 … 1.", "Greiner's relation"),
        Column("rho_k", "ρ_k", "unsigned", ON_DEMAND,
            "Reliability of the mean of k repeats: k · ρ_1 / (1 + (k − 1) · ρ_1). Its interval, and those of the "
            "ceiling and of s*: of a sample, over 10,000 bootstrap draws of combinations with all their repeats; of a "
            "census, what retraining all its combinations again would show.",
            "Spearman–Brown", ("rho_k_low", "rho_k_high")),
        Column("ceiling_n", "Ceiling n", "count", ON_DEMAND, "Combinations with all k repeats, on which t rests."),
        Column("noise_free", "Noise-free s*", "signed", TELLING,
            "What s would be without retraining noise: s* = (2/π) · asin(sin(π s / 2) / √ρ_k), clipped to −1 … 1. "
            "Shown beside s, never instead of it; not defined where the repeats may be nothing but noise (lower end of "
            "ρ_k at 0).", "oraclecheck", ("noise_free_low", "noise_free_high")),
        Column("collapsed", "Collapsed", "count", TELLING,
            "Combinations whose ȳ lies more than three interquartile ranges beyond the worse quartile; if there are "
            "any, the ceiling can be up to 0.11 too high."),
    ),
    "The criterion's choice": (
        Column("anomaly_ratio", "Anomaly ratio", "share", ALWAYS,
            "Share of the n combinations whose ȳ is strictly better than that of the criterion's choice, the one with "
            "the least {score}; tied choices are averaged. The interval takes the choice as given: Wilson's for a "
            "sample, the retraining noise of the choice for a census.",
            "paper 1, Eq. 4", ("anomaly_low", "anomaly_high")),
        Column("regret", "Regret, at least", "unit", TELLING,
            "How much better the best combination ends than the criterion's choice, cross-fitted: the best is chosen "
            "on all repeats but one and measured on that one, in turn. Accuracy in percentage points; above 0 the "
            "choice is worse. A lower bound of the regret against the true best. The interval is ± 1.96 standard "
            "deviations of the estimate in simulated repeats.",
            "oraclecheck", ("regret_low", "regret_high")),
    ),
    "Pairs": (
        Column("counterexample_ratio", "Counterexamples", "share", ALWAYS,
            "Share of all n(n−1)/2 pairs in which the combination with the strictly lower {score} ends strictly worse.",
            "paper 1, Table A5"),
        Column("counterexamples", "Counterexample pairs", "count", ON_DEMAND, "The number of these pairs."),
        Column("pairs", "Pairs", "count", ON_DEMAND, "n(n−1)/2."),
        Column("tied_score", "Tied scores", "count", ON_DEMAND, "Pairs with equal {score}."),
        Column("tied_final", "Tied finals", "count", ON_DEMAND, "Pairs with equal final metric."),
        Column("tie_share", "Ties", "share", ON_DEMAND,
            "Share of pairs with equal final metric; accuracy on a small test set ties often."),
    ),
}  # fmt: skip
"""All columns, by what they speak about, in the page's order."""
