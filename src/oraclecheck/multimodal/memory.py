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


@dataclass(frozen=True)
class Block:
    """Bytes of one block, for each token and each unit of its width; attention's scores are never there.

    Attributes:
        kept: What it keeps for its backward pass, where it is computed in 16 bits, with dropout.
        most: What there is at most while it goes forward and backward, likewise.
        kept_float: See `kept`, in float32.
        most_float: See `most`, in float32.
        measured: What there is at most where float32 is only measured.
    """

    kept: int
    most: int
    kept_float: int
    most_float: int
    measured: int


BLOCKS = {
    # of Phi, whose hidden layer is four times as wide
    "gelu_new": Block(kept=91, most=143, kept_float=117, most_float=149, measured=77),
    "gelu": Block(kept=43, most=57, kept_float=69, most_float=89, measured=45),
    "gelu_pytorch_tanh": Block(kept=43, most=57, kept_float=69, most_float=89, measured=45),
    # of Llama, which has two hidden layers of 2.7 times its width
    "silu": Block(kept=58, most=72, kept_float=85, most_float=111, measured=47),
}
"""By the `hidden_act` of a configuration, as measured on blocks of transformers 5.23 (tests/multimodal/test_memory.py
measures them again). `gelu_new`, which is Phi-2's, is eight operations of torch's, of which autocast computes the power
in float32 on a GPU, and so all that follow."""

UNKNOWN = BLOCKS["gelu_new"]
"""What another activation is taken for: the largest of these."""

LOGITS = 3
"""Tensors of their size: they, their softmax, and their gradient."""

SPARE = 0.95
"""Share of a GPU's memory that there is to be had: the rest is its driver's, or lost between tensors."""

AT_A_TIME = 2
"""Blocks of a sharded network that are whole at once, the one that is computed and the next; and how often there are
gradients of what is whole: as they are made, and laid out to be added up over the GPUs."""


@dataclass(frozen=True)
class Model:
    """Sizes of a language model.

    Attributes:
        parameters: Part -> its parameters.
        trained: Parameters that are trained.
        masked: Weights that masks say something about.
        blocks: Of the language model.
        of_blocks: Parameters of all blocks, which are trained.
        width: Of these.
        vocabulary: Tokens.
        activation: The `hidden_act` of its blocks.
    """

    parameters: dict[str, int]
    trained: int
    masked: int
    blocks: int
    of_blocks: int
    width: int
    vocabulary: int
    activation: str

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
        layers = network.model.language_model.layers.parameters()
        of_blocks = sum(parameter.numel() for parameter in layers)
        of_text = text.num_hidden_layers, of_blocks, text.hidden_size, text.vocab_size
        return cls(sizes, trained, masked, *of_text, getattr(text, "hidden_act", ""))

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
        devices: GPUs that it is sharded over.
    """

    conversations: int
    tokens: int
    checkpointing: bool
    mixed: bool
    devices: int = 1


def memory(model: Model, use: Use) -> dict[str, float]:
    """What -> bytes of a GPU's memory at its fullest.

    That is while a part of a batch goes backward, while Adam makes its step, or while the network is measured between
    two epochs. Weights, gradients and Adam's two moments are float32: see docs/multimodal.md. Every token is taken for
    an answer's. On one GPU Adam takes the roots of all second moments at once (torch's `_foreach_sqrt`); weights of a
    sharded network are no plain tensors, and theirs come one after the other.
    Of several GPUs each has its share of what always is there, and gathers what it computes with; before all that the
    dense network is measured whole on one of them.
    """
    gathered = model.all_parameters - model.of_blocks + AT_A_TIME * model.of_blocks / model.blocks
    trained = model.trained - model.of_blocks + AT_A_TIME * model.of_blocks / model.blocks
    sharded = use.devices > 1
    always: dict[str, float] = {
        "weights": FLOAT * model.all_parameters / use.devices,
        "gradients": FLOAT * model.trained / use.devices,
        "Adam's moments": 2 * FLOAT * model.trained / use.devices,
        "masks": MASK * model.masked / use.devices,
        "gathered weights": FLOAT * gathered if sharded else 0,
    }
    tokens, block = use.conversations * use.tokens, BLOCKS.get(model.activation, UNKNOWN)
    kept, most = (block.kept, block.most) if use.mixed else (block.kept_float, block.most_float)
    others = model.blocks * FLOAT if use.checkpointing else (model.blocks - 1) * kept
    training: dict[str, float] = {
        "their gradients": AT_A_TIME * FLOAT * trained if sharded else 0,
        "16-bit copies": BFLOAT * model.trained if use.mixed else 0,
        "activations": tokens * model.width * (others + most),
        "logits": LOGITS * tokens * model.vocabulary * FLOAT,
    }
    measured = AT_ONCE * use.tokens
    measuring: dict[str, float] = {
        "activations": measured * model.width * block.measured,
        "logits": LOGITS * measured * model.vocabulary * FLOAT,
    }
    step: dict[str, float] = {"Adam's roots": 0 if sharded else FLOAT * model.trained}
    whole: dict[str, float] = {"weights": FLOAT * model.all_parameters}
    moments = always | training, always | step, always | measuring, whole | measuring
    fullest = max(moments, key=lambda sizes: sum(sizes.values()))
    return {name: float(size) for name, size in fullest.items() if size}


def fits(model: Model, use: Use, gpu: float) -> bool:
    """Whether it fits into a GPU of so many bytes."""
    return sum(memory(model, use).values()) <= SPARE * gpu


def alternatives(model: Model, use: Use, batch_size: int, gpu: float, gpus: int = 1) -> Iterator[tuple[str, Use]]:
    """What would fit into such a GPU, in words, the least change first; last what takes least, on the GPU it takes.

    Args:
        model: The model.
        use: What does not fit.
        batch_size: Conversations of a batch.
        gpu: Bytes.
        gpus: How many there are.
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
    for begun, whole in ([], use), (changes, tried):
        if found := _sharded(model, whole, batch_size, gpu, gpus):
            yield " ".join([*begun, f"trainer.strategy=fsdp trainer.devices={found.devices}"]), found
            break
    needed = sum(memory(model, tried).values()) / SPARE
    yield " ".join([*changes, f"on a GPU of {math.ceil(needed / GB)} GB"]), tried


def _sharded(model: Model, use: Use, batch_size: int, gpu: float, gpus: int) -> Use | None:
    """The same sharded over the fewest of the GPUs that it fits into, if there are as many."""
    parts = batch_size // use.conversations
    more = (replace(use, devices=devices) for devices in range(use.devices + 1, min(gpus, parts) + 1))
    return next((other for other in more if fits(model, other, gpu)), None)


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
