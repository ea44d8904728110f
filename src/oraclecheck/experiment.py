"""One worker's work, top to bottom.

config -> study -> dense network -> [claim runs -> prune -> pruned train loss -> retrain -> final metrics -> record]
until none is left
"""

import sys
import time
import traceback
from collections.abc import Container, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from hydra.utils import get_object

from oraclecheck.command.plan import Share
from oraclecheck.command.request import Request
from oraclecheck.criteria.additive import ADDITIVE, filter_scores
from oraclecheck.criteria.pick import least
from oraclecheck.data.images import ImageData
from oraclecheck.data.sources import Digits
from oraclecheck.engines.choice import engine_of, tools_of
from oraclecheck.engines.engine import Run
from oraclecheck.engines.trainer import device_of
from oraclecheck.files import FileState, remove_all_remains
from oraclecheck.pipelines.checkpoint import Checkpoint
from oraclecheck.pipelines.choice import pipeline_of
from oraclecheck.pipelines.dense import Dense, dense_checkpoint, load_data, measure_dense
from oraclecheck.pipelines.proof import prove_pruning
from oraclecheck.records.claims import Claim, Claims
from oraclecheck.records.provenance import provenance
from oraclecheck.records.record import Record
from oraclecheck.records.store import write_record
from oraclecheck.records.unfinished import keep_choice
from oraclecheck.records.wandb.mirror import WandbMirror
from oraclecheck.study.definition import study_of, train_eval_indices
from oraclecheck.study.folder import open_folder
from oraclecheck.study.identity import Study
from oraclecheck.study.setting import Setting

POLL_SECONDS = 2.0  # between looks whether another worker has trained the dense network


def work(shares: Sequence[Share], before: Container[FileState]) -> list[Exception]:
    """Do the runs of a sweep that nobody else does, until nothing is left; gives what kept studies from being done.

    Args:
        shares: Its studies.
        before: See `Claims`.
    """
    troubles: list[Exception] = []
    opened: list[StudyRuns] = []
    left = list(shares)
    while left:
        waiting = []
        for share, following in zip(left, [*left[1:], None], strict=True):
            with _kept(troubles):
                runs = open_study(share, before)
                if runs is None:  # another worker trains its dense network; meanwhile there may be other studies
                    waiting.append(share)
                else:
                    opened.append(runs)
                    if following is not None:
                        train_ahead(following)
                    runs.do(runs.claims.first())
        if len(waiting) == len(left):
            time.sleep(POLL_SECONDS)
        left = waiting
    for runs in opened:
        with _kept(troubles):
            runs.do(runs.claims.dropped())
    return troubles


def train_ahead(share: Share) -> None:
    """Train the dense network of a study that comes later, if nobody does: else all might wait for it then."""
    with suppress(Exception):  # it comes again when it is the study's turn
        dense_checkpoint(share.request().setting)


def open_study(share: Share, before: Container[FileState]) -> "StudyRuns | None":
    """A study with its dense network, which is trained if nobody has done so; None while another process trains it."""
    request = share.request()
    setting = request.setting
    torch.set_num_threads(setting.trainer.threads)
    checkpoint = dense_checkpoint(setting)
    if checkpoint is None:
        return None
    study = study_of(setting, checkpoint.hash)
    folder = setting.paths.out / study.name
    if request.stage == "pretrain":
        measure_dense(setting, checkpoint, load_data(setting))
    else:
        open_folder(folder, study, share.described(), share.words, train_eval_indices(setting))
        request.note()
        for shared in (folder, setting.paths.out / "dense", setting.paths.cache):
            remove_all_remains(shared)
    return StudyRuns(request, study, folder, checkpoint, Claims(request.paths() or [], study.hash, before))


@dataclass
class StudyRuns:
    """The runs of a study that a command asks for; what they are done with is made ready when the first is claimed."""

    request: Request
    study: Study
    folder: Path
    checkpoint: Checkpoint
    claims: Claims

    @cached_property
    def data(self) -> ImageData:
        """The data, on its device."""
        return load_data(self.request.setting)

    @cached_property
    def dense(self) -> Dense:
        """The dense network, proven to be prunable, and measured."""
        prove_pruning(self.request.setting, self.checkpoint)
        return measure_dense(self.request.setting, self.checkpoint, self.data)

    def do(self, claims: Iterator[Claim]) -> None:
        """Do the runs that were claimed, one after the other."""
        for claim in claims:
            try:
                self._prune_and_retrain(claim)
            finally:
                claim.release()

    def _prune_and_retrain(self, claim: Claim) -> None:
        """One run; whatever happens once its filters are known, it leaves its record, before W&B hears of it."""
        dense, data, setting = self.dense, self.data, self.request.setting
        combination, repeat = self.request.runs[claim.number]
        with _others_go_on(combination, repeat):
            tools = tools_of(setting.engine.name)
            computed = provenance(device_of(setting.trainer), setting.trainer.threads, _modules(setting), tools)
            space = setting.pruning.space
            if isinstance(combination, str):
                function, images = ADDITIVE[combination], data.measured_train
                scores = filter_scores(combination, function, dense.network, images, space.layers)
                removed = least(scores, space.layers)
                keep_choice(self.folder, combination, removed)
            else:
                removed = space.unrank(combination)
            identity = self.study.run(combination, removed, repeat)
            recipe, run_id = setting.retrain.recipe.described, f"{self.study.hash[:8]}-{combination}-{repeat}"
            mirror = WandbMirror(self.request.wandb, identity, self.folder, run_id, recipe)
            engine, pipeline = engine_of(setting.engine.name, setting.paths.cache), pipeline_of(setting)
            runs = [Run(removed, identity["seed"])]
            try:
                (came,) = pipeline(engine, runs, dense, data, setting, lambda _, entry: mirror.log(entry))
                if isinstance(came, Exception):
                    raise came
                record = Record(**identity, **came, **computed)
            except Exception:
                record = Record(**identity, status="failed", error=traceback.format_exc(), **computed)
            try:
                write_record(claim.path, record)
            finally:
                mirror.finish(record)


@contextmanager
def _kept(troubles: list[Exception]) -> Iterator[None]:
    """Keep what ends the work on a study, and let the next one begin."""
    try:
        yield
    except Exception as error:
        troubles.append(error)


@contextmanager
def _others_go_on(combination: int | str, repeat: int) -> Iterator[None]:
    """Say what kept a run from leaving a record, such as a full disk, and let the next one begin."""
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


def _modules(setting: Setting) -> list[str]:
    """The modules that the network and the data come from."""
    source = setting.data.source
    classes = [get_object(setting.network.description["_target_"]), type(getattr(source, "module", source))]
    return [owner.__module__ for owner in classes] + ["sklearn"] * isinstance(source, Digits)
