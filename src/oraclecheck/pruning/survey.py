"""A survey of a network: which of its layers can lose filters, which go together, and why the others cannot."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from torch import nn

from oraclecheck.networks.vit import SelfAttention
from oraclecheck.pruning.combination import LayerChoice
from oraclecheck.pruning.dependency import ties
from oraclecheck.pruning.flaw import UnprovenError
from oraclecheck.pruning.layers import filter_weights, prunable_layers
from oraclecheck.pruning.probe import affordable_images
from oraclecheck.pruning.proof import prove

FEW = 4
"""Layers that are tied: so many may be an expansion and what goes with it; more are a residual stream."""


@dataclass(frozen=True)
class SurveyedLayer:
    """A layer of a network.

    Attributes:
        name: Its name.
        type: Its class.
        filters: How many filters, hidden units or heads it has.
        standing: "prunable", "goes with" another layer, "tied to" others, or "refused".
        others: With "prunable", what loses outputs with it; else the layers it goes with or is tied to.
        why: The sentence of a refusal; else empty.
    """

    name: str
    type: str
    filters: int
    standing: str
    others: tuple[str, ...] = ()
    why: str = ""


def survey(
    dense: nn.Module, input_shape: Sequence[int], step: Callable[[], None] = lambda: None
) -> list[SurveyedLayer]:
    """Every layer with filters, in the network's order, judged by proofs with half of its filters gone.

    Args:
        dense: In float64 and eval mode, with weights that are all in use (`specimen.specimen`).
        input_shape: Shape of one image.
        step: Called whenever a layer is judged.
    """
    names = prunable_layers(dense)
    image = affordable_images(input_shape, dense, n=1)
    traced = ties(dense, [name for name in names if not _is_attention(dense, name)], image)
    tied = {name: others for name, others in traced.items() if isinstance(others, tuple)}
    found: dict[str, SurveyedLayer] = {}

    def note(name: str, standing: str, others: Sequence[str] = (), why: str = "") -> None:
        filters = len(filter_weights(dense, name))
        found[name] = SurveyedLayer(name, type(dense.get_submodule(name)).__name__, filters, standing, (*others,), why)
        step()

    for name in names:
        if not _removable(dense, name):
            note(name, "refused", why="it has one filter")
        elif isinstance(traced.get(name), ValueError):
            note(name, "refused", why=str(traced[name]))

    def accept(name: str) -> None:
        note(name, "prunable", tied.get(name, ()))
        for other in tied.get(name, ()):
            if other in names and other not in found:
                note(other, "goes with", [name])

    def reject(name: str, error: UnprovenError) -> None:
        others = tied.get(name) or error.coupled
        note(name, "tied to" if others else "refused", others, "" if others else str(error))

    candidates = _first_of_each_tie({name: tied.get(name, ()) for name in names if name not in found})
    while candidates:  # all at once is quick, and an error tells whose it is
        error = _refusal(dense, candidates, input_shape)
        if error is None:
            for name in candidates:
                accept(name)
            break
        if error.layer not in candidates:
            break
        candidates.remove(error.layer)
        reject(error.layer, error)
    for name in names:
        if name in found:
            continue
        error = _refusal(dense, [name], input_shape)
        if error is None:
            accept(name)
            continue
        reject(name, error)
        stream = [name, *tied.get(name, ())]
        for other in stream if len(stream) > FEW else []:
            if other in names and other not in found:
                note(other, "tied to", [each for each in stream if each != other])
    return [found[name] for name in names]


def _first_of_each_tie(tied: Mapping[str, tuple[str, ...]]) -> list[str]:
    """Layers that may lose filters independently: of those that are tied the first, unless they are too many."""
    first: list[str] = []
    spoken_for: set[str] = set()
    for name, others in tied.items():
        if name not in spoken_for and len(others) < FEW:
            first.append(name)
            spoken_for.update(others)
    return first


def _refusal(dense: nn.Module, names: Sequence[str], input_shape: Sequence[int]) -> UnprovenError | None:
    layers = [LayerChoice(name, n := len(filter_weights(dense, name)), n // 2) for name in names]
    try:
        prove(dense, layers, input_shape, sampled=1)
    except UnprovenError as error:
        return error
    return None


def _removable(dense: nn.Module, name: str) -> bool:
    return len(filter_weights(dense, name)) > 1


def _is_attention(dense: nn.Module, name: str) -> bool:
    return isinstance(dense.get_submodule(name), SelfAttention)
