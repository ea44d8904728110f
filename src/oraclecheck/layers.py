"""The layers of a network and which of them can be pruned: `python -m oraclecheck.layers model=mine`."""

import os
import sys
from collections.abc import Sequence
from typing import Any

from oraclecheck.command import schema
from oraclecheck.command.arguments import parse, quoted, tell
from oraclecheck.command.composition import initialised
from oraclecheck.exits import INTERRUPTED, USER_ERROR

USAGE = """python -m oraclecheck.layers [KEY=VALUE ...]

Lists every layer of a network with its filters, and whether it can be pruned: prunable, tied to others, or refused and
why. Nothing is trained, and no data are read.

  model=vgg19 data=cifar10    any argument of `python -m oraclecheck`
  --config-dir DIR            with models and data of your own
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Print every layer with its filters, and whether it can be pruned; returns the exit code.

    Args:
        argv: `KEY=VALUE` overrides and `--config-dir`, as `python -m oraclecheck` takes them; None reads `sys.argv`.
    """
    arguments = sys.argv[1:] if argv is None else argv
    if {"-h", "--help"} & {*arguments}:
        print(USAGE, end="")
        return 0
    os.environ.setdefault("HYDRA_FULL_ERROR", "1")
    schema.register()
    try:
        parsed = parse([quoted(argument) for argument in arguments])
    except ValueError as error:
        print(f"oraclecheck: {error}", file=sys.stderr)
        return USER_ERROR
    try:
        _print_survey(parsed)
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as error:
        tell(error, parsed.config_dir)
        return USER_ERROR
    return 0


def _print_survey(parsed: Any) -> None:
    from hydra import compose
    from rich.console import Console
    from rich.table import Table

    from oraclecheck.command.interpret_data import plain
    from oraclecheck.networks.shadow import build, shadow_network
    from oraclecheck.pruning.layers import prunable_layers
    from oraclecheck.pruning.probe import double_precision
    from oraclecheck.pruning.specimen import specimen
    from oraclecheck.pruning.survey import survey
    from oraclecheck.waiting import waiting

    with initialised(parsed.config_dir):
        cfg = compose("config", overrides=parsed.overrides)
    network, shape, classes = plain(cfg.model.network), tuple(cfg.model.input_shape), cfg.data.classes
    names = prunable_layers(shadow_network(network))
    with waiting("proving which layers can be pruned", len(names)) as step, double_precision():
        layers = survey(specimen(lambda: build(network), shape, classes), shape, step)
    table = Table("layer", "class", "filters", "pruning", box=None, pad_edge=False)
    for layer in layers:
        table.add_row(layer.name, layer.type, str(layer.filters), layer.verdict)
    Console(width=None if sys.stdout.isatty() else 200, highlight=False, markup=False).print(table)
    example = next((layer.name for layer in layers if layer.standing == "prunable"), None)
    if example:
        print(f"for example 'pruning.ratio={{{example}: 0.5}}'")


if __name__ == "__main__":
    sys.exit(main())
