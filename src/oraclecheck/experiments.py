"""The experiments in conf/experiment: `make experiments` lists what each costs and the command that runs it."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass

from hydra import compose
from hydra.core.override_parser.overrides_parser import OverridesParser
from rich.console import Console
from rich.table import Table

from oraclecheck.command import schema
from oraclecheck.command.arguments import CONF, initialised


@dataclass(frozen=True)
class Experiment:
    """One file of conf/experiment.

    Attributes:
        name: What to write after `experiment=`.
        model: Name of the network.
        data: Name of the data set it needs.
        combinations: How many combinations it retrains.
        repeats: How often each.
        epochs: How many epochs a retraining has.
    """

    name: str
    model: str
    data: str
    combinations: int
    repeats: int
    epochs: int

    @property
    def retrainings(self) -> int:
        """How many networks it retrains."""
        return self.combinations * self.repeats

    @property
    def command(self) -> str:
        """What runs it; `pruning.wiring=released_code` behind it makes its twin."""
        return f"python -m oraclecheck -m experiment={self.name}"


def experiments() -> Iterator[Experiment]:
    """Every experiment, by name; composing them needs neither data nor torch."""
    schema.register()
    with initialised():
        for path in sorted((CONF / "experiment").glob("*.yaml")):
            cfg = compose("config", overrides=[f"experiment={path.stem}"], return_hydra_config=True)
            params = cfg.hydra.sweeper.params
            combinations, repeats = (_count(key, params[key]) for key in ("combo", "repeat"))
            epochs = max(1, round(cfg.retrain.fraction * cfg.retrain.epochs))
            yield Experiment(path.stem, cfg.model.name, cfg.data.name, combinations, repeats, epochs)


def main() -> int:
    """Print the list."""
    listed = list(experiments())
    table = Table("experiment", "model", "data", "retrainings", "epochs in all", "command", box=None, pad_edge=False)
    for experiment in listed:
        table.add_row(
            experiment.name,
            experiment.model,
            experiment.data,
            f"{experiment.combinations} x {experiment.repeats} = {experiment.retrainings:,}",
            f"x {experiment.epochs} = {experiment.retrainings * experiment.epochs:,}",
            experiment.command,
        )
    console = Console(width=None if sys.stdout.isatty() else 160)
    console.print(table)
    retrainings = sum(experiment.retrainings for experiment in listed)
    epochs = sum(experiment.retrainings * experiment.epochs for experiment in listed)
    console.print(
        f"{retrainings:,} retrainings of {epochs:,} epochs in all, besides the dense networks. "
        "'pruning.wiring=released_code' behind a command gives its twin: the same combinations, wired as the paper's "
        "released code wires them (ViT: 'pruning.scheme=width').",
        highlight=False,
        soft_wrap=True,
    )
    return 0


def _count(key: str, values: object) -> int:
    override = OverridesParser.create().parse_override(f"{key}={values}")
    return sum(1 for _ in override.sweep_iterator()) if override.is_sweep_override() else 1


if __name__ == "__main__":
    sys.exit(main())
