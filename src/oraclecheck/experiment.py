"""One command, top to bottom.

config -> study -> dense network -> [claim a run -> prune -> pruned train loss -> retrain -> final metrics -> record]
until none is left
"""

import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from hydra.utils import get_object
from omegaconf import DictConfig, OmegaConf

from oraclecheck.command.interpret import interpret
from oraclecheck.command.overrides import overrides_of_job
from oraclecheck.command.request import Request
from oraclecheck.criteria.pick import FILTER_SCORES, least
from oraclecheck.data.images import ImageData
from oraclecheck.data.sources import Digits
from oraclecheck.engines.choice import engine_of, tools_of
from oraclecheck.engines.engine import Run
from oraclecheck.engines.trainer import device_of
from oraclecheck.pipelines.dense import Dense, dense_checkpoint, load_data, measure_dense
from oraclecheck.pipelines.one_shot import one_shot
from oraclecheck.pipelines.proof import prove_pruning
from oraclecheck.records.provenance import provenance
from oraclecheck.records.record import Record
from oraclecheck.records.store import claimed, is_done, record_path, write_record
from oraclecheck.records.unfinished import keep_choice
from oraclecheck.records.wandb.mirror import WandbMirror
from oraclecheck.study.definition import study_of, train_eval_indices
from oraclecheck.study.folder import open_folder
from oraclecheck.study.identity import Study
from oraclecheck.study.setting import Setting


def run(cfg: DictConfig) -> None:
    """Run every combination and repeat of a command that has no record yet."""
    request = interpret(cfg)
    setting = request.setting
    torch.set_num_threads(setting.trainer.threads)
    checkpoint = dense_checkpoint(setting)
    if request.stage == "pretrain":
        measure_dense(setting, checkpoint, load_data(setting))
        return
    study = study_of(setting, checkpoint.hash)
    folder = setting.paths.out / study.name
    config: Any = OmegaConf.to_container(cfg, resolve=True, enum_to_str=True)
    open_folder(folder, study, config, overrides_of_job(), train_eval_indices(setting))
    missing = [run for run in request.runs if not is_done(record_path(folder, *run), study.hash)]
    if not missing:
        return
    prove_pruning(setting, checkpoint)
    data = load_data(setting)
    dense = measure_dense(setting, checkpoint, data)
    for combination, repeat in missing:
        path = record_path(folder, combination, repeat)
        with _others_go_on(combination, repeat), claimed(path, study.hash) as mine:
            if mine:
                _prune_and_retrain(request, study, dense, data, combination, repeat, path)


@contextmanager
def _others_go_on(combination: int | str, repeat: int) -> Iterator[None]:
    """Say what kept a run from leaving a record, such as a full disk or a lock, and let the next one begin."""
    try:
        yield
    except Exception as error:
        reason = " ".join(str(error).split()) or "no reason given"
        kind = "" if isinstance(error, ValueError) else f"{type(error).__name__}: "
        print(
            f"oraclecheck: combination {combination}, repeat {repeat} has left no record: {kind}{reason}",
            file=sys.stderr,
            flush=True,
        )


def _prune_and_retrain(
    request: Request, study: Study, dense: Dense, data: ImageData, combination: int | str, repeat: int, path: Path
) -> None:
    """One run; whatever happens once its filters are known, it leaves its record, before W&B hears of it."""
    setting = request.setting
    tools = tools_of(setting.engine.name)
    computed = provenance(device_of(setting.trainer), setting.trainer.threads, _modules(setting), tools)
    folder, space = setting.paths.out / study.name, setting.pruning.space
    if isinstance(combination, str):
        removed = least(FILTER_SCORES[combination], dense.network, space.layers)
        keep_choice(folder, combination, removed)
    else:
        removed = space.unrank(combination)
    identity = study.run(combination, removed, repeat)
    recipe, run_id = asdict(setting.retrain.recipe), f"{study.hash[:8]}-{combination}-{repeat}"
    mirror = WandbMirror(request.wandb, identity, folder, run_id, recipe)
    engine = engine_of(setting.engine.name, setting.paths.cache)
    runs = [Run(removed, identity["seed"])]
    try:
        (came,) = one_shot(engine, runs, dense, data, setting, lambda _, entry: mirror.log(entry))
        if isinstance(came, Exception):
            raise came
        record = Record(**identity, **came, **computed)
    except Exception:
        record = Record(**identity, status="failed", error=traceback.format_exc(), **computed)
    try:
        write_record(path, record)
    finally:
        mirror.finish(record)


def _modules(setting: Setting) -> list[str]:
    """The modules that the network and the data come from."""
    source = setting.data.source
    classes = [get_object(setting.network.description["_target_"]), type(getattr(source, "module", source))]
    return [owner.__module__ for owner in classes] + ["sklearn"] * isinstance(source, Digits)
