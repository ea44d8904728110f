"""A survey of a network: which of its layers can lose filters, which go together, and why the others cannot."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import nn

from oraclecheck.networks.vit import SelfAttention
from oraclecheck.pruning.combination import LayerChoice
from oraclecheck.pruning.layers import filter_weights, prunable_layers
from oraclecheck.pruning.proof import UnprovenError, affordable_images, prove
from oraclecheck.pruning.structured import ties

FEW = 4
"""Layers that are tied: so many are tried one by one; more are a residual stream, of which one tells for all."""


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
        dense: In float64 and eval mode, with weights that are all in use (`proof.specimen`).
        input_shape: Shape of one image.
        step: Called whenever a layer is judged.
    """
    names = prunable_layers(dense)
    image = affordable_images(input_shape, dense, n=1)
    tied = ties(dense, [name for name in names if not _is_attention(dense, name)], image)
    found: dict[str, SurveyedLayer] = {}

    def note(name: str, standing: str, others: Sequence[str] = (), why: str = "") -> None:
        filters = len(filter_weights(dense, name))
        found[name] = SurveyedLayer(name, type(dense.get_submodule(name)).__name__, filters, standing, (*others,), why)
        step()

    for name in names:
        if not _removable(dense, name):
            note(name, "refused", why="it has one filter")
    alone = [name for name in names if name not in found and not tied.get(name)]
    while alone:  # all at once is quick, and an error tells whose it is
        error = _refusal(dense, alone, input_shape)
        if error is None:
            for name in alone:
                note(name, "prunable")
            break
        if error.layer not in alone:
            break
        alone.remove(error.layer)
        note(error.layer, "refused", why=str(error))
    for name in names:
        if name in found:
            continue
        others = tied.get(name, ())
        error = _refusal(dense, [name], input_shape)
        if error is None:
            note(name, "prunable", others)
            for other in [other for other in others if other in names and other not in found]:
                note(other, "goes with", [name])
        elif others or error.coupled:
            note(name, "tied to", others or error.coupled)
            stream = [name, *others] if len(others) > FEW else []
            for other in [other for other in stream if other in names and other not in found]:
                note(other, "tied to", [each for each in stream if each != other])
        else:
            note(name, "refused", why=str(error))
    return [found[name] for name in names]


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
