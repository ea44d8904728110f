"""What training a language model takes of a GPU: arithmetic on its configuration alone, before anything is loaded."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from torch import nn

from oraclecheck.multimodal.questions import AT_ONCE

GB = 1e9

FLOAT, BFLOAT, MASK = 4, 2, 1
"""Bytes of a weight, of what autocast makes of it, and of its place in a mask."""

ACTIVATIONS = 34
"""Bytes that a block keeps for its backward pass, for each token and each unit of its width, in 16 bits and without the
attention's scores, which are never kept (Korthikanti et al., arXiv 2205.05198, Eq. 1)."""

MEASURED = 60
"""Bytes of one block, for each token and each unit of its width, where float32 is only measured: what goes in and out
of its attention, four times the width twice, and what is added up."""

LOGITS = 3
"""Tensors of their size: they, their softmax, and their gradient."""

SPARE = 0.95
"""Share of a GPU's memory that there is to be had: the rest is its driver's, or lost between tensors."""


@dataclass(frozen=True)
class Model:
    """Sizes of a language model.

    Attributes:
        parameters: Part -> its parameters.
        trained: Parameters that are trained.
        masked: Weights that masks say something about.
        blocks: Of the language model.
        width: Of these.
        vocabulary: Tokens.
    """

    parameters: dict[str, int]
    trained: int
    masked: int
    blocks: int
    width: int
    vocabulary: int

    @classmethod
    def of(cls, shadow: nn.Module, masked: int) -> "Model":
        """Of a model whose weights need not be there."""
        network: Any = shadow
        parts = {
            "language model": network.model.language_model,
            "vision tower": network.model.vision_tower,
            "projector": network.model.multi_modal_projector,
            "lm_head": network.lm_head,
        }
        owned: dict[int, str] = {}
        for name, part in parts.items():  # what is shared counts once
            for parameter in part.parameters():
                owned.setdefault(id(parameter), name)
        sizes = dict.fromkeys(parts, 0)
        for parameter in shadow.parameters():
            sizes[owned[id(parameter)]] += parameter.numel()
        trained = sum(parameter.numel() for parameter in shadow.parameters() if parameter.requires_grad)
        text = network.config.text_config
        return cls(sizes, trained, masked, text.num_hidden_layers, text.hidden_size, text.vocab_size)

    @property
    def all_parameters(self) -> int:
        """Of all parts together."""
        return sum(self.parameters.values())


@dataclass(frozen=True)
class Use:
    """How a model is trained.

    Attributes:
        conversations: In a part of a batch.
        tokens: Of the longest conversation, those of its image included.
        checkpointing: Whether blocks are computed again in the backward pass.
        mixed: Whether it is computed in 16 bits.
    """

    conversations: int
    tokens: int
    checkpointing: bool
    mixed: bool


def memory(model: Model, use: Use) -> dict[str, float]:
    """What -> bytes of a GPU's memory at its fullest.

    That is while a part of a batch goes backward, or while the network is measured between two epochs. Weights,
    gradients and Adam's two moments are float32: see docs/multimodal.md. Every token is taken for an answer's.
    """
    always = {
        "weights": FLOAT * model.all_parameters,
        "gradients": FLOAT * model.trained,
        "Adam's moments": 2 * FLOAT * model.trained,
        "masks": MASK * model.masked,
    }
    tokens = use.conversations * use.tokens
    block = tokens * model.width * ACTIVATIONS * (1 if use.mixed else 2)
    stored = tokens * model.width * FLOAT * model.blocks
    training = {
        "16-bit copies": BFLOAT * model.trained if use.mixed else 0,
        "activations": stored + block if use.checkpointing else model.blocks * block,
        "logits": LOGITS * tokens * model.vocabulary * FLOAT,
    }
    measured = AT_ONCE * use.tokens
    measuring = {
        "activations": measured * model.width * MEASURED,
        "logits": LOGITS * measured * model.vocabulary * FLOAT,
    }
    fuller = max(training, measuring, key=lambda sizes: sum(sizes.values()))
    return {name: float(size) for name, size in (always | fuller).items() if size}


def fits(model: Model, use: Use, gpu: float) -> bool:
    """Whether it fits into a GPU of so many bytes."""
    return sum(memory(model, use).values()) <= SPARE * gpu


def alternatives(model: Model, use: Use, batch_size: int, gpu: float) -> Iterator[tuple[str, Use]]:
    """What would fit into such a GPU, in words, the least change first; last what takes least, on the GPU it takes.

    Args:
        model: The model.
        use: What does not fit.
        batch_size: Conversations of a batch.
        gpu: Bytes.
    """
    tried, changes = use, list[str]()
    for words, change in (
        ("trainer.gradient_checkpointing=true", {"checkpointing": True}),
        (f"trainer.accumulate={batch_size}", {"conversations": 1}),
        ("trainer.precision=bf16-mixed", {"mixed": True}),
    ):
        other = replace(use, **change)
        tried = replace(tried, **change)
        if other != use:
            changes.append(words)
            if fits(model, other, gpu):
                yield words, other
    if len(changes) > 1 and fits(model, tried, gpu):
        yield " ".join(changes), tried
    needed = sum(memory(model, tried).values()) / SPARE
    yield " ".join([*changes, f"on a GPU of {math.ceil(needed / GB)} GB"]), tried


def spell_memory(sizes: Mapping[str, float]) -> str:
    """For a reader: "57.3 GB: weights 12.9, gradients 11.2"."""
    parts = ", ".join(f"{name} {size / GB:.1f}" for name, size in sizes.items())
    return f"{sum(sizes.values()) / GB:.1f} GB: {parts}"


def spell_model(model: Model) -> str:
    """For a reader: how many parameters there are, and which never go."""
    whole = model.all_parameters
    dense = ", ".join(f"{name} {100 * size / whole:.1f} %" for name, size in _dense(model).items())
    share, tower = 100 * (1 - model.masked / whole), model.parameters["vision tower"]
    return (
        f"{whole:,} parameters, of which {model.masked:,} can go; {share:.1f} % always stay: {dense} (of the vision "
        f"tower and what can go, the tower is {100 * tower / (tower + model.masked):.1f} %)"
    )


def _dense(model: Model) -> dict[str, int]:
    """Part -> its parameters that always stay."""
    language = {"embeddings, norms and biases": model.parameters["language model"] - model.masked}
    rest = {name: size for name, size in model.parameters.items() if name != "language model"}
    return {**rest, **language}
