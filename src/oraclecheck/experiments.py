"""The experiments in conf/experiment: `make experiments` lists what each costs and the command that runs it."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass

import hydra
from hydra import compose
from hydra.core.override_parser.overrides_parser import OverridesParser
from rich.console import Console
from rich.table import Table

from oraclecheck import config
from oraclecheck.cli import CONF


@dataclass(frozen=True)
class Experiment:
    """One file of conf/experiment.

    Attributes:
        name: What to write after `experiment=`.
        model: Name of the network.
        data: Name of the data set it needs.
        combinations: How many combinations it retrains.
        repeats: How often each.
    """

    name: str
    model: str
    data: str
    combinations: int
    repeats: int

    @property
    def command(self) -> str:
        """What runs it; `pruning.wiring=released_code` behind it makes its twin."""
        return f"python -m oraclecheck -m experiment={self.name}"


def experiments() -> Iterator[Experiment]:
    """Every experiment, by name; composing them needs neither data nor torch."""
    config.register()
    with hydra.initialize_config_dir(config_dir=str(CONF), version_base="1.3"):
        for path in sorted((CONF / "experiment").glob("*.yaml")):
            cfg = compose("config", overrides=[f"experiment={path.stem}"], return_hydra_config=True)
            params = cfg.hydra.sweeper.params
            combinations, repeats = (_count(key, params[key]) for key in ("combo", "repeat"))
            yield Experiment(path.stem, cfg.model.name, cfg.data.name, combinations, repeats)


def main() -> int:
    """Print the list."""
    table = Table("experiment", "model", "data", "retrainings", "command", box=None, pad_edge=False)
    total = 0
    for experiment in experiments():
        count = experiment.combinations * experiment.repeats
        total += count
        table.add_row(
            experiment.name,
            experiment.model,
            experiment.data,
            f"{experiment.combinations} x {experiment.repeats} = {count}",
            experiment.command,
        )
    console = Console(width=None if sys.stdout.isatty() else 160)
    console.print(table)
    console.print(
        f"{total} retrainings in all. 'pruning.wiring=released_code' behind a command gives its twin: the same "
        "combinations, wired as the paper's released code wires them (ViT: 'pruning.scheme=width').",
        highlight=False,
        soft_wrap=True,
    )
    return 0


def _count(key: str, values: object) -> int:
    override = OverridesParser.create().parse_override(f"{key}={values}")
    return sum(1 for _ in override.sweep_iterator()) if override.is_sweep_override() else 1


if __name__ == "__main__":
    sys.exit(main())
