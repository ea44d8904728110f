"""Scoring: what a criterion says of combinations of a study, filter by filter or pruned network by pruned network."""

import copy
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any

import torch
from torch import Tensor, nn

from oraclecheck.criteria.additive import checked, combination_score
from oraclecheck.criteria.measuring import calibration
from oraclecheck.criteria.scorer import Scorer
from oraclecheck.data.images import LabelledImages
from oraclecheck.engines.engine import Prune
from oraclecheck.engines.evaluation import Evaluation, evaluate_each
from oraclecheck.engines.prefix import Prefix, own_bytes, sharing
from oraclecheck.pipelines.one_shot import pruner
from oraclecheck.pruning.combination import Removed
from oraclecheck.study.setting import Setting

TOGETHER = 16
"""Pruned networks that are evaluated together at most: what they have in common is computed once for all of them."""

MAKERS = ("numpy", "torch")
"""Packages whose versions decide a combination's masks."""

ROOM = 2**30
"""Bytes that they may take beside the dense network."""


@dataclass(frozen=True)
class StoredCombination:
    """A combination and the records of its runs, none if it is not recorded.

    Attributes:
        name: What its folder is called: its index, or the criterion that picked it.
        removed: Its removed filters.
        runs: Columns of each of its records that has an outcome.
    """

    name: str
    removed: Removed
    runs: tuple[dict[str, Any], ...] = ()


def filters_scores(
    scorer: Scorer, dense: nn.Module, data: LabelledImages, setting: Setting
) -> dict[str, Tensor] | None:
    """An additive criterion's scores of filters; None for a criterion of pruned networks.

    Which it is shows what it gives for the dense network: scores of filters, or a number.

    Raises:
        ValueError: If it gives neither, or scores that no combination can be scored by.
    """
    if scorer.of_evaluation:
        return None
    layers = setting.pruning.layers
    names = [layer.name for layer in setting.pruning.space.layers]
    given = scorer.ask(copy.deepcopy(dense).to(data.device), data, names)
    if not isinstance(given, Mapping):
        _number(scorer, given, "the dense network")
        return None
    scheme = setting.pruning.scheme
    if scheme != "heads":
        raise ValueError(f"criterion {scorer.name} must be one of pruned networks where pruning.scheme is {scheme}")
    return checked(f"criterion {scorer.name}", given, layers)


def network_scores(
    scorer: Scorer, combinations: Sequence[StoredCombination], dense: nn.Module, data: LabelledImages, setting: Setting
) -> Iterator[tuple[str, float]]:
    """The score of each combination's pruned network, in their order.

    Raises:
        ValueError: If one is no number, or a combination's masks are not those of its record.
    """
    prune, layers = pruner(setting, dense), [layer.name for layer in setting.pruning.space.layers]
    if score := scorer.of_evaluation:
        with scorer.answering():
            chosen = calibration(data, scorer.options.get("images"))
        evaluations = _evaluations(prune, combinations, dense, chosen)
        for combination in combinations:
            with scorer.answering():
                evaluation = next(evaluations)
            given = score(evaluation.loss, evaluation.accuracy)
            yield combination.name, _number(scorer, given, f"combination {combination.name}")
        return
    for combination in combinations:
        pruned = _pruned(prune, dense, combination).to(data.device).eval()
        with torch.enable_grad():
            given = scorer.ask(pruned, data, layers)
        yield combination.name, _number(scorer, given, f"combination {combination.name}")


def _evaluations(
    prune: Prune, combinations: Sequence[StoredCombination], dense: nn.Module, images: LabelledImages
) -> Iterator[Evaluation]:
    """Each combination's pruned network on some images, several at once where they have work in common."""
    dense = copy.deepcopy(dense).to(images.device).eval()
    prefix, first, together = None, 0, 1
    while first < len(combinations):
        some = combinations[first : first + together]
        networks = [sharing(_pruned(prune, dense, each).to(images.device).eval(), dense) for each in some]
        if prefix is None or not prefix.covers(networks):
            prefix = Prefix(dense, networks)
        yield from evaluate_each(networks, images, prefix)
        room = ROOM // max(1, own_bytes(networks[0], dense))
        first, together = first + len(some), min(TOGETHER, max(1, room)) if prefix.saves else 1
        del networks  # before there are others


def _pruned(prune: Prune, dense: nn.Module, combination: StoredCombination) -> nn.Module:
    try:
        return prune(dense, combination.removed)
    except ValueError as error:
        versions = combination.runs[0]["versions"] if combination.runs else {}
        by = ", ".join(f"{name} {versions[name]}" for name in MAKERS if name in versions)
        raise ValueError(f"combination {combination.name}{f', recorded with {by}' if by else ''}: {error}") from None


def sums(scores: Mapping[str, Tensor], combinations: Sequence[StoredCombination]) -> dict[str, float]:
    """The scores of combinations by the scores of their filters."""
    return {each.name: combination_score(scores, each.removed) for each in combinations}


def check_apart(scorer: Scorer, values: Mapping[str, float]) -> None:
    """Refuse, with a ValueError, scores that are all the same: they tell no combination from another."""
    if len(values) > 1 and len(set(values.values())) == 1:
        raise ValueError(
            f"criterion {scorer.name} must tell combinations apart; it gives all {len(values)} of them "
            f"{next(iter(values.values())):g}"
        )


def _number(scorer: Scorer, given: Any, of: str) -> float:
    rule = f"criterion {scorer.name} must give layer -> scores of its filters, or one number"
    if isinstance(given, Tensor) and given.numel() == 1:
        given = given.item()
    if isinstance(given, bool) or not isinstance(given, Real):
        raise ValueError(f"{rule}; for {of} it gives {type(given).__name__}")
    if math.isnan(given):
        raise ValueError(f"{rule}; for {of} it gives NaN")
    return float(given)
