"""Retrained language models that are kept, in the Hub's format, for whoever asks them questions."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from torch import nn

from oraclecheck.engines.engine import Engine, Retraining
from oraclecheck.files import whole_folder
from oraclecheck.multimodal.asking import write_asking
from oraclecheck.multimodal.conversations import PROCESSOR_FILE, READING
from oraclecheck.multimodal.hub import model_folder
from oraclecheck.study.setting import NetworkSetting

FOLDER = "network"
"""Of a retrained network, in the folder of its record."""


def keeping(engine: Engine, setting: NetworkSetting, place: Callable[[], Path]) -> Engine:
    """An engine that keeps the networks that it retrains, before anyone hears of them.

    Args:
        engine: What retrains them.
        setting: What networks they are.
        place: Gives the folder of the next run's record.
    """

    def kept(*arguments: Any, **options: Any) -> Iterator[Retraining | Exception]:
        for result in engine(*arguments, **options):
            if isinstance(result, Retraining):
                try:
                    save_model(place() / FOLDER, result.network, model_folder(setting.description["path"]))
                except OSError as error:
                    yield error
                    continue
            yield result

    return kept


def save_model(folder: Path, network: nn.Module, model: Path) -> None:
    """Write a network where any program finds a model of the Hub, whole or not at all; another one there is replaced.

    Args:
        folder: Where it goes.
        network: A language model.
        model: The folder of the dense one, whose tokenizer and image processor it shares.
    """
    with whole_folder(folder) as begun:
        network.write(begun)  # type: ignore[operator]
        for file in (*READING, PROCESSOR_FILE):
            if (model / file).is_file():
                shutil.copyfile(model / file, begun / file)
        write_asking(begun, network.config.to_dict())  # type: ignore[operator, union-attr]
