"""Whether a language model can be trained on this machine's GPUs, found out before anything is loaded."""

import subprocess
import sys
from itertools import islice

import torch

from oraclecheck.engines.trainer import TrainerSettings, on_cuda
from oraclecheck.multimodal.conversations import Conversations, is_language_model
from oraclecheck.multimodal.memory import GB, SPARE, Model, Use, alternatives, fits, memory, spell_memory, spell_model
from oraclecheck.networks.shadow import shadow_network
from oraclecheck.pruning.masks.space import MaskSpace
from oraclecheck.study.setting import Setting

MOST_ALTERNATIVES = 3


def check_memory(setting: Setting) -> None:
    """Say what training a language model takes of memory, and refuse it where the GPU has less.

    Raises:
        ValueError: If the smallest GPU here is too small, with what would fit.
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
    gpu = smallest_gpu(trainer)
    if gpu is not None and not fits(model, use, gpu):
        found = islice(alternatives(model, use, batch, gpu, torch.cuda.device_count()), MOST_ALTERNATIVES)
        fitting = "; ".join(f"{words} ({sum(memory(model, other).values()) / GB:.1f} GB)" for words, other in found)
        raise ValueError(
            f"trainer must need less memory than the GPU has, {SPARE:.0%} of {gpu / GB:.1f} GB; got "
            f"{sum(needed.values()) / GB:.1f} GB: {f'what would fit: {fitting}' if fitting else 'nothing would fit'}"
        )


def smallest_gpu(trainer: TrainerSettings) -> float | None:
    """Bytes of the smallest GPU that fits here run on; None where there is none. No device is opened."""
    if not on_cuda(trainer):
        return None
    query = ["nvidia-smi", "--query-gpu=memory.total", "--format=csv,noheader,nounits"]
    try:
        said = subprocess.run(query, capture_output=True, text=True, timeout=30, check=True).stdout
        return min(float(line) for line in said.splitlines()) * 2**20
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
