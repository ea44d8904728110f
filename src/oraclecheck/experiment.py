"""One worker's work, top to bottom.

config -> study -> dense network -> [claim runs -> prune -> pruned train loss -> retrain -> final metrics -> record]
until none is left
"""

import sys
import time
import traceback
from collections import deque
from collections.abc import Container, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from hydra.utils import get_object

from oraclecheck.command.plan import Share
from oraclecheck.command.request import Request
from oraclecheck.criteria.additive import ADDITIVE, filter_scores
from oraclecheck.criteria.pick import least
from oraclecheck.data.images import ImageData
from oraclecheck.data.sources import Digits
from oraclecheck.engines.choice import engine_of, tools_of
from oraclecheck.engines.engine import Engine, Run
from oraclecheck.engines.trainer import device_of
from oraclecheck.files import FileState, remove_all_remains
from oraclecheck.multimodal.conversations import Conversations
from oraclecheck.pipelines.checkpoint import Checkpoint
from oraclecheck.pipelines.choice import pipeline_of
from oraclecheck.pipelines.dense import Dense, dense_checkpoint, load_data, measure_dense
from oraclecheck.pipelines.kept_model import keeping
from oraclecheck.pipelines.masks import with_masks
from oraclecheck.pipelines.proof import prove_pruning
from oraclecheck.records.claims import Claim, Claims
from oraclecheck.records.provenance import provenance
from oraclecheck.records.record import Record
from oraclecheck.records.searches import SEARCHED, searched_pick
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
        """Do the runs that are claimed, as many at once as the engine takes."""
        setting = self.request.setting
        engine: Engine | None = None  # of this study alone: what it holds of a GPU goes with it
        begun = filter(None, map(self._begin, claims))
        for first in begun:
            name, networks, devices = setting.engine.name, setting.engine.networks, setting.trainer.devices
            engine = engine or engine_of(name, setting.paths.cache, networks, devices)
            self._prune_and_retrain(engine, first, begun)

    def _begin(self, claim: Claim) -> "BegunRun | None":
        """A run once its filters are known; None, and its claim is released, if something keeps it from that."""
        begun = None
        try:
            dense, data, setting = self.dense, self.data, self.request.setting
            combination, repeat = self.request.runs[claim.number]
            with _others_go_on(combination, repeat):
                tools = tools_of(setting.engine.name)
                computed = provenance(device_of(setting.trainer), setting.trainer.threads, _modules(setting), tools)
                space = setting.pruning.space
                if combination in SEARCHED:
                    removed = searched_pick(setting, self.checkpoint.hash, str(combination))
                    keep_choice(self.folder, str(combination), removed)
                elif isinstance(combination, str):
                    function, images = ADDITIVE[combination], data.measured_train
                    scores = filter_scores(combination, function, dense.network, images, setting.pruning.layers)
                    removed = least(scores, setting.pruning.layers)
                    keep_choice(self.folder, combination, removed)
                else:
                    removed = with_masks(space.unrank(combination), space, dense.network, claim.path.parent.parent)
                identity = self.study.run(combination, removed, repeat)
                recipe, run_id = setting.retrain.recipe.described, f"{self.study.hash[:8]}-{combination}-{repeat}"
                mirror = WandbMirror(self.request.wandb, identity, self.folder, run_id, recipe)
                begun = BegunRun(
                    claim, (combination, repeat), Run(removed, identity["seed"]), identity, computed, mirror
                )
        finally:
            if begun is None:
                claim.release()
        return begun

    def _prune_and_retrain(self, engine: Engine, first: "BegunRun", others: Iterator["BegunRun"]) -> None:
        """A run, and as many of the others as the engine takes; whatever happens, each leaves its record."""
        held, troubles = deque([first]), list[Exception]()

        def runs() -> Iterator[Run]:
            yield first.run
            with _kept(troubles):
                for each in others:
                    held.append(each)
                    yield each.run

        def tell(run: Run, entry: dict[str, float]) -> None:
            next(each for each in held if each.run is run).mirror.log(entry)

        setting = self.request.setting
        if setting.trainer.keep:
            engine = keeping(engine, setting.network, lambda: held[0].claim.path.parent)
        try:
            try:
                pipeline = pipeline_of(setting)
                for came in pipeline(engine, runs(), self.dense, self.data, setting, tell):
                    held.popleft().end(came)
            except Exception as error:
                while held:
                    held.popleft().end(error)
        finally:
            for each in held:
                each.claim.release()
        for trouble in troubles:
            raise trouble


@dataclass
class BegunRun:
    """A run that is claimed, and whose filters are known."""

    claim: Claim
    name: tuple[int | str, int]  # combination and repeat
    run: Run
    identity: dict[str, Any]
    computed: dict[str, Any]  # columns that say by what
    mirror: WandbMirror

    def end(self, came: Mapping[str, Any] | Exception) -> None:
        """Write the record, before W&B hears of it, and release the claim.

        Args:
            came: The columns that say what came of the run, or what was raised.
        """
        try:
            with _others_go_on(*self.name):
                record = self._record(came)
                try:
                    write_record(self.claim.path, record)
                finally:
                    self.mirror.finish(record)
        finally:
            self.claim.release()

    def _record(self, came: Mapping[str, Any] | Exception) -> Record:
        try:
            if isinstance(came, Exception):
                raise came
            return Record(**self.identity, **came, **self.computed)
        except Exception:
            return Record(**self.identity, status="failed", error=traceback.format_exc(), **self.computed)


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
    return (
        [owner.__module__ for owner in classes]
        + ["sklearn"] * isinstance(source, Digits)
        + _READERS * isinstance(source, Conversations)
    )


_READERS = ["transformers", "tokenizers"]
"""What reads conversations."""
