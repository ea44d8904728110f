"""The layers of a network and which of them can be pruned: `python -m oraclecheck.layers model=mine`."""

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from oraclecheck.cli import INTERRUPTED, USER_ERROR, _initialised, _parse, _tell
from oraclecheck.command import schema as config
from oraclecheck.spelling import spell_names

if TYPE_CHECKING:
    from oraclecheck.pruning.survey import SurveyedLayer


def main(argv: Sequence[str] | None = None) -> int:
    """Print every layer with its filters, and whether it can be pruned; returns the exit code.

    Args:
        argv: `KEY=VALUE` overrides and `--config-dir`, as `python -m oraclecheck` takes them; None reads `sys.argv`.
    """
    os.environ.setdefault("HYDRA_FULL_ERROR", "1")
    config.register()
    try:
        parsed = _parse([config.quoted(argument) for argument in (sys.argv[1:] if argv is None else argv)])
    except ValueError as error:
        print(f"oraclecheck: {error}", file=sys.stderr)
        return USER_ERROR
    try:
        layers = _survey(parsed)
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as error:
        _tell(error, parsed, show_traceback=False)
        return USER_ERROR
    _print(layers)
    return 0


def _survey(parsed: Any) -> "list[SurveyedLayer]":
    from hydra import compose
    from hydra.utils import instantiate

    from oraclecheck.command.interpret_data import plain
    from oraclecheck.networks.shadow import shadow_network
    from oraclecheck.pruning.layers import prunable_layers
    from oraclecheck.pruning.probe import double_precision
    from oraclecheck.pruning.specimen import specimen
    from oraclecheck.pruning.survey import survey
    from oraclecheck.waiting import waiting

    with _initialised(parsed):
        cfg = compose("config", overrides=parsed.overrides)
    network, shape, classes = plain(cfg.model.network), tuple(cfg.model.input_shape), cfg.data.classes
    names = prunable_layers(shadow_network(network))
    with waiting("proving which layers can be pruned", len(names)) as step, double_precision():
        return survey(specimen(lambda: instantiate(network), shape, classes), shape, step)


def _print(layers: "Sequence[SurveyedLayer]") -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("layer", "class", "filters", "pruning", box=None, pad_edge=False)
    for layer in layers:
        table.add_row(layer.name, layer.type, str(layer.filters), _verdict(layer))
    Console(width=None if sys.stdout.isatty() else 200, highlight=False, markup=False).print(table)
    example = next((layer.name for layer in layers if layer.standing == "prunable"), None)
    if example:
        print(f"for example 'pruning.ratio={{{example}: 0.5}}'")


def _verdict(layer: "SurveyedLayer") -> str:
    others = spell_names(layer.others)
    if layer.standing == "refused":
        return f"refused: {layer.why}"
    if layer.standing == "prunable":
        return f"prunable, with {others}" if others else "prunable"
    return f"{layer.standing} {others}"


if __name__ == "__main__":
    sys.exit(main())
