"""A study's folder, opened again long after its sweep: its setting, its dense network, its runs."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
from omegaconf import DictConfig, OmegaConf
from torch import nn

from oraclecheck.command.interpret import interpret_setting
from oraclecheck.command.schema import Config
from oraclecheck.data.images import LabelledImages
from oraclecheck.pipelines.dense import dense_checkpoint, dense_network, dense_path, load_data, study_if_known
from oraclecheck.pipelines.scoring import StoredCombination
from oraclecheck.pruning.masks.choice import is_mask_choice
from oraclecheck.records.folder import load_study
from oraclecheck.study.folder import STUDY_FILE, check_folder, read_studies
from oraclecheck.study.identity import Study
from oraclecheck.study.setting import Setting


@dataclass(frozen=True)
class StoredStudy:
    """A study as it lies in its folder."""

    folder: Path
    setting: Setting
    study: Study

    @classmethod
    def of(cls, folder: Path, overrides: Sequence[str] = ()) -> "StoredStudy":
        """The study of a folder, from what its file says.

        Args:
            folder: The study's; it may have been moved together with `dense/` beside it.
            overrides: `KEY=VALUE` for what is no part of a study, such as `data.root` or `trainer.accelerator`.

        Raises:
            ValueError: If it is no study's folder, its dense network or its data are not there, or another study would
                come of the overrides.
        """
        folder = folder.absolute()
        found = read_studies(folder).get(folder.name)
        if found is None:
            raise ValueError(f"STUDY must be a study's folder, with a {STUDY_FILE} that can be read; got {folder}")
        setting = interpret_setting(_configuration(folder, found["config"], overrides))
        study = study_if_known(setting)
        if study is None:
            raise ValueError(
                f"STUDY must have its dense network; {folder.name} has none at {dense_path(setting)}: copy it "
                "there, or let the sweep's command train it anew"
            )
        if not check_folder(folder, study):
            raise ValueError(f"STUDY must be a study's folder; {folder / STUDY_FILE} has gone")
        return cls(folder, setting, study)

    @cached_property
    def network(self) -> nn.Module:
        """The dense network, on the CPU."""
        checkpoint = dense_checkpoint(self.setting)
        assert checkpoint is not None  # its file is there
        return dense_network(self.setting, checkpoint)

    @cached_property
    def data(self) -> LabelledImages:
        """The images that training-set metrics are measured on."""
        return load_data(self.setting).measured_train

    def recorded(self) -> list[StoredCombination]:
        """Every combination with an outcome, in order, those that criteria picked last."""
        runs: pd.DataFrame = load_study(self.folder)
        rows: list[Any] = runs[runs["status"].isin(["ok", "diverged"])].to_dict("records")
        together: dict[str, list[dict[str, Any]]] = {}
        for row in sorted(rows, key=lambda row: (row["picked_by"] or "", row["combo"] or 0, row["repeat"])):
            together.setdefault(str(row["combo"] if row["picked_by"] is None else row["picked_by"]), []).append(row)
        return [StoredCombination(name, _removed(rows[0]["removed"]), tuple(rows)) for name, rows in together.items()]


def _removed(recorded: dict[str, Any]) -> dict[str, Any]:
    """What a combination removed, as its space has it."""
    if is_mask_choice(recorded):
        return recorded
    return {layer: tuple(gone) for layer, gone in recorded.items()}


def _configuration(folder: Path, config: dict[str, Any], overrides: Sequence[str]) -> DictConfig:
    """The configuration that a study's file holds, with the paths as they are now."""
    cfg = OmegaConf.merge(OmegaConf.structured(Config), config)
    assert isinstance(cfg, DictConfig)
    inside = Path(cfg.paths.cache).parent == Path(cfg.paths.out)
    cfg.paths.out = str(folder.parent)
    if inside:
        cfg.paths.cache = str(folder.parent / Path(cfg.paths.cache).name)
    for override in overrides:
        key, _, value = override.partition("=")
        if OmegaConf.select(cfg, key, default=overrides) is overrides:
            raise ValueError(f"there is no key {key!r}")
        OmegaConf.update(cfg, key, OmegaConf.create(value) if value[:1] in "{[" else _scalar(value))
    return cfg


def _scalar(text: str) -> Any:
    return OmegaConf.from_dotlist([f"value={text}"]).value
