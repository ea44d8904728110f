"""Flaws: in what a pruned network differs from the dense network without the removed filters."""

import copy

import torch
from torch import Tensor, nn

from oraclecheck.errors import tell
from oraclecheck.pruning.combination import Removed
from oraclecheck.pruning.layers import filter_weights
from oraclecheck.pruning.probe import TOLERANCE
from oraclecheck.pruning.reference import Observation
from oraclecheck.spelling import spell_names

LETS_LOSE = "pruning.ratio must name layers that the network's forward lets lose filters"


class UnprovenError(ValueError):
    """Removing filters cannot be shown to be exact.

    Attributes:
        coupled: Other layers that would lose outputs.
        layer: The layer that is wrong by itself; None if several are wrong only together.
    """

    def __init__(self, sentence: str, coupled: tuple[str, ...] = (), layer: str | None = None) -> None:
        super().__init__(sentence)
        self.coupled, self.layer = coupled, layer


def check_rows(dense: nn.Module, pruned: nn.Module, removed: Removed) -> None:
    """(a): The rows of each layer's weights that are kept, of which only columns may be missing."""
    for name, filters in removed.items():
        before, after = filter_weights(dense, name).detach(), filter_weights(pruned, name).detach()
        kept = [i for i in range(len(before)) if i not in set(filters)]
        biases = [getattr(network.get_submodule(name), "bias", None) for network in (dense, pruned)]
        if len(after) != len(kept):
            gone = len(before) - len(after)
            problem = f"of {name}'s {len(before)} filters {len(filters)} were to go and {gone} would"
        elif not _is_selection(after, before[kept]):
            problem = f"{name} would keep others than the combination does"
        elif isinstance(biases[0], Tensor) and not torch.equal(biases[0][kept], biases[1]):  # type: ignore[arg-type]
            problem = f"{name} would keep other filters' biases"
        else:
            continue
        raise UnprovenError(f"pruning.ratio must name layers of which exactly the chosen filters go; {problem} (a)")


def _is_selection(some: Tensor, all_: Tensor) -> bool:
    """Whether the columns of one matrix are columns of the other, in its order."""
    columns = iter(column.numpy().tobytes() for column in all_.T.contiguous().cpu())
    return all(column.numpy().tobytes() in columns for column in some.T.contiguous().cpu())


def wrong_logits(pruned: nn.Module, seen: Observation, images: Tensor, removed: Removed) -> str | None:
    """(c): The sentence that says how the pruned network computes something else than the reference, if it does."""
    without = f"without {sum(map(len, removed.values()))} of {spell_names(removed)}"
    try:
        with torch.no_grad():
            logits = pruned.eval()(images)
    except Exception as error:
        return f"{LETS_LOSE}; {without} it raises {tell(error)} (c)"
    rule = "pruning.ratio must name layers whose filters can be taken out exactly"
    if logits.shape != seen.logits.shape:
        return f"{rule}; {without} the logits have shape {list(logits.shape)} (c)"
    errors = (logits - seen.logits).abs().masked_fill(logits == seen.logits, 0)  # equal infinities
    # each class by itself: one that is masked by a huge number would hide the others
    difference = (errors.amax(0) / seen.logits.abs().amax(0).clamp(min=torch.finfo(logits.dtype).tiny)).max().item()
    if difference <= TOLERANCE:  # NaN is not
        return None
    return (
        f"{rule}; {without} the pruned network's logits are not those of the dense network without these filters: they "
        f"differ by {difference:.1g} of a class's largest (c)"
    )


def check_parameters(dense: nn.Module, pruned: nn.Module, removed: Removed) -> None:
    """(d): Parameters are trained or frozen, and shared, as before."""
    before = dict(dense.named_parameters(remove_duplicate=False))
    after = dict(pruned.named_parameters(remove_duplicate=False))
    without = f"without filters of {spell_names(removed)}"
    homes: dict[int, str] = {}
    for name, parameter in before.items():
        if parameter.requires_grad != after[name].requires_grad:
            raise UnprovenError(
                "pruning.ratio must name layers whose removal leaves parameters trained or frozen as they are; "
                f"{without}, {name} is not (d)"
            )
        first = homes.setdefault(id(parameter), name)
        if after[first] is not after[name]:
            raise UnprovenError(
                "pruning.ratio must not name layers whose removal parts shared weights; "
                f"{without}, {name} and {first} would be trained apart (d)"
            )


def check_training(dense: nn.Module, pruned: nn.Module, removed: Removed, images: Tensor) -> None:
    """(d): In training mode, too, the pruned network runs, and the same parameters get gradients; it is changed."""
    images = images if len(images) > 1 else images.expand(2, *images.shape[1:])
    without = f"without filters of {spell_names(removed)}"
    state = copy.deepcopy(dense.state_dict())
    try:
        expected, found = _trained(dense, images), _trained(pruned, images)
    except Exception as error:
        raise UnprovenError(f"{LETS_LOSE}; {without}, in training it raises {tell(error)} (d)") from error
    finally:
        dense.eval().load_state_dict(state)
        dense.zero_grad(set_to_none=True)
    if found != expected:
        raise UnprovenError(
            f"model.network must be a network whose copy is trained by itself; {without}, {min(found ^ expected)} "
            "would not be trained as in the dense network, as where a function or a hook of the network holds one of "
            "its modules (d)"
        )


def _trained(network: nn.Module, images: Tensor) -> set[str]:
    """Parameters that get a gradient from a training step's loss."""
    with torch.random.fork_rng(devices=[]), torch.enable_grad():
        torch.manual_seed(0)
        network.train()(images).square().sum().backward()
    return {name for name, parameter in network.named_parameters() if parameter.grad is not None}
