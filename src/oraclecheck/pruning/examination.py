"""The examination of one combination: what is wrong with removing it, and what goes with it."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from oraclecheck.errors import tell
from oraclecheck.pruning.combination import Removed
from oraclecheck.pruning.flaw import Flaw, wrong_logits, wrong_parameters, wrong_rows
from oraclecheck.pruning.layers import outputs_of
from oraclecheck.pruning.probe import IMAGES, random_images
from oraclecheck.pruning.reference import COPIES, Observation, differ, observe
from oraclecheck.pruning.structured import prune
from oraclecheck.spelling import spell_names

MORE_IMAGES = 16
"""Where a filter is closed, or an activation full, a perturbation may not show; among so many it does."""


def examine(dense: nn.Module, removed: Removed, images: Tensor, example: Tensor) -> Flaw | tuple[str, ...]:
    """What is wrong with removing some filters; if nothing is, the other layers that lose outputs."""
    names = spell_names(removed)
    try:
        return _examined(dense, removed, images, prune(dense, removed, example))
    except Unobservable as error:
        return Flaw(
            "model.network must be one that can be watched while it runs", f"without filters of {names} {error}"
        )
    except ValueError as error:
        rule, _, problem = str(error).partition("; ")
        return Flaw(rule, problem)


def lost_outputs(dense: nn.Module, pruned: nn.Module, *layers: str) -> tuple[str, ...]:
    """(b): The modules besides these that have fewer outputs than in the dense network."""
    after = dict(pruned.named_modules())
    return tuple(
        name
        for name, module in dense.named_modules()
        if name not in layers
        and _parent(name) not in layers
        and (outputs := outputs_of(module)) is not None
        and outputs_of(after[name]) != outputs
    )


def _parent(name: str) -> str:
    return name.rpartition(".")[0]


class Unobservable(Exception):
    """The dense network cannot be run as `observe` does."""


def _observe(dense: nn.Module, removed: Removed, images: Tensor, noisy: Sequence[str] = ()) -> Observation:
    try:
        return observe(dense, removed, images, noisy)
    except Exception as error:
        raise Unobservable(f"a batch of {COPIES * len(images)} images raises {tell(error)}") from error


def _examined(dense: nn.Module, removed: Removed, images: Tensor, pruned: nn.Module) -> Flaw | tuple[str, ...]:
    coupled = lost_outputs(dense, pruned, *removed)
    seen = _observe(dense, removed, images)
    if coupled or wrong_logits(pruned, seen, images, removed) is not None:
        # where a filter is closed, or an activation full, a perturbation may not show; among more images it does
        images = random_images(images.shape[1:], dense, n=MORE_IMAGES if len(images) > 1 else IMAGES)
        seen = _observe(dense, removed, images)
    return (
        _wrong_meeting(dense, removed, images, pruned, seen, coupled)
        or wrong_rows(dense, pruned, removed)
        or wrong_logits(pruned, seen, images, removed)
        or wrong_parameters(dense, pruned, removed)
        or coupled
    )


def _wrong_meeting(
    dense: nn.Module,
    removed: Removed,
    images: Tensor,
    pruned: nn.Module,
    seen: Observation,
    coupled: tuple[str, ...],
) -> Flaw | None:
    """(b), and whatever makes a reference impossible: removed filters that meet what stays."""
    names = spell_names(removed)
    if seen.silent:
        return Flaw(
            "pruning.ratio must name layers that the network's forward calls as modules", f"it does not call {names}"
        )
    if seen.unwatched is not None:
        return Flaw(
            "pruning.ratio must name layers whose outputs have the batch as their first dimension",
            f"{seen.unwatched}'s has not",
        )
    if seen.reaches_output:
        return _wrong_end(pruned, seen, images, names)
    gates = [name for name in coupled if name not in seen.passed]
    if seen.conflict is None and gates:
        noisy = _observe(dense, removed, images, gates)
        if not _same_stillness(seen, noisy):
            return _tied(names, coupled)
    if seen.conflict is None:
        return None
    if coupled:
        return _tied(names, coupled)
    return Flaw(
        "pruning.ratio must name layers whose filters stay apart until weights mix them",
        f"in {seen.conflict or 'the network'} an element holds both a filter of {names} that goes and something that "
        "stays (c)",
    )


def _tied(names: str, coupled: tuple[str, ...]) -> Flaw:
    return Flaw(
        "pruning.ratio must name layers that can lose filters alone",
        f"those of {names} are coupled with those of {spell_names(coupled)} (b)",
        coupled,
    )


def _same_stillness(one: Observation, other: Observation) -> bool:
    """Whether removed filters, while silent, silence what others give to their elements: gates, not summands."""
    return len(one.stillness) == len(other.stillness) and not any(
        bool((here != there).any()) or bool(differ(still, noisy).any())
        for (here, still), (there, noisy) in zip(one.stillness, other.stillness, strict=True)
    )


def _wrong_end(pruned: nn.Module, seen: Observation, images: Tensor, names: str) -> Flaw:
    """Removed filters that no weights have mixed until the end."""
    try:
        with torch.no_grad():
            shorter = pruned.eval()(images).shape != seen.logits.shape
    except Exception:
        shorter = False
    if shorter:
        return Flaw("pruning.ratio must not name the layer whose outputs are the classes", f"got {names}")
    return Flaw(
        "pruning.ratio must name layers whose outputs go to convolutions, linear layers or attention",
        f"those of {names} go to the end of the network without being seen by one, as where a matrix product applies "
        "weights (c)",
    )
