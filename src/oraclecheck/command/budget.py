"""`pruning.budget={criterion: l1, ratio: 0.5}`: ratios of layers from one threshold over all of them."""

from collections.abc import Mapping
from typing import Any

from oraclecheck.criteria.additive import ADDITIVE, filter_scores
from oraclecheck.criteria.budget import removed_by_threshold
from oraclecheck.pipelines.dense import dense_checkpoint, dense_network, dense_path, load_data
from oraclecheck.pruning.layers import is_number
from oraclecheck.spelling import spell_value, suggest
from oraclecheck.study.setting import Setting

KEY = "pruning.budget"


def ratios_of(budget: Any, setting: Setting) -> dict[str, float]:
    """Layer -> ratio that removes as many of its filters as a global threshold does; layers that lose none are absent.

    Args:
        budget: The key's value, a mapping with `criterion` and `ratio`.
        setting: The same command's without the budget; its layers are those that share it.

    Raises:
        ValueError: If it is no such mapping, the dense network is not there yet, or the budget leaves no filter.
    """
    criterion, ratio = _checked(budget)
    if setting.pruning.scheme != "heads":
        raise ValueError(f"{KEY} must be left out where pruning.scheme is {setting.pruning.scheme}")
    path = dense_path(setting)
    if not setting.pretrain.loads and not path.is_file():
        raise ValueError(
            f"{KEY} must be shared out over the dense network's filters; there is none yet at {path}: the same command "
            "with stage=pretrain trains it"
        )
    layers, checkpoint = setting.pruning.layers, dense_checkpoint(setting)
    assert checkpoint is not None  # its file is there
    data = load_data(setting).measured_train
    scores = filter_scores(criterion, ADDITIVE[criterion], dense_network(setting, checkpoint), data, layers)
    removed = removed_by_threshold(scores, layers, ratio)
    return {layer.name: removed[layer.name] / layer.filters for layer in layers if removed[layer.name]}


def _checked(budget: Any) -> tuple[str, float]:
    rule = f"{KEY} must be {{criterion: NAME, ratio: FRACTION}}"
    if not isinstance(budget, Mapping) or set(budget) != {"criterion", "ratio"}:
        raise ValueError(f"{rule}; got {spell_value(budget)}")
    criterion, ratio = budget["criterion"], budget["ratio"]
    if criterion not in ADDITIVE:
        hint = suggest(str(criterion), list(ADDITIVE))
        raise ValueError(
            f"{rule}, a criterion of {', '.join(ADDITIVE)}; got {criterion!r}{f': {hint}' if hint else ''}"
        )
    if not is_number(ratio) or not 0 < ratio < 1:
        raise ValueError(f"{rule}, a fraction in (0, 1); got {spell_value(ratio)}")
    return str(criterion), float(ratio)
