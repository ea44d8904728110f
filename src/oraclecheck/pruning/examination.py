"""The examination of one combination: what is wrong with removing it, and what goes with it."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from oraclecheck.errors import tell
from oraclecheck.pruning.combination import Removed
from oraclecheck.pruning.flaw import UnprovenError, check_parameters, check_rows, wrong_logits
from oraclecheck.pruning.layers import outputs_of
from oraclecheck.pruning.probe import IMAGES, random_images
from oraclecheck.pruning.reference import COPIES, Observation, differ, observe
from oraclecheck.pruning.structured import prune
from oraclecheck.spelling import spell_names

MORE_IMAGES = 16
"""Where a filter is closed, or an activation full, a perturbation may not show; among so many it does."""


def examine(dense: nn.Module, removed: Removed, images: Tensor, example: Tensor) -> tuple[str, ...]:
    """The other layers that lose outputs where some filters are removed.

    Raises:
        ValueError: If they cannot be removed exactly.
    """
    pruned = prune(dense, removed, example)
    coupled = lost_outputs(dense, pruned, *removed)
    seen = _observe(dense, removed, images)
    if coupled or wrong_logits(pruned, seen, images, removed):
        images = random_images(images.shape[1:], dense, n=MORE_IMAGES if len(images) > 1 else IMAGES)
        seen = _observe(dense, removed, images)
    _check_meeting(dense, removed, images, pruned, seen, coupled)
    check_rows(dense, pruned, removed)
    if wrong := wrong_logits(pruned, seen, images, removed):
        raise UnprovenError(wrong)
    check_parameters(dense, pruned, removed)
    return coupled


def lost_outputs(dense: nn.Module, pruned: nn.Module, *layers: str) -> tuple[str, ...]:
    """(b): The modules besides these that have fewer outputs than in the dense network."""
    after = dict(pruned.named_modules())
    return tuple(
        name
        for name, module in dense.named_modules()
        if not {name, name.rpartition(".")[0]} & set(layers) and outputs_of(after[name]) != outputs_of(module)
    )


def _observe(dense: nn.Module, removed: Removed, images: Tensor, noisy: Sequence[str] = ()) -> Observation:
    try:
        return observe(dense, removed, images, noisy)
    except Exception as error:
        raise UnprovenError(
            "model.network must be one that can be watched while it runs; without filters of "
            f"{spell_names(removed)} a batch of {COPIES * len(images)} images raises {tell(error)}"
        ) from error


def _check_meeting(
    dense: nn.Module,
    removed: Removed,
    images: Tensor,
    pruned: nn.Module,
    seen: Observation,
    coupled: tuple[str, ...],
) -> None:
    """(b), and whatever makes a reference impossible: removed filters that meet what stays."""
    names = spell_names(removed)
    if not removed.keys() <= seen.called:
        raise UnprovenError(
            f"pruning.ratio must name layers that the network's forward calls as modules; it does not call {names}"
        )
    if seen.unwatched is not None:
        raise UnprovenError(
            "pruning.ratio must name layers whose outputs have the batch as their first dimension; "
            f"{seen.unwatched}'s has not"
        )
    if seen.reaches_output:
        if _is_shorter(pruned, images, seen.logits):
            raise UnprovenError(f"pruning.ratio must not name the layer whose outputs are the classes; got {names}")
        raise UnprovenError(
            "pruning.ratio must name layers whose outputs go to convolutions, linear layers or attention; those of "
            f"{names} go to the end of the network without being seen by one, as where a matrix product applies "
            "weights (c)"
        )
    conflict = seen.conflict is not None
    gates = [name for name in coupled if name not in seen.passed]
    if coupled and (conflict or (gates and not _same_stillness(seen, _observe(dense, removed, images, gates)))):
        raise UnprovenError(
            f"pruning.ratio must name layers that can lose filters alone; those of {names} are coupled with those of "
            f"{spell_names(coupled)} (b)",
            coupled,
        )
    if conflict:
        raise UnprovenError(
            "pruning.ratio must name layers whose filters stay apart until weights mix them; in "
            f"{seen.conflict or 'the network'} an element holds both a filter of {names} that goes and something that "
            "stays (c)"
        )


def _is_shorter(pruned: nn.Module, images: Tensor, logits: Tensor) -> bool:
    try:
        with torch.no_grad():
            return pruned.eval()(images).shape != logits.shape
    except Exception:
        return False


def _same_stillness(one: Observation, other: Observation) -> bool:
    """Whether removed filters, while silent, silence what others give to their elements: gates, not summands."""
    return len(one.stillness) == len(other.stillness) and not any(
        bool((here != there).any()) or bool(differ(still, noisy).any())
        for (here, still), (there, noisy) in zip(one.stillness, other.stillness, strict=True)
    )
