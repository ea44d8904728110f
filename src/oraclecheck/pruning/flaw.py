"""Flaws: in what a pruned network differs from the dense network without the removed filters."""

import copy
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from oraclecheck.errors import tell
from oraclecheck.pruning.combination import Removed
from oraclecheck.pruning.layers import filter_weights
from oraclecheck.pruning.probe import TOLERANCE
from oraclecheck.pruning.reference import Observation
from oraclecheck.spelling import spell_names


@dataclass(frozen=True)
class Flaw:
    """Why a combination cannot be removed.

    Attributes:
        rule: What `pruning.ratio` must do; the sentence's beginning.
        problem: What is the case instead.
        coupled: Other layers that would lose outputs.
    """

    rule: str
    problem: str
    coupled: tuple[str, ...] = ()


def wrong_rows(dense: nn.Module, pruned: nn.Module, removed: Removed) -> Flaw | None:
    """(a): The rows of each layer's weights that are kept, of which only columns may be missing."""
    for name, filters in removed.items():
        before, after = filter_weights(dense, name).detach(), filter_weights(pruned, name).detach()
        kept = [i for i in range(len(before)) if i not in set(filters)]
        rule = "pruning.ratio must name layers of which exactly the chosen filters go"
        if len(after) != len(kept):
            gone = len(before) - len(after)
            return Flaw(rule, f"of {name}'s {len(before)} filters {len(filters)} were to go and {gone} would (a)")
        if not _is_selection(after, before[kept]):
            return Flaw(rule, f"{name} would keep others than the combination does (a)")
        biases = [getattr(network.get_submodule(name), "bias", None) for network in (dense, pruned)]
        if isinstance(biases[0], Tensor) and not torch.equal(biases[0][kept], biases[1]):  # type: ignore[arg-type]
            return Flaw(rule, f"{name} would keep other filters' biases (a)")
    return None


def _is_selection(some: Tensor, all_: Tensor) -> bool:
    """Whether the columns of one matrix are columns of the other, in its order."""
    columns = iter(column.numpy().tobytes() for column in all_.T.contiguous().cpu())
    return all(column.numpy().tobytes() in columns for column in some.T.contiguous().cpu())


def wrong_logits(pruned: nn.Module, seen: Observation, images: Tensor, removed: Removed) -> Flaw | None:
    """(c): The pruned network computes what the reference does."""
    count = f"{sum(map(len, removed.values()))} of {spell_names(removed)}"
    try:
        with torch.no_grad():
            logits = pruned.eval()(images)
    except Exception as error:
        return Flaw(
            "pruning.ratio must name layers that the network's forward lets lose filters",
            f"without {count} it raises {tell(error)} (c)",
        )
    rule = "pruning.ratio must name layers whose filters can be taken out exactly"
    if logits.shape != seen.logits.shape:
        return Flaw(rule, f"without {count} the logits have shape {list(logits.shape)} (c)")
    errors = (logits - seen.logits).abs().masked_fill(logits == seen.logits, 0)  # equal infinities
    # each class by itself: one that is masked by a huge number would hide the others
    difference = (errors.amax(0) / seen.logits.abs().amax(0).clamp(min=torch.finfo(logits.dtype).tiny)).max().item()
    if difference <= TOLERANCE:  # NaN is not
        return None
    return Flaw(
        rule,
        f"without {count} the pruned network's logits are not those of the dense network without these filters: they "
        f"differ by {difference:.1g} of a class's largest (c)",
    )


def wrong_parameters(dense: nn.Module, pruned: nn.Module, removed: Removed) -> Flaw | None:
    """(d): Parameters are trained or frozen, and shared, as before."""
    before = dict(dense.named_parameters(remove_duplicate=False))
    after = dict(pruned.named_parameters(remove_duplicate=False))
    for name, parameter in after.items():
        if parameter.requires_grad != before[name].requires_grad:
            return Flaw(
                "pruning.ratio must name layers whose removal leaves parameters trained or frozen as they are",
                f"without filters of {spell_names(removed)}, {name} is not (d)",
            )
    homes: dict[int, str] = {}
    for name, parameter in before.items():
        first = homes.setdefault(id(parameter), name)
        if after[first] is not after[name]:
            return Flaw(
                "pruning.ratio must not name layers whose removal parts shared weights",
                f"without filters of {spell_names(removed)}, {name} and {first} would be trained apart (d)",
            )
    return None


def wrong_training(dense: nn.Module, pruned: nn.Module, removed: Removed, images: Tensor) -> Flaw | None:
    """(d): In training mode, too, the pruned network runs, and the same parameters get gradients; it is changed."""
    images = images if len(images) > 1 else images.expand(2, *images.shape[1:])
    state = copy.deepcopy(dense.state_dict())
    try:
        expected = _trained(dense, images)
        found = _trained(pruned, images)
    except Exception as error:
        return Flaw(
            "pruning.ratio must name layers that the network's forward lets lose filters",
            f"without filters of {spell_names(removed)}, in training it raises {tell(error)} (d)",
        )
    finally:
        dense.eval().load_state_dict(state)
        dense.zero_grad(set_to_none=True)
    if found == expected:
        return None
    return Flaw(
        "model.network must be a network whose copy is trained by itself",
        f"without filters of {spell_names(removed)}, {min(found ^ expected)} would not be trained as in the dense "
        "network, as where a function or a hook of the network holds one of its modules (d)",
    )


def _trained(network: nn.Module, images: Tensor) -> set[str]:
    """Parameters that get a gradient from a training step's loss."""
    with torch.random.fork_rng(devices=[]), torch.enable_grad():
        torch.manual_seed(0)
        network.train()(images).square().sum().backward()
    return {name for name, parameter in network.named_parameters() if parameter.grad is not None}
