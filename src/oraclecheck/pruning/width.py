"""Pruning a vision transformer's width, as the paper's released code does instead of removing heads.

The residual stream loses channels: one index set for the patch embedding, every LayerNorm, every projection that reads
or writes the stream, and also for the rows of queries, keys and values. The number of heads stays, so that every head
becomes narrower; the rows that are kept, in ascending order, are dealt out to the heads anew. A second index set is
for the hidden units of all FFNs. A combination space is therefore C(768, 384) * C(3072, 1536) for ViT-B/16 at 0.5.
"""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from oraclecheck.pruning.combination import LayerChoice, Removed, removed_count
from oraclecheck.pruning.layers import fraction, is_number

if TYPE_CHECKING:
    from oraclecheck.networks.vit import VisionTransformer

RESIDUAL, FFN = "residual", "ffn"
"""The two index sets, which stand where other studies have layers."""

SLICES: dict[str, tuple[str | None, ...]] = {
    "class_token": (None, None, RESIDUAL),
    "pos_embedding": (None, None, RESIDUAL),
    "conv_proj": (RESIDUAL,),
    "ln": (RESIDUAL,),
    "ln_1": (RESIDUAL,),
    "ln_2": (RESIDUAL,),
    "in_proj": ("rows", RESIDUAL),
    "out_proj": (RESIDUAL, RESIDUAL),
    "mlp.0": (FFN, RESIDUAL),
    "mlp.3": (RESIDUAL, FFN),
    "head": (None, RESIDUAL),
}
"""Ending of a parameter's name, without weight or bias -> the index set that slices each of its dimensions."""


def width_choices(network: nn.Module, ratio: object) -> tuple[dict[str, float], tuple[LayerChoice, ...]]:
    """Ratios of the two index sets, and how many of how many indices each loses.

    Args:
        network: The dense network; a meta-device one will do.
        ratio: `pruning.ratio`: one fraction in (0, 1) for both, or a mapping with both.

    Raises:
        ValueError: If the network is no vision transformer, a ratio is none, or the heads would not share the
            remaining width evenly.
    """
    from oraclecheck.networks.vit import VisionTransformer  # it brings torchvision, which takes seconds

    if not isinstance(network, VisionTransformer):
        raise ValueError("pruning.scheme must be heads for every network but vision transformers; got width")
    ratios = dict.fromkeys((RESIDUAL, FFN), ratio) if is_number(ratio) else ratio
    if not isinstance(ratios, Mapping) or set(ratios) != {RESIDUAL, FFN}:
        raise ValueError(
            f"pruning.ratio must be one number, or {{{RESIDUAL}: 0.5, {FFN}: 0.5}}, where pruning.scheme is width; "
            f"got {ratio!r}"
        )
    choices = []
    for name, size in ((RESIDUAL, network.hidden_dim), (FFN, network.mlp_dim)):
        choices.append(LayerChoice(name, size, removed_count(size, fraction(name, ratios[name]))))
    left, heads = choices[0].filters - choices[0].removed, network.num_heads
    if left % heads:
        raise ValueError(
            f"pruning.ratio of {RESIDUAL} must leave a multiple of the {heads} heads; {ratios[RESIDUAL]} leaves {left}"
        )
    return {name: float(ratios[name]) for name in (RESIDUAL, FFN)}, tuple(choices)


def prune_width(network: nn.Module, removed: Removed) -> "VisionTransformer":
    """A narrower copy of a vision transformer.

    Args:
        network: The dense network; it is not changed.
        removed: The removed indices of both sets.

    Raises:
        ValueError: If an index is duplicated, negative or out of range.
    """
    from oraclecheck.networks.vit import VisionTransformer

    assert isinstance(network, VisionTransformer)
    sizes = {RESIDUAL: network.hidden_dim, FFN: network.mlp_dim}
    for name, size in sizes.items():
        LayerChoice(name, size, len(removed[name])).validate(removed[name])
    kept = {name: torch.tensor([i for i in range(size) if i not in set(removed[name])]) for name, size in sizes.items()}
    kept["rows"] = (torch.arange(3)[:, None] * sizes[RESIDUAL] + kept[RESIDUAL]).flatten()
    with torch.device("meta"):
        pruned = VisionTransformer(
            network.image_size,
            network.patch_size,
            len(network.encoder.layers),
            network.num_heads,
            len(kept[RESIDUAL]),
            len(kept[FFN]),
            network.num_classes,
        )
    state = {name: _slice(name, tensor, kept) for name, tensor in network.state_dict().items()}
    pruned.load_state_dict(state, assign=True)
    return pruned.train(network.training)


def _slice(name: str, tensor: Tensor, kept: Mapping[str, Tensor]) -> Tensor:
    owner = re.sub(r"[._](weight|bias)$", "", name)
    axes = next(axes for ending, axes in SLICES.items() if f".{owner}".endswith(f".{ending}"))
    for dim, axis in enumerate(axes[: tensor.ndim]):  # a bias has the first
        if axis is not None:
            tensor = tensor.index_select(dim, kept[axis].to(tensor.device))
    return tensor
