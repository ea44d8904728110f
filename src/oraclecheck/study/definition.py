"""What defines a study, written out whole: two commands with equal definitions add to the same study.

Left out are combination, repeat, paths, logger, launcher, device and number of workers. All else is there, defaults
included, for a default may change.
"""

from dataclasses import asdict
from typing import Any

from oraclecheck.data import loading
from oraclecheck.engines import evaluation
from oraclecheck.files import digest
from oraclecheck.multimodal.conversations import Conversations
from oraclecheck.multimodal.questions import AT_ONCE
from oraclecheck.networks.shadow import identity
from oraclecheck.pruning.masks.space import MaskSpace, Space
from oraclecheck.study.identity import Study
from oraclecheck.study.setting import Setting


def study_of(setting: Setting, dense_hash: str) -> Study:
    """The study that a setting is with the dense network of this hash."""
    network, pruning, retrain, trainer = setting.network, setting.pruning, setting.retrain, setting.trainer
    space = pruning.space
    definition = {
        "model": network.name,
        "network": identity(network.description),
        "channels_last": network.channels_last,
        "data": data_identity(setting),
        "dense_hash": dense_hash,
        **_of_space(space),
        "pruning_ratio": pruning.ratio,
        "scheme": pruning.scheme,
        "wiring": pruning.wiring,
        "order": space.order,
        "order_seed": space.seed if space.order == "sampled" else None,
        "seed": retrain.seed,
        "retrain": retrain.recipe.described,
        "retrain_fraction": retrain.fraction,
        "pipeline": setting.pipeline.name,
        **setting.pipeline.described,
        "engine": setting.engine.name,
        "evaluation": evaluation_identity(setting),
        "precision": trainer.precision,
        "compile": trainer.compile,
        "threads": trainer.threads,
    }
    pretrain_seed = None if setting.pretrain.loads else setting.pretrain.seed
    return Study(setting.label, definition, space, setting.data.name, pretrain_seed)


def _of_space(space: Space) -> dict[str, Any]:
    """The layers that are pruned, and what else numbers the combinations, where that is not all."""
    if isinstance(space, MaskSpace):
        return {"layers": {layer.name: layer.weights for layer in space.layers}, "unstructured": space.definition}
    return {"layers": {layer.name: [layer.filters, layer.removed] for layer in space.layers}}


def data_identity(setting: Setting) -> dict[str, Any]:
    """What the images are that networks are trained on."""
    preparation = setting.data.preparation
    normalisation = {"mean": list(preparation.mean), "std": list(preparation.std)}
    augment = asdict(preparation.augmentation)
    return {**loading.identity(setting.data.source, setting.paths.cache), **normalisation, "augment": augment}


def evaluation_identity(setting: Setting) -> dict[str, Any]:
    """How networks are measured."""
    indices = train_eval_indices(setting)
    return {
        "augmented": setting.data.preparation.augmented_train_eval,
        "batch_size": _evaluation_size(setting),
        "precision": "IEEE float32",
        "train_images": None if indices is None else len(indices),
        "indices": None if indices is None else digest(indices),
    }


def train_eval_indices(setting: Setting) -> list[int] | None:
    """The training images that training-set metrics are measured on; None for all.

    Raises:
        ValueError: If there are fewer.
    """
    n, source = setting.data.preparation.train_eval_images, setting.data.source
    return None if n is None else loading.train_eval_indices(source, setting.paths.cache, n).tolist()


def test_set_hash(setting: Setting) -> str:
    """Hash of what decides a network's metrics on the test set."""
    return digest([data_identity(setting), setting.network.channels_last, _evaluation_size(setting)])


def _evaluation_size(setting: Setting) -> int:
    if isinstance(setting.data.source, Conversations):
        return AT_ONCE
    return evaluation.batch_size(setting.network.input_shape)
