"""What would stop a command later, found out before anything runs."""

import sys
import tempfile
from pathlib import Path

import torch

from oraclecheck.command.device_memory import check_memory
from oraclecheck.command.interpret_masks import UNSTRUCTURED
from oraclecheck.command.interpret_pipeline import check_shapes
from oraclecheck.command.request import Request
from oraclecheck.data import loading
from oraclecheck.data.module import ModuleSource
from oraclecheck.engines.lanes import conditions as lanes
from oraclecheck.engines.lanes.chain import chain_of
from oraclecheck.engines.lanes.library import library_of
from oraclecheck.engines.stacked import conditions as stacked
from oraclecheck.engines.trainer import check_accelerator
from oraclecheck.files import check_free
from oraclecheck.networks.attention import SelfAttention
from oraclecheck.networks.initialisation import check_initialiser
from oraclecheck.networks.shadow import shadow_network
from oraclecheck.pipelines.dense import dense_checkpoint, dense_path, study_if_known
from oraclecheck.pipelines.proof import prove_pruning
from oraclecheck.pruning.structured import prune
from oraclecheck.records.searches import SEARCHED, not_searched, searched_pick
from oraclecheck.records.store import record_path
from oraclecheck.records.wandb.mirror import usable_mode
from oraclecheck.study.definition import train_eval_indices
from oraclecheck.study.folder import check_folder
from oraclecheck.study.identity import DENSE
from oraclecheck.study.setting import DataSetting, PruningSetting, Setting


def check(request: Request, *, elsewhere: bool = False, slots: int = 1) -> None:
    """Find out now what would stop the command later; no device is opened.

    Args:
        request: What the command asks for.
        elsewhere: Whether its workers run on machines other than this one.
        slots: Workers that share a GPU.

    Raises:
        ValueError: If the data is missing, the output cannot be written, a combination is outside the space or its
            index too long, a layer cannot be pruned alone, the checkpoint is another architecture's, or the study's
            folder is other settings'.
    """
    setting = request.setting
    _check_combinations(request.combinations, setting.pruning, setting.paths.out)
    check_accelerator(setting.trainer, elsewhere=elsewhere)
    _check_writable("paths.out", setting.paths.out)
    check_memory(setting, slots, elsewhere=elsewhere)
    _check_data(setting.data, setting.paths.cache)
    train_eval_indices(setting)  # are there as many images?
    if not setting.pretrain.loads:
        check_free(dense_path(setting), "the dense network's checkpoint must be a file")
    elif not dense_path(setting).is_file():
        dense_checkpoint(setting)
    prove_pruning(setting)
    _check_pipeline(request)
    _check_engine(setting)
    _check_wiring(setting)
    study = study_if_known(setting)
    if study is not None:
        check_folder(setting.paths.out / study.name, study)
    for name in SEARCHED:
        if name in request.combinations:
            if study is None:
                raise not_searched(name)
            searched_pick(setting, study.definition[DENSE], name)
    if request.wandb:
        usable_mode(request.wandb.mode)  # if it has to be offline, say so once and not in every worker


def _check_combinations(combinations: list[int | str], pruning: PruningSetting, out: Path) -> None:
    indices = [combination for combination in combinations if isinstance(combination, int)]
    if indices:  # one is enough, and to unrank a thousand of VGG19's takes a second
        size = pruning.space.size
        pruning.space.unrank(next((index for index in indices if index >= size), indices[0]))
        record_path(out, max(indices), 0)
    picked = next((combination for combination in combinations if isinstance(combination, str)), None)
    if picked and pruning.scheme != "heads":
        raise ValueError(f"combo must be an index or a set where pruning.scheme is {pruning.scheme}; got {picked}")


def _check_data(data: DataSetting, cache: Path) -> None:
    if isinstance(data.source, ModuleSource):  # looks at its data, which it prepares under a lock there
        _check_writable("paths.cache", cache)
    data.source.check()
    if loading.writes(data.source, cache):
        _check_writable("paths.cache", cache)
    if data.source.classes != data.classes:
        raise ValueError(
            f"data.classes must be the number of classes of {data.name}, {data.source.classes}; got {data.classes}"
        )


def _check_pipeline(request: Request) -> None:
    pipeline = request.setting.pipeline
    if pipeline.name == "scratch":
        if others := [combination for combination in request.combinations if combination != 0]:
            raise ValueError(
                "combo must be 0 for pipeline=scratch, whose network depends on how many filters go and not on which; "
                f"got {others[0]}: repeat=0,1,2 trains it from several starts"
            )
        check_initialiser(request.setting.network.description)
    if pipeline.name == "iterative":
        if picked := [combination for combination in request.combinations if isinstance(combination, str)]:
            raise ValueError(
                "combo must be an index or a set for pipeline=iterative, whose combinations say in which round each "
                f"filter goes; got {picked[0]}"
            )
        if request.setting.engine.name == "stacked":
            check_shapes(pipeline)
        scheme, wiring = request.setting.pruning.scheme, request.setting.pruning.wiring
        for key, value, rule in (("scheme", scheme, "heads"), ("wiring", wiring, "correct")):
            if value != rule:
                raise ValueError(f"pruning.{key} must be {rule} for pipeline=iterative; got {value}")
    if pipeline.told:
        print(f"oraclecheck: pipeline={pipeline.name}: {pipeline.told}", file=sys.stderr, flush=True)


def _check_engine(setting: Setting) -> None:
    data, network, trainer = setting.data, setting.network, setting.trainer
    shadow, in_memory = shadow_network(network.description), loading.in_memory(data.source)
    if setting.engine.name == "stacked":
        stacked.check(shadow, network.input_shape, in_memory, trainer)
    if setting.engine.name == "lanes":
        lanes.check(shadow, network.input_shape, in_memory, data.preparation, setting.retrain.recipe, trainer)
        # that it can be compiled too; and no worker has to
        image = torch.zeros(1, *network.input_shape, device="meta")
        masked = setting.pruning.scheme == UNSTRUCTURED
        pruned = [shadow] if masked else [prune(shadow, each, image) for each in setting.pruning.filters.shapes()]
        for made in pruned:
            library_of(chain_of(made, network.input_shape), setting.paths.cache)
    if setting.engine.instead:
        print(f"oraclecheck: engine=auto takes lightning: {setting.engine.instead}", file=sys.stderr, flush=True)


def _check_wiring(setting: Setting) -> None:
    modules = shadow_network(setting.network.description).modules()
    if setting.pruning.wiring == "released_code" and any(isinstance(module, SelfAttention) for module in modules):
        raise ValueError(
            "pruning.wiring must be correct for transformers; got released_code: pruning.scheme=width makes the "
            "networks that the released code makes of them"
        )


def _check_writable(key: str, folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise ValueError(f"{key} must be a folder that can be written; got {folder}: {error.strerror}") from None
