"""From a composed configuration to the combinations of an unstructured study."""

import math
import re
from typing import Any

from omegaconf import DictConfig
from torch import nn

from oraclecheck.command.interpret_data import plain
from oraclecheck.pruning.layers import is_number
from oraclecheck.pruning.masks.allotment import check_reachable, total_removed
from oraclecheck.pruning.masks.layers import masked_layers
from oraclecheck.pruning.masks.options import BY_BLOCK, METHODS, MOST_NOISE, BlockOptions
from oraclecheck.pruning.masks.space import MaskSpace
from oraclecheck.spelling import suggest

UNSTRUCTURED = "unstructured"
KEY = "pruning.unstructured"


def interpret_masks(cfg: DictConfig, shadow: nn.Module) -> tuple[dict[str, float], MaskSpace]:
    """The ratio, named for every layer, and the combinations.

    Args:
        cfg: The configuration's `pruning`.
        shadow: The network; a meta-device one will do.

    Raises:
        ValueError: If a value breaks its key's rule; one sentence that names the key.
    """
    ratio = plain(cfg.ratio)
    if not is_number(ratio) or not 0 < ratio < 1:
        raise ValueError(
            f"pruning.ratio must be one number between 0 and 1 where pruning.scheme is {UNSTRUCTURED}, the share of "
            f"all weights that goes; got {ratio!r}"
        )
    for key, usual in (("wiring", "correct"), ("order", "auto")):
        if cfg[key].name != usual:
            raise ValueError(
                f"pruning.{key} must be {usual} where pruning.scheme is {UNSTRUCTURED}; got {cfg[key].name}"
            )
    ratio, given = float(ratio), cfg.unstructured
    layers = masked_layers(shadow, list(given.layers))
    methods, noise = _methods(list(given.methods)), _noise(list(given.noise))
    weights = sum(layer.weights for layer in layers)
    if total_removed(weights, ratio) == weights:
        raise ValueError(f"pruning.ratio must leave some of the {weights:,} weights of {KEY}.layers; got {ratio}")
    if any(method in BY_BLOCK for method in methods):
        check_reachable(ratio)
    options = _options(given)
    space = MaskSpace(layers, ratio, methods, noise, options, cfg.order_seed)
    if not space.size:
        raise ValueError(f"{KEY} must have a combination; got methods {list(methods)} with noise {list(noise)}")
    return dict.fromkeys((layer.name for layer in layers), ratio), space


def check_engine(scheme: str, asked: str) -> None:
    """Refuse, with a ValueError, an engine that cannot keep weights at zero.

    Args:
        scheme: `pruning.scheme`.
        asked: The engine's name.
    """
    if scheme == UNSTRUCTURED and asked == "stacked":
        raise ValueError(
            f"engine.name must be lightning or lanes where pruning.scheme is {UNSTRUCTURED}; got stacked, which does "
            "not keep removed weights at zero: choose engine=lightning"
        )


def check_precision(scheme: str, precision: str) -> None:
    """Refuse, with a ValueError, arithmetic that skips steps for what removed weights would do.

    Lightning looks for gradients that are not finite, as 16-mixed has them, before anyone can set those of removed
    weights to 0; none is looked for with the others.

    Args:
        scheme: `pruning.scheme`.
        precision: `trainer.precision`.
    """
    if scheme == UNSTRUCTURED and precision == "16-mixed":
        raise ValueError(
            f"trainer.precision must be none that scales gradients where pruning.scheme is {UNSTRUCTURED}; got "
            f"{precision}, where a gradient of a removed weight that is not finite skips the whole step: choose "
            "bf16-mixed"
        )


def check_pipeline(name: str) -> None:
    """Refuse, with a ValueError, a pipeline that is about filters."""
    if name != "one_shot":
        raise ValueError(f"pipeline.name must be one_shot where pruning.scheme is {UNSTRUCTURED}; got {name}")


def _methods(given: list[str]) -> tuple[str, ...]:
    for method in given:
        if method not in METHODS:
            hint = suggest(method, METHODS)
            raise ValueError(
                f"{KEY}.methods must be some of {', '.join(METHODS)}; got {method!r}{f': {hint}' if hint else ''}"
            )
    _check_distinct("methods", given)
    return tuple(given)


def _noise(given: list[float]) -> tuple[float, ...]:
    for strength in given:
        if not 0 <= strength <= MOST_NOISE:
            raise ValueError(f"{KEY}.noise must lie in [0, {MOST_NOISE:g}]; got {strength}")
    _check_distinct("noise", given)
    return tuple(map(float, given))


def _check_distinct(name: str, given: list[Any]) -> None:
    if not given or len(set(given)) < len(given):
        raise ValueError(f"{KEY}.{name} must name at least one, and each once; got {given}")


def _options(given: DictConfig) -> BlockOptions:
    options = BlockOptions(given.blocks, given.outlier, given.variance, given.spread)
    for name, value, rule, holds in (
        ("outlier", options.outlier, "be positive", 0 < options.outlier < math.inf),
        ("variance", options.variance, "lie in (0, 1]", 0 < options.variance <= 1),
        ("spread", options.spread, "lie in [0, 0.5]", 0 <= options.spread <= 0.5),
    ):
        if not holds:
            raise ValueError(f"{KEY}.{name} must {rule}; got {value}")
    try:
        re.compile(options.blocks or "")
    except re.error as error:
        raise ValueError(f"{KEY}.blocks must be a regular expression; got '{options.blocks}': {error}") from None
    return options
