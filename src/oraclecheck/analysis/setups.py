"""How fair a comparison of studies is: which of the setups of Wang et al. (arXiv 2301.05219, Table 2) it meets.

Each of S1, S2, S3.1, S3.2, S4.1 and S4.2 asks for all that the one before asks for and more. SX-A and SX-B are for
comparisons with networks that were trained from scratch, which have no base model: beside S1 they ask for the same
budget of pretraining, pruning and retraining together, in epochs or in FLOPs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from oraclecheck.spelling import spell_value
from oraclecheck.study.identity import differences

CHAIN = ("S1", "S2", "S3.1", "S3.2", "S4.1", "S4.2")
SETUPS = (*CHAIN, "SX-A", "SX-B")

ASKS = {
    "S1": "same data, network and speed-up",
    "S2": "and the same base model",
    "S3.1": "and as many retraining epochs",
    "S3.2": "and the same retraining schedule",
    "S4.1": "and as many epochs of training while pruning",
    "S4.2": "and the same schedule of it",
    "SX-A": "S1, and as many epochs in all",
    "SX-B": "S1, and as many FLOPs in all",
}
"""Setup -> what it asks for."""

_UNMET = {False: "not met", None: "not known"}

SAME_SPEEDUP = 0.01
"""Relative difference of speed-ups that count as one: papers print two decimals."""

PARTS = ("pretraining", "pruning", "retraining")


@dataclass(frozen=True)
class Conditions:
    """What one study compares under.

    Attributes:
        study: Its name.
        asked: Setup of the chain -> key -> value of what the setup asks to be the same. The speed-up is not in it.
        speedup: Multiply-accumulates of the dense network over those of the pruned one; None without a record.
        epochs: Part of the training -> epochs; None where nobody knows.
        flops: Part of the training -> floating-point operations for a training image, two a multiply-accumulate, of the
            forward passes alone (backward passes take twice as many again); None where nobody knows.
        rounded: FLOPs that its budget may be off by, as epochs are whole: half an epoch of the dense network where that
            is taken at an epoch divided by the speed-up, else half an epoch of the pruned one.
        hidden: Why the pretraining is not known; empty where it is.
    """

    study: str
    asked: dict[str, dict[str, Any]]
    speedup: float | None
    epochs: dict[str, int | None]
    flops: dict[str, float | None]
    rounded: float
    hidden: str = ""

    def total(self, budget: Mapping[str, float | None]) -> float | None:
        """The sum of `epochs` or `flops`; None where a part is not known."""
        known = [value for value in budget.values() if value is not None]
        return sum(known) if len(known) == len(budget) else None


@dataclass(frozen=True)
class Setup:
    """Whether studies meet a setup.

    Attributes:
        name: One of `SETUPS`.
        met: None where nobody can tell.
        why: What keeps them from it, or from telling, a clause each: keys with both values.
    """

    name: str
    met: bool | None
    why: tuple[str, ...] = ()


def conditions(study: str, definition: Mapping[str, Any], config: Mapping[str, Any], runs: pd.DataFrame) -> Conditions:
    """What a study compares under, from its file and its records.

    Args:
        study: Its name.
        definition: Of its file, as `config`.
        config: The configuration of the command that began it.
        runs: Its rows of a table of runs.

    Raises:
        ValueError: If its file does not say what a sweep writes there.
    """
    try:
        return _conditions(study, definition, config, runs)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        reason = f"it lacks {error}" if isinstance(error, KeyError) else str(error)
        raise ValueError(f"{study} must have the file that a sweep wrote; {reason}") from None


def _conditions(study: str, definition: Mapping[str, Any], config: Mapping[str, Any], runs: pd.DataFrame) -> Conditions:
    pipeline, retrain = definition["pipeline"], dict(definition["retrain"])
    pretrain = config["pretrain"]
    divided = (config.get("pipeline") or {}).get("divide_by_speedup")
    rounds = [each["retrain"] for each in definition.get("rounds", ())][:-1]
    loaded = next((key for key in ("checkpoint", "weights") if pretrain.get(key)), None)
    hidden, pretraining = "", 0
    if pipeline != "scratch":
        pretraining = definition.get("pipeline_epoch") or max(1, round(pretrain["fraction"] * pretrain["epochs"]))
        if loaded:
            hidden = f"{study} loads its dense network (pretrain.{loaded}), which hides how long it was trained"
    dense, pruned, of_rounds = _macs(runs)
    epochs = [None if hidden else pretraining, sum(each["epochs"] for each in rounds), retrain["epochs"]]
    before = sum(each["epochs"] * macs for each, macs in zip(rounds, of_rounds, strict=False))
    costs = [_product(epochs[0], dense), float(2 * before), _product(retrain["epochs"], pruned)]
    if rounds and len(of_rounds) < len(rounds):
        costs[1] = None
    if pipeline == "scratch":
        costs[0] = 0.0
    unstructured = "unstructured" in definition  # its networks multiply their zeros: the ratio stands for the speed-up
    asked = {
        "S1": {"model": definition["model"], "network": definition["network"], "data": definition["data"]}
        | ({"pruning_ratio": definition["pruning_ratio"]} if unstructured else {}),
        "S2": {"dense network": "none: trained from scratch" if pipeline == "scratch" else definition["dense_hash"]},
        "S3.1": {"retrain.epochs": retrain.pop("epochs")},
        "S3.2": {"retrain": retrain},
        "S4.1": {"epochs while pruning": epochs[1]},
        "S4.2": {"rounds before the last": len(rounds), "rounds": {str(i): each for i, each in enumerate(rounds)}},
    }
    return Conditions(
        study,
        asked,
        dense / pruned if dense and pruned else None,
        dict(zip(PARTS, epochs, strict=True)),
        dict(zip(PARTS, costs, strict=True)),
        (_product(1, dense if divided else pruned) or 0.0) / 2,
        hidden,
    )


def _macs(runs: pd.DataFrame) -> tuple[float | None, float | None, list[float]]:
    """Multiply-accumulates of the dense, of the pruned network, and of those of the rounds before the last."""
    for _, run in runs[runs["status"] == "ok"].iterrows():
        if not pd.isna(run["dense_macs"]) and not pd.isna(run["pruned_macs"]):
            rounds = [entry["macs"] for entry in run.get("rounds") or []]
            return int(run["dense_macs"]), int(run["pruned_macs"]), rounds[:-1]
    return None, None, []


def _product(epochs: int | None, macs: float | None) -> float | None:
    return None if epochs is None or macs is None else 2.0 * epochs * macs


def setups(studies: Sequence[Conditions]) -> list[Setup]:
    """Whether studies meet each setup, all of them together.

    Args:
        studies: Two or more.
    """
    found: list[Setup] = []
    for name in CHAIN:
        why = _differing([study.asked[name] for study in studies])
        met: bool | None = not why
        if name == "S1":
            known, told = _speedups(studies)
            met = None if met and not known else not [*why, *told]
            why += told
        if found and not (before := found[-1]).met:
            met = None if met and before.met is None else False
            why = [f"{before.name} is {_UNMET[before.met]}", *why]
        found.append(Setup(name, met, tuple(why)))
    first = found[0]
    for name, budget in (("SX-A", "epochs"), ("SX-B", "flops")):
        found.append(_with_budget(name, budget, first, studies))
    return found


def _differing(values: Sequence[Mapping[str, Any]]) -> list[str]:
    found = differences(values)
    if "rounds before the last" in found:  # then no round of one has a counterpart to be compared with
        found = {"rounds before the last": found["rounds before the last"]}
    return [f"{key} is {_both(map(_spell, each))}" for key, each in found.items()]


def _speedups(studies: Sequence[Conditions]) -> tuple[bool, list[str]]:
    """Whether the speed-ups are known, and what is to be said of them."""
    if lacking := [study.study for study in studies if study.speedup is None]:
        return False, [f"the speed-up of {lacking[0]} is not known before it has a record"]
    values = [study.speedup for study in studies if study.speedup is not None]
    if max(values) <= min(values) * (1 + SAME_SPEEDUP):
        return True, []
    return True, [f"the speed-up is {_both(f'{value:.2f}' for value in values)}"]


def _with_budget(name: str, budget: str, first: Setup, studies: Sequence[Conditions]) -> Setup:
    totals = [study.total(getattr(study, budget)) for study in studies]
    known = [total for total in totals if total is not None]
    why = [] if first.met else [f"S1 is {_UNMET[first.met]}"]
    met = first.met
    if hidden := [study.hidden for study in studies if study.hidden]:
        return Setup(name, False if met is False else None, (*why, *hidden))
    if len(known) < len(studies):
        return Setup(name, False if met is False else None, (*why, "a study without a record has no known FLOPs"))
    slack = max(study.rounded for study in studies) if budget == "flops" else 0
    if max(known) - min(known) > slack:
        spelt = [f"{total:.4g}" if budget == "flops" else f"{total:,.0f}" for total in known]
        unit = "FLOPs a training image" if budget == "flops" else "epochs"
        return Setup(name, False, (*why, f"{unit} in all are {_both(spelt)}"))
    return Setup(name, met, tuple(why))


def _both(values: Any) -> str:
    return " and ".join(dict.fromkeys(values))


def _spell(value: Any) -> str:
    if isinstance(value, str) and len(value) == 64:
        return value[:8]  # a hash
    return str(value) if value is None or isinstance(value, str) else spell_value(value)


def met_by_all(pairs: Sequence[Sequence[Setup]]) -> list[Setup]:
    """Whether every one of several comparisons meets each setup."""
    found = []
    for each in zip(*pairs, strict=True):
        mets = {setup.met for setup in each}
        met = False if False in mets else None if None in mets else True
        found.append(Setup(each[0].name, met, tuple(dict.fromkeys(why for setup in each for why in setup.why))))
    return found


def strictest(found: Sequence[Setup]) -> str:
    """What studies meet, in a few words: the last of the chain, and the budgets."""
    chain = [setup.name for setup in found if setup.name in CHAIN and setup.met]
    budgets = [setup.name for setup in found if setup.name not in CHAIN and setup.met]
    return ", ".join([*chain[-1:], *budgets]) or "none"
