"""What one command asks for: a setting, and which of its runs."""

from dataclasses import dataclass
from pathlib import Path

from oraclecheck.pipelines.dense import study_if_known
from oraclecheck.records.store import is_done, record_path
from oraclecheck.records.wandb.server import WandbSettings
from oraclecheck.study.setting import Setting


@dataclass(frozen=True)
class Request:
    """The runs of one study that a command asks for, or its dense network alone."""

    setting: Setting
    stage: str  # "run", or "pretrain" for the dense network alone
    combinations: list[int | str]  # indices, and names of criteria
    repeats: list[int]  # of each
    wandb: WandbSettings | None  # where W&B runs go; None for nowhere

    @property
    def runs(self) -> list[tuple[int | str, int]]:
        """The (combination, repeat) pairs, repeats innermost."""
        if self.stage == "pretrain":
            return []
        return [(combination, repeat) for combination in self.combinations for repeat in self.repeats]

    def paths(self) -> list[Path] | None:
        """Where the records of its runs lie; None while its dense network is not trained."""
        study = study_if_known(self.setting)
        if study is None:
            return None
        folder = self.setting.paths.out / study.name
        return [record_path(folder, combination, repeat) for combination, repeat in self.runs]

    def missing(self) -> list[Path] | None:
        """Those that have no valid record, or one that failed; None (all) while the dense network is not trained."""
        study, paths = study_if_known(self.setting), self.paths()
        if study is None or paths is None:
            return None
        return [path for path in paths if not is_done(path, study.hash)]
