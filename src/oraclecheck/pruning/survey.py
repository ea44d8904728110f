"""A survey of a network: which of its layers can lose filters, which go together, and why the others cannot."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from torch import nn

from oraclecheck.networks.attention import SelfAttention
from oraclecheck.pruning.combination import LayerChoice
from oraclecheck.pruning.dependency import ties
from oraclecheck.pruning.flaw import UnprovenError
from oraclecheck.pruning.layers import filter_weights, prunable_layers
from oraclecheck.pruning.probe import affordable_images
from oraclecheck.pruning.proof import prove
from oraclecheck.spelling import spell_names

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

    @property
    def verdict(self) -> str:
        """What becomes of it, for a reader."""
        if self.standing == "refused":
            return f"refused: {self.why}"
        if not self.others:
            return self.standing
        return f"{self.standing}{', with' if self.standing == 'prunable' else ''} {spell_names(self.others)}"


def survey(
    dense: nn.Module, input_shape: Sequence[int], step: Callable[[], None] = lambda: None
) -> list[SurveyedLayer]:
    """Every layer with filters, in the network's order, judged by proofs with half of its filters gone.

    Args:
        dense: In float64 and eval mode, with weights that are all in use (`specimen.specimen`).
        input_shape: Shape of one image.
        step: Called whenever a layer is judged.
    """
    filters = {name: len(filter_weights(dense, name)) for name in prunable_layers(dense)}
    traceable = [name for name in filters if not isinstance(dense.get_submodule(name), SelfAttention)]
    traced = ties(dense, traceable, affordable_images(input_shape, dense, n=1))
    tied = {name: others for name, others in traced.items() if isinstance(others, tuple)}
    found: dict[str, SurveyedLayer] = {}

    def note(name: str, standing: str, others: Sequence[str] = (), why: str = "") -> None:
        if name in filters and name not in found:
            kind = type(dense.get_submodule(name)).__name__
            found[name] = SurveyedLayer(name, kind, filters[name], standing, (*others,), why)
            step()

    def judge(names: Sequence[str]) -> UnprovenError | None:
        """Note what a proof for some layers together says of them, or of the one that is to blame."""
        layers = [LayerChoice(name, filters[name], filters[name] // 2) for name in names]
        try:
            prove(dense, layers, input_shape, sampled=1)
        except UnprovenError as error:
            if (blamed := error.layer) is not None:
                others = tied.get(blamed) or error.coupled
                note(blamed, "tied to" if others else "refused", others, "" if others else str(error))
            return error
        for name in names:
            note(name, "prunable", tied.get(name, ()))
        for name in names:
            for other in tied.get(name, ()):
                note(other, "goes with", [name])
        return None

    for name in filters:
        if filters[name] == 1:
            note(name, "refused", why="it has one filter")
        elif isinstance(traced.get(name), ValueError):
            note(name, "refused", why=str(traced[name]))
    candidates = _first_of_each_tie({name: tied.get(name, ()) for name in filters if name not in found})
    while candidates and (error := judge(candidates)):  # all at once is quick, and an error tells whose it is
        if error.layer is None:
            break
        candidates.remove(error.layer)
    for name in filters:
        stream = [name, *tied.get(name, ())]
        if name not in found and judge([name]) and len(stream) > FEW:
            for other in stream:
                note(other, "tied to", [each for each in stream if each != other])
    return [found[name] for name in filters]


def _first_of_each_tie(tied: Mapping[str, tuple[str, ...]]) -> list[str]:
    """Layers that may lose filters independently: of those that are tied the first, unless they are too many."""
    first: list[str] = []
    spoken_for: set[str] = set()
    for name, others in tied.items():
        if name not in spoken_for and len(others) < FEW:
            first.append(name)
            spoken_for.update(others)
    return first
