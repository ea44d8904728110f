"""Kendall's tau-b in thousands of resamples at once: the bootstrap over combinations.

A resample is a vector of counts w. With A_ij = sign(x_i - x_j) sign(y_i - y_j), concordant minus discordant pairs are
w'Aw / 2: one matrix product serves all resamples. Copies of one combination are tied in x and in y, so they form no
pair in tau-b, neither in the numerator nor in the denominator.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

DRAWS = 10_000
"""Resamples unless something else is asked for: the ends of a 95 % interval then move by about 1 % of its width."""

# Resamples at a time: 8 MiB of temporaries for 1,000 combinations, which stay in the cache.
_BLOCK_DRAWS = 1000

# Columns of A that are held at a time, 64 MiB for 4,096 combinations; larger studies make them anew for each block.
_BLOCK_COLUMNS = 4096


def kendall_draws(
    pairs: Sequence[tuple[NDArray[np.float64], NDArray[np.float64]]], draws: int, seed: int
) -> NDArray[np.float64]:
    """tau-b of each pair of columns in resamples of the combinations, the same resamples for all pairs.

    Args:
        pairs: Two values of each combination, shape (n,) each, the same n for all; combinations with a NaN in either
            take no part in that pair. Infinite values rank last or first.
        draws: Resamples.
        seed: Seed of the resamples.

    Returns:
        Shape (draws, len(pairs)); NaN in resamples in which all values of a column are equal.
    """
    prepared = [_Pair(x, y) for x, y in pairs]
    blocks = (_counts(picks) for picks in resamples(len(pairs[0][0]), draws, seed))
    return np.concatenate([np.stack([pair.tau(counts) for pair in prepared], axis=1) for counts in blocks])


def resamples(n: int, draws: int, seed: int) -> Iterator[NDArray[np.int64]]:
    """Blocks of resamples of n combinations: their indices, shape (draws of the block, n)."""
    generator = np.random.default_rng(seed)
    for start in range(0, draws, _BLOCK_DRAWS):
        yield generator.integers(n, size=(min(_BLOCK_DRAWS, draws - start), n))


class _Pair:
    """What tau-b of one pair of columns needs of every resample."""

    def __init__(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> None:
        self.rows = np.flatnonzero(~np.isnan(x) & ~np.isnan(y))
        self.ranks = [rankdata(values[self.rows], method="dense").astype(np.float32) for values in (x, y)]
        self.ties = [_Ties(rank) for rank in self.ranks]
        self.whole = self._signs(slice(None)) if len(self.rows) <= _BLOCK_COLUMNS else None

    def _signs(self, columns: slice) -> NDArray[np.float32]:
        first, second = (np.sign(rank[:, None] - rank[columns]) for rank in self.ranks)
        return first * second

    def tau(self, counts: NDArray[np.float32]) -> NDArray[np.float64]:
        counts = counts if len(self.rows) == counts.shape[1] else np.ascontiguousarray(counts[:, self.rows])
        surplus = np.zeros(len(counts))
        for start in range(0, len(self.rows), _BLOCK_COLUMNS):
            columns = slice(start, start + _BLOCK_COLUMNS)
            # Sums of counts and signs are integers below 2^24, so single precision is exact.
            sums = counts @ (self._signs(columns) if self.whole is None else self.whole)
            surplus += np.einsum("bi,bi->b", sums, counts[:, columns], dtype=np.float64) / 2
        all_pairs = counts.sum(axis=1, dtype=np.float64) ** 2
        untied = [(all_pairs - ties.squares(counts)) / 2 for ties in self.ties]
        with np.errstate(invalid="ignore"):
            return surplus / np.sqrt(untied[0] * untied[1])


class _Ties:
    """Sum of squared group sizes: twice the tied pairs, plus n."""

    def __init__(self, ranks: NDArray[np.float32]) -> None:
        self.order = np.argsort(ranks, kind="stable")
        self.starts = np.flatnonzero(np.diff(ranks[self.order], prepend=-1))
        self.tied = len(self.starts) < len(ranks)

    def squares(self, counts: NDArray[np.float32]) -> NDArray[np.float64]:
        groups = np.add.reduceat(counts[:, self.order], self.starts, axis=1) if self.tied else counts
        return np.einsum("bg,bg->b", groups, groups, dtype=np.float64)


def _counts(picks: NDArray[np.int64]) -> NDArray[np.float32]:
    draws, n = picks.shape
    places = picks + n * np.arange(draws)[:, None]
    return np.bincount(places.ravel(), minlength=draws * n).reshape(draws, n).astype(np.float32)
