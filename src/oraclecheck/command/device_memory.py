"""Whether a language model can be trained on this machine's GPUs, found out before anything is loaded."""

import subprocess
import sys
from itertools import chain, islice

import torch

from oraclecheck.command.places import gpus
from oraclecheck.engines.trainer import TrainerSettings, on_cuda
from oraclecheck.multimodal.conversations import Conversations, is_language_model
from oraclecheck.multimodal.memory import GB, SPARE, Model, Use, alternatives, fits, memory, spell_memory, spell_model
from oraclecheck.networks.shadow import shadow_network
from oraclecheck.pruning.masks.space import MaskSpace
from oraclecheck.study.setting import Setting

MOST_ALTERNATIVES = 3


def check_memory(setting: Setting, slots: int = 1, *, elsewhere: bool = False) -> None:
    """Say what training a language model takes of memory, and refuse it where the GPU has less.

    Args:
        setting: What is trained.
        slots: Workers that share a GPU.
        elsewhere: Whether that is on machines other than this one, of whose GPUs nothing is known.

    Raises:
        ValueError: If a worker's share of the smallest GPU here that may be used is too small, with what would fit.
    """
    shadow, space, source = shadow_network(setting.network.description), setting.pruning.space, setting.data.source
    if not is_language_model(shadow):
        return
    assert isinstance(space, MaskSpace) and isinstance(source, Conversations)
    model = Model.of(shadow, sum(layer.weights for layer in space.layers))
    trainer, batch = setting.trainer, setting.retrain.recipe.batch_size
    mixed, devices = "mixed" in trainer.precision, trainer.devices
    use = Use(batch // trainer.accumulate, source.max_length, trainer.checkpointing, mixed, devices)
    needed = memory(model, use)
    print(f"oraclecheck: {setting.network.name}: {spell_model(model)}", file=sys.stderr)
    told = f"{use.conversations} of {use.tokens:,} tokens at once{', checkpointing' * use.checkpointing}"
    where = f"on each of {devices} devices " if devices > 1 else ""
    print(f"oraclecheck: training takes {where}up to {spell_memory(needed)} ({told})", file=sys.stderr, flush=True)
    whole = None if elsewhere else smallest_gpu(trainer)
    if whole is None:
        return
    gpu = whole / slots
    if not fits(model, use, gpu):
        alone = [("gpu_slots=1", use)] if slots > 1 and fits(model, use, whole) else []
        others = alternatives(model, use, batch, gpu, torch.cuda.device_count())
        found = islice(chain(alone, others), MOST_ALTERNATIVES)
        fitting = "; ".join(f"{words} ({sum(memory(model, other).values()) / GB:.1f} GB)" for words, other in found)
        shared = f", which gpu_slots={slots} share" if slots > 1 else ""
        raise ValueError(
            f"trainer must need less memory than the GPU has, {SPARE:.0%} of {gpu / GB:.1f} GB{shared}; got "
            f"{sum(needed.values()) / GB:.1f} GB: {f'what would fit: {fitting}' if fitting else 'nothing would fit'}"
        )


def smallest_gpu(trainer: TrainerSettings) -> float | None:
    """Bytes of the smallest GPU that fits here run on; None where there is none, or parts of one. No device is opened.

    CUDA_VISIBLE_DEVICES says which may be used. Its numbers are taken for nvidia-smi's, as CUDA_DEVICE_ORDER=PCI_BUS_ID
    makes them on machines whose GPUs differ.
    """
    if not on_cuda(trainer):
        return None
    used = ",".join(gpus(trainer.accelerator))
    query = ["nvidia-smi", f"--id={used}", "--query-gpu=memory.total", "--format=csv,noheader,nounits"]
    try:
        said = subprocess.run(query, capture_output=True, text=True, timeout=30, check=True).stdout
        return min(float(line) for line in said.splitlines()) * 2**20
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
