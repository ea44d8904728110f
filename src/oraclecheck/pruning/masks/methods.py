"""The methods that choose weights (Feng et al., arXiv 2412.00143, Sec. 3.3.5 and Appendices C and D).

Each gives every layer a number of weights to lose, and in each the least magnitudes go: `uniform` (UMP) the same share,
`global` (GMP) what the least magnitudes of all layers together come to, `outlier` (ONP) and `components` (PNP) a
smaller share to blocks with more outliers or more principal components. `random` is blind to the weights. All are pure
functions of weights, and all remove `total_removed` of them.
"""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from oraclecheck.pruning.masks.allotment import by_difference, evenly, total_removed
from oraclecheck.pruning.masks.options import GLOBAL, OUTLIER, RANDOM, UNIFORM, BlockOptions
from oraclecheck.pruning.masks.selection import least
from oraclecheck.seeds import derive_seed


def removed_weights(
    weights: Mapping[str, Tensor],
    method: str,
    ratio: float,
    options: BlockOptions | None = None,
    *,
    noise: float = 0.0,
    seed: int | None = None,
) -> dict[str, Tensor]:
    """The weights that a method removes.

    Args:
        weights: Layer -> its weights, of any shape, all of one floating-point type, on the CPU.
        method: One of `METHODS`.
        ratio: Share of all weights that goes, in (0, 1).
        options: Of the methods `outlier` and `components`.
        noise: Standard deviation of the logarithm of what magnitudes are multiplied by before they are compared, in
            [0, `MOST_NOISE`]: 0 is the method itself, and the more, the more it is chance which weights of a layer go.
            How many of it, `outlier` and `components` decide without noise.
        seed: Decides the noise, and what `random` removes.

    Returns:
        Layer -> mask, True where the weight goes; `ceil(ratio * weights)` in all.
    """
    options = options or BlockOptions()
    sizes = {name: weight.numel() for name, weight in weights.items()}
    if method == RANDOM:
        return least({name: _uniform(weight, seed, name) for name, weight in weights.items()}, _total(sizes, ratio))
    magnitudes = {name: _magnitudes(weight, noise, seed, name) for name, weight in weights.items()}
    if method == GLOBAL:
        return least(magnitudes, _total(sizes, ratio))
    if method == UNIFORM:
        counts = evenly(sizes, ratio)
    else:
        blocks = {name: options.block(name) for name in weights}
        measure = outlier_shares if method == OUTLIER else component_shares
        counts = by_difference(sizes, blocks, measure(weights, blocks, options), ratio, options.spread)
    return {name: least({name: magnitudes[name]}, counts[name])[name] for name in weights}


def outlier_shares(weights: Mapping[str, Tensor], blocks: Mapping[str, str], options: BlockOptions) -> dict[str, float]:
    """Block -> share of its weights that are outliers."""
    shares = {}
    for name, weight in weights.items():
        magnitudes = weight.abs().double()
        shares[name] = (magnitudes > options.outlier * magnitudes.mean()).double().mean().item()
    return _mean(shares, weights, blocks)


def component_shares(
    weights: Mapping[str, Tensor], blocks: Mapping[str, str], options: BlockOptions
) -> dict[str, float]:
    """Block -> share of principal components that it takes to explain `variance`, mean over layers by their weights.

    A layer's components are those of its filters, the rows of its weights, around their mean; there are as many as it
    has filters or as a filter has weights, whichever is less. Where all filters are alike it takes none.
    """
    shares = {}
    for name, weight in weights.items():
        rows = weight.flatten(1).double()
        centred = rows - rows.mean(0)
        gram = centred @ centred.T if len(rows) <= rows.shape[1] else centred.T @ centred
        variances = torch.linalg.eigvalsh(gram).flip(0).clamp(min=0)
        explained, whole = variances.cumsum(0), variances.sum()
        taken = int((explained < options.variance * whole * (1 - 1e-12)).sum()) + 1 if whole > 0 else 0
        shares[name] = taken / len(variances)
    return _mean(shares, weights, blocks)


def _mean(shares: Mapping[str, float], weights: Mapping[str, Tensor], blocks: Mapping[str, str]) -> dict[str, float]:
    """Means over the layers of each block, weighted by their sizes."""
    sums: dict[str, list[float]] = {}
    for name, share in shares.items():
        sum_of = sums.setdefault(blocks[name], [0.0, 0.0])
        sum_of[0] += weights[name].numel() * share
        sum_of[1] += weights[name].numel()
    return {block: share / size for block, (share, size) in sums.items()}


def _total(sizes: Mapping[str, int], ratio: float) -> int:
    return total_removed(sum(sizes.values()), ratio)


def _magnitudes(weight: Tensor, noise: float, seed: int | None, name: str) -> Tensor:
    """Magnitudes, times log-normal noise: in float64, so that hardly anything depends on a machine's `exp`."""
    magnitudes = weight.detach().abs()
    if not noise:
        return magnitudes
    factors = np.exp(noise * _generator(seed, name).standard_normal(weight.numel()))
    noisy = magnitudes.double() * torch.from_numpy(factors).view(weight.shape)
    return noisy.to(torch.promote_types(weight.dtype, torch.float32))


def _uniform(weight: Tensor, seed: int | None, name: str) -> Tensor:
    return torch.from_numpy(_generator(seed, name).random(weight.numel())).view(weight.shape)


def _generator(seed: int | None, name: str) -> np.random.Generator:
    """Draws for one layer; NumPy's do not depend on threads or on how a processor adds."""
    assert seed is not None
    return np.random.Generator(np.random.PCG64(derive_seed(seed, name)))
