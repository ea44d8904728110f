"""Pruning a vision transformer's width, as the paper's released code does instead of removing heads.

The residual stream loses channels: one index set for the patch embedding, every LayerNorm, every projection that reads
or writes the stream, and also for the rows of queries, keys and values. The number of heads stays, so that every head
becomes narrower; the rows that are kept, in ascending order, are dealt out to the heads anew. A second index set is
for the hidden units of all FFNs. A combination space is therefore C(768, 384) * C(3072, 1536) for ViT-B/16 at 0.5.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from oraclecheck.networks.vit import VisionTransformer
from oraclecheck.pruning.combination import LayerChoice, Removed, removed_count
from oraclecheck.pruning.layers import is_number
from oraclecheck.pruning.space import CombinationSpace

RESIDUAL, FFN = "residual", "ffn"
"""The two index sets, which stand where other studies have layers."""

SLICES: dict[str, tuple[str | None, ...]] = {
    "class_token": (None, None, RESIDUAL),
    "pos_embedding": (None, None, RESIDUAL),
    "conv_proj.weight": (RESIDUAL,),
    "conv_proj.bias": (RESIDUAL,),
    "ln.weight": (RESIDUAL,),
    "ln.bias": (RESIDUAL,),
    "ln_1.weight": (RESIDUAL,),
    "ln_1.bias": (RESIDUAL,),
    "ln_2.weight": (RESIDUAL,),
    "ln_2.bias": (RESIDUAL,),
    "in_proj_weight": ("rows", RESIDUAL),
    "in_proj_bias": ("rows",),
    "out_proj.weight": (RESIDUAL, RESIDUAL),
    "out_proj.bias": (RESIDUAL,),
    "mlp.0.weight": (FFN, RESIDUAL),
    "mlp.0.bias": (FFN,),
    "mlp.3.weight": (RESIDUAL, FFN),
    "mlp.3.bias": (RESIDUAL,),
    "head.weight": (None, RESIDUAL),
    "head.bias": (None,),
}
"""Ending of a parameter's name -> the index set that slices each of its dimensions."""


def width_choices(network: nn.Module, ratio: object) -> tuple[dict[str, float], tuple[LayerChoice, ...]]:
    """Ratios of the two index sets, and how many of how many indices each loses.

    Args:
        network: The dense network; a meta-device one will do.
        ratio: `pruning.ratio`: one fraction in (0, 1) for both, or a mapping with both.

    Raises:
        ValueError: If the network is no vision transformer, a ratio is none, or the heads would not share the
            remaining width evenly.
    """
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
        value = ratios[name]
        if not is_number(value) or not 0 < value < 1:
            raise ValueError(f"pruning.ratio of {name} must lie strictly between 0 and 1; got {value!r}")
        choices.append(LayerChoice(name, size, removed_count(size, value)))
    left, heads = choices[0].filters - choices[0].removed, network.num_heads
    if left % heads:
        raise ValueError(
            f"pruning.ratio of {RESIDUAL} must leave a multiple of the {heads} heads; {ratios[RESIDUAL]} leaves {left}"
        )
    return {name: float(ratios[name]) for name in (RESIDUAL, FFN)}, tuple(choices)


def prune_width(network: nn.Module, removed: Removed) -> VisionTransformer:
    """A narrower copy of a vision transformer.

    Args:
        network: The dense network; it is not changed.
        removed: The removed indices of both sets.

    Raises:
        ValueError: If an index is duplicated, negative or out of range.
    """
    assert isinstance(network, VisionTransformer)
    sizes = {RESIDUAL: network.hidden_dim, FFN: network.mlp_dim}
    CombinationSpace(tuple(LayerChoice(name, size, len(removed[name])) for name, size in sizes.items())).validate(
        removed
    )
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
    axes = next(axes for ending, axes in SLICES.items() if name == ending or name.endswith(f".{ending}"))
    for dim, axis in enumerate(axes):
        if axis is not None:
            tensor = tensor.index_select(dim, kept[axis].to(tensor.device))
    return tensor
