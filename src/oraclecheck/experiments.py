"""The experiments in conf/experiment: `make experiments` lists what each costs and the command that runs it."""

import sys

from hydra import compose
from hydra.core.override_parser.overrides_parser import OverridesParser
from rich.console import Console
from rich.table import Table

from oraclecheck.command import schema
from oraclecheck.command.arguments import CONF, initialised
from oraclecheck.command.overrides import values

SCORED = {"appendixB1_resnet50": ("resnet50_cifar", "criterion=l1,l2,taylor criterion.taylor.images=20000")}
"""Experiments about other criteria than the oracle -> how their studies' names begin, and what scores them."""


def main() -> int:
    """Print the list; composing the experiments needs neither data nor torch."""
    schema.register()
    table = Table("experiment", "model", "data", "retrainings", "epochs in all", "command", box=None, pad_edge=False)
    all_retrainings = all_epochs = 0
    with initialised():
        for name in sorted(path.stem for path in (CONF / "experiment").glob("*.yaml")):
            cfg = compose("config", overrides=[f"experiment={name}"], return_hydra_config=True)
            combinations, repeats = (_count(key, cfg.hydra.sweeper.params[key]) for key in ("combo", "repeat"))
            retrainings, epochs = combinations * repeats, max(1, round(cfg.retrain.fraction * cfg.retrain.epochs))
            table.add_row(
                name,
                cfg.model.name,
                cfg.data.name,
                f"{combinations} x {repeats} = {retrainings:,}",
                f"x {epochs} = {retrainings * epochs:,}",
                f"python -m oraclecheck -m experiment={name}",
            )
            all_retrainings, all_epochs = all_retrainings + retrainings, all_epochs + retrainings * epochs
    console = Console(width=None if sys.stdout.isatty() else 160)
    console.print(table)
    console.print(
        f"{all_retrainings:,} retrainings of {all_epochs:,} epochs in all, besides the dense networks. "
        "'pruning.wiring=released_code' behind a command gives its twin: the same combinations, wired as the paper's "
        "released code wires them (ViT: 'pruning.scheme=width').",
        highlight=False,
        soft_wrap=True,
    )
    for name, (study, criteria) in SCORED.items():
        folders = f"multirun/{study}-*"
        console.print(
            f"The criteria of {name}, once it has run: python -m oraclecheck.score {folders} {criteria}; then: "
            f"python -m oraclecheck.report {folders} --criterion all",
            highlight=False,
            soft_wrap=True,
        )
    return 0


def _count(key: str, swept: object) -> int:
    return len(values(OverridesParser.create().parse_override(f"{key}={swept}")))


if __name__ == "__main__":
    sys.exit(main())
