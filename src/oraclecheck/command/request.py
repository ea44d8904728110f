"""What one command asks for: a setting, and which of its runs."""

from dataclasses import dataclass
from pathlib import Path

from oraclecheck.command.sets import spell_set
from oraclecheck.pipelines.dense import study_if_known, training_path
from oraclecheck.records.asked import Asked
from oraclecheck.records.store import is_done, record_path
from oraclecheck.records.wandb.server import WandbSettings
from oraclecheck.study.definition import study_of
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

    def count(self, missing: list[Path] | None) -> int:
        """How many things are to be done where so much is missing: runs, or the dense network alone."""
        if missing is not None:
            return len(missing)
        return 1 if self.stage == "pretrain" else len(self.runs)

    def note(self) -> None:
        """Write down what is asked for, in the study's folder or, while nobody knows its name, beside the studies."""
        if self.stage == "pretrain":
            return
        setting, out = self.setting, self.setting.paths.out
        asked = Asked(
            setting.label, training_path(setting).name, spell_set(self.combinations), spell_set(list(self.repeats))
        )
        key, study = study_of(setting, "").hash, study_if_known(setting)
        if study is None or not (out / study.name).is_dir():
            asked.note_pending(out, key)
        else:
            asked.note(out / study.name)
            asked.no_longer_pending(out, key)
