"""Fits without anything that costs time in thousands of short ones."""

import logging
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from oraclecheck.data.images import LabelledImages
from oraclecheck.engines.arithmetic import float32_arithmetic
from oraclecheck.engines.recipe import Recipe
from oraclecheck.engines.sharded.ranks import rank_and_ranks
from oraclecheck.multimodal.questions import QuestionSet
from oraclecheck.seeds import derive_seed

if TYPE_CHECKING:
    import lightning as L  # it takes seconds to import, and a command that finds nothing to do needs none of it

ACCELERATORS = ("auto", "cpu", "gpu", "cuda", "mps")
"""Those of Lightning's that a network of ours can be trained on."""

TF32 = "tf32"
"""A precision that Lightning has no word for."""


@dataclass(frozen=True)
class TrainerSettings:
    """Device, arithmetic and threads of every fit.

    Args:
        accelerator: Lightning's: "auto", "cpu", "gpu", ...
        precision: Lightning's, "32-true", "bf16-mixed", ...; or "tf32": as 32-true, with TF32 allowed in training.
            Without it float32 is IEEE's. What is measured is measured in IEEE float32 in any case.
        threads: torch's threads in this process; a part of what makes metrics reproducible.
        compile: Whether networks are trained through `torch.compile`; what is measured before training is not.
        accumulate: Parts that a batch of a language model comes in, whose gradients add up to the batch's.
        checkpointing: Whether a language model's blocks are computed again in the backward pass.
        keep: Whether retrained language models are kept beside their records.
        devices: Over how many a language model is sharded, each of which takes its parts of a batch; 1: it is not.
    """

    accelerator: str = "auto"
    precision: str = "32-true"
    threads: int = 1
    compile: bool = False
    accumulate: int = 1
    checkpointing: bool = False
    keep: bool = False
    devices: int = 1


def fit(
    network: nn.Module,
    images: LabelledImages,
    recipe: Recipe,
    seed: int,
    settings: TrainerSettings,
    callbacks: "Sequence[L.Callback]",
    state: Path | None = None,
) -> nn.Module:
    """Train a network, or what a callback makes of it at the start; returns it on the CPU.

    Args:
        network: Trained in place, unless a callback replaces it.
        images: The training set, on the device of `settings`.
        recipe: How it is trained.
        seed: Everything random follows from it.
        settings: Device, precision, threads.
        callbacks: What else happens.
        state: Where a `Resuming` has kept the state of this fit, which goes on from there; None: it begins.
    """
    import lightning as L

    from oraclecheck.engines.answerer import Answerer
    from oraclecheck.engines.callbacks import Compiling
    from oraclecheck.engines.classifier import Classifier

    torch.set_num_threads(settings.threads)
    rank, ranks = rank_and_ranks()
    # what is dropped out differs between ranks; the first draws as a process alone, but for its own parts
    L.seed_everything((derive_seed(seed, "rank", rank) if rank else seed) % 2**32, verbose=False)
    module, batches = Classifier(network, recipe, seed), images.shuffled(recipe.batch_size, seed)
    if isinstance(images, QuestionSet):
        module = Answerer(network, recipe, seed, settings.checkpointing)
        batches = images.in_parts(recipe.batch_size, seed, settings.accumulate, rank, ranks)
    trainer = _trainer(
        settings,
        max_epochs=recipe.epochs,
        callbacks=[*callbacks, *([Compiling()] if settings.compile else [])],
        gradient_clip_val=recipe.gradient_clip,
        accumulate_grad_batches=-(-settings.accumulate // ranks),
    )
    with float32_arithmetic(tf32=settings.precision == TF32):
        trainer.fit(module, batches, ckpt_path=state, weights_only=True)
    return module.network


def check_accelerator(settings: TrainerSettings, *, elsewhere: bool = False) -> None:
    """Find out whether there is such an accelerator, without opening a device.

    Args:
        settings: Those of the fits to come.
        elsewhere: Whether they come on another machine.

    Raises:
        ValueError: If Lightning knows no such accelerator, or this machine has none or fewer than are asked for, and
            the fits come here.
    """
    name = settings.accelerator
    if name not in ACCELERATORS:
        raise ValueError(f"trainer.accelerator must be one of {', '.join(ACCELERATORS)}; got {name}")
    if name in ("gpu", "cuda") and not elsewhere and not (torch.cuda.device_count() or torch.mps.device_count()):
        raise ValueError(f"trainer.accelerator must be there; got {name} on a machine without a GPU: leave it out")
    if settings.devices == 1 or elsewhere or on_cpu(settings):
        return
    if settings.devices > torch.cuda.device_count():
        raise ValueError(
            f"trainer.devices must be at most the {torch.cuda.device_count()} CUDA devices here; got {settings.devices}"
        )


def on_cpu(settings: TrainerSettings) -> bool:
    """Whether fits with these settings run on the CPU of this machine; no device is opened."""
    automatic = settings.accelerator == "auto" and not (torch.cuda.device_count() or torch.mps.device_count())
    return automatic or settings.accelerator == "cpu"


def on_cuda(settings: TrainerSettings) -> bool:
    """Whether they run on a CUDA device of this machine; none is opened."""
    return settings.accelerator in ("auto", "gpu", "cuda") and torch.cuda.device_count() > 0


@lru_cache(maxsize=4)
def device_of(settings: TrainerSettings) -> torch.device:
    """The device that fits with these settings run on.

    Raises:
        ValueError: If there is no such accelerator or precision.
    """
    if on_cpu(settings) and settings.precision in ("32-true", TF32):
        return torch.device("cpu")  # without Lightning, whose import takes seconds and 250 MB
    try:
        return _trainer(settings).strategy.root_device
    except Exception as error:
        raise ValueError(
            f"trainer.accelerator and trainer.precision must be Lightning's and available here; got "
            f"{settings.accelerator} and {settings.precision}: {error}"
        ) from error


def _trainer(settings: TrainerSettings, **arguments: object) -> "L.Trainer":
    import lightning as L

    # Lightning announces devices, advises TF32 and advertises services at every fit; a sweep has thousands.
    for part in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(part).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="lightning")
    # With deterministic algorithms torch would write NaN into all memory that it is about to overwrite.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # a property
    _, ranks = rank_and_ranks()
    shared: dict[str, Any] = {}
    if ranks > 1:
        from lightning.pytorch.plugins.environments import LightningEnvironment
        from lightning.pytorch.strategies import ModelParallelStrategy

        shared["strategy"] = ModelParallelStrategy(data_parallel_size=ranks, tensor_parallel_size=1)
        shared["plugins"] = [LightningEnvironment()]  # no scheduler's, which would count ranks of its own
    return L.Trainer(
        accelerator=settings.accelerator,
        devices=ranks,
        precision="32-true" if settings.precision == TF32 else settings.precision,  # type: ignore[arg-type]
        # CPU kernels are deterministic for a fixed number of threads, and torch's switch would slow them.
        deterministic="warn" if torch.cuda.is_available() else None,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        **shared,
        **arguments,  # type: ignore[arg-type]
    )
