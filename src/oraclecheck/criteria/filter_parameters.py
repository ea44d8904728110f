"""The parameters of each filter whose zeroing removes it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from oraclecheck.criteria.neighbours import BATCH_NORMALISATIONS, modules_behind
from oraclecheck.data.images import LabelledImages
from oraclecheck.networks.attention import SelfAttention
from oraclecheck.pruning.layers import filter_weights


@dataclass(frozen=True)
class FilterParameters:
    """The parameters of a layer's filters.

    Attributes:
        first: Name of a parameter -> its first row that belongs to the filters; the rows from there on are dealt to
            them in order, equally many each.
        filters: How many filters there are.
    """

    first: dict[str, int]
    filters: int

    def sum(self, values: Mapping[str, Tensor]) -> Tensor:
        """Sums over each filter's parameters, shape (n, filters), of values of shape (n, *shape of the parameter)."""
        parts = [values[name][:, row:].flatten(1) for name, row in self.first.items()]
        return sum(part.view(len(part), self.filters, -1).sum(2) for part in parts)  # type: ignore[return-value]


def filter_parameters(network: nn.Module, data: LabelledImages, layers: Sequence[str]) -> dict[str, FilterParameters]:
    """Layer -> the parameters whose zeroing silences its filters, as pruning them does.

    Those are a filter's weights and bias; behind a BatchNorm, which would still emit a constant, its scale and shift
    there instead (Molchanov et al., CVPR 2019, put their gates there too). Counting the weights as well would count
    the filter twice: what scales its weights scales its output as the BatchNorm's scale does. Of a head they are the
    rows of its values.

    Args:
        network: The dense network, in eval mode, on the device of the data.
        data: A single image of them shows what stands behind a layer.
        layers: Names of its layers.
    """
    behind = modules_behind(network, layers, BATCH_NORMALISATIONS, next(data.batches(1))[0])
    found = {}
    for name in layers:
        layer = network.get_submodule(name)
        filters = len(filter_weights(network, name))
        if isinstance(layer, SelfAttention):
            values = 2 * layer.heads * layer.head_width  # behind the rows of queries and keys
            found[name] = FilterParameters({f"{name}.in_proj_weight": values, f"{name}.in_proj_bias": values}, filters)
            continue
        owner = name
        if name in behind and network.get_submodule(behind[name]).weight is not None:
            owner = behind[name]
        own = {f"{owner}.{each}": 0 for each, _ in network.get_submodule(owner).named_parameters(recurse=False)}
        found[name] = FilterParameters(own, filters)
    return found


def chosen_parameters(network: nn.Module, found: Mapping[str, FilterParameters]) -> dict[str, Tensor]:
    """The parameters that belong to filters, by name, detached."""
    names = {name for layer in found.values() for name in layer.first}
    return {name: each.detach() for name, each in network.named_parameters(remove_duplicate=False) if name in names}
