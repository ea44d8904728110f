"""The experiments in conf/experiment: `make experiments` lists what each costs and the command that runs it."""

import math
import sys
from collections.abc import Sequence
from typing import Any

from hydra import compose
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig
from rich.console import Console
from rich.table import Table

from oraclecheck.command import schema
from oraclecheck.command.composition import CONF, initialised
from oraclecheck.command.overrides import values
from oraclecheck.exits import Parser

SCORED = {"appendixB1_resnet50": ("resnet50_cifar", "criterion=l1,l2,taylor criterion.taylor.images=20000")}
"""Experiments about other criteria than the oracle -> how their studies' names begin, and what scores them."""


def main(argv: Sequence[str] | None = None) -> int:
    """Print the list; composing the experiments needs neither data nor torch.

    Args:
        argv: Command line without the program's name; None reads `sys.argv`.
    """
    Parser(prog="python -m oraclecheck.experiments", description=__doc__).parse_args(argv)
    schema.register()
    table = Table("experiment", "model", "data", "retrainings", "epochs in all", "command", box=None, pad_edge=False)
    all_retrainings = all_epochs = 0
    with initialised():
        for name in sorted(path.stem for path in (CONF / "experiment").glob("*.yaml")):
            cfg = compose("config", overrides=[f"experiment={name}"], return_hydra_config=True)
            params = cfg.hydra.sweeper.params
            swept = {key: len(_values(key, values)) for key, values in params.items()}
            combinations, repeats = swept.pop("combo", 1), swept.pop("repeat", 1)
            studies = math.prod(swept.values())
            retrainings = combinations * repeats * studies
            rows = _values("row", params["row"]) if "row" in params else [cfg.row]
            epochs = [_epochs(cfg, row) for row in rows]
            in_all = retrainings * sum(epochs) // len(rows)
            each = "".join(dict.fromkeys((str(min(epochs)), f" to {max(epochs)}" * (min(epochs) < max(epochs)))))
            table.add_row(
                name,
                cfg.model.name,
                cfg.data.name,
                f"{f'{studies} x ' * (studies > 1)}{combinations} x {repeats} = {retrainings:,}",
                f"x {each} = {in_all:,}",
                f"python -m oraclecheck -m experiment={name}",
            )
            all_retrainings, all_epochs = all_retrainings + retrainings, all_epochs + in_all
    console = Console(width=None if sys.stdout.isatty() else 160)
    console.print(table)
    console.print(
        f"{all_retrainings:,} retrainings of {all_epochs:,} epochs in all, besides the dense networks. "
        "'pruning.wiring=released_code' behind a command gives its twin: the same combinations, wired as the paper's "
        "released code wires them (ViT: 'pruning.scheme=width'; those called unstructured, and "
        "tableA6_tinyllava, have none).",
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


def _epochs(cfg: DictConfig, row: str | None) -> int:
    """Epochs that a retraining of an experiment takes, in one of its rows if it has any."""
    cfg.row = row  # what refers to it follows
    rounds, own = cfg.pipeline.rounds, cfg.retrain.epochs
    each = [own]
    if cfg.pipeline.name.name == "iterative":
        each = [own] * rounds if isinstance(rounds, int) else [said.get("epochs", own) for said in rounds]
    return sum(max(1, round(cfg.retrain.fraction * epochs)) for epochs in each)


def _values(key: str, swept: object) -> list[Any]:
    return values(OverridesParser.create().parse_override(f"{key}={swept}"))


if __name__ == "__main__":
    sys.exit(main())
