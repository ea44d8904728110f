"""The pairs of combinations that tau, ties and counterexamples count, and what their two columns must be."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

# Pairs compared at a time: about 10 MiB of temporaries, whatever the number of combinations.
_BLOCK_PAIRS = 2**22


@dataclass(frozen=True)
class PairCounts:
    """How the pairs of combinations fall; a pair tied in both score and final metric is in both tie counts."""

    pairs: int
    counterexamples: int
    tied_score: int
    tied_final: int

    @property
    def ratio(self) -> float:
        """Counterexamples as a share of all pairs, the tied ones included."""
        return self.counterexamples / self.pairs


def counterexamples(score: ArrayLike, final: ArrayLike, *, higher_is_better: bool) -> PairCounts:
    """Count the pairs in which the combination with the strictly lower score ends strictly worse (paper 1, Table A5).

    Values are compared as they are: round averages of printed numbers to their printed digits first.

    Args:
        score: Criterion score of each combination, shape (n,).
        final: Final metric of the same combinations, shape (n,).
        higher_is_better: True for accuracy, False for loss.

    Raises:
        ValueError: If the shapes differ, n < 2, or a value is NaN.
    """
    score, final = checked_columns(score, final, least=2)
    merit = final if higher_is_better else -final
    rows = max(1, _BLOCK_PAIRS // len(score))
    count = 0
    for start in range(0, len(score), rows):
        block = slice(start, start + rows)
        lower = score[block, None] < score[None, :]
        worse = merit[block, None] < merit[None, :]
        count += int(np.count_nonzero(lower & worse))
    pairs = len(score) * (len(score) - 1) // 2
    return PairCounts(pairs, count, _tied_pairs(score), _tied_pairs(final))


def tie_share(values: ArrayLike) -> float:
    """Share of all pairs whose two values are equal.

    Args:
        values: One value per combination, shape (n,).

    Returns:
        A share in [0, 1]; accuracies on a small test set tie often, and tau-b then rests on the other pairs.

    Raises:
        ValueError: If n < 2 or a value is NaN.
    """
    checked = _vector("values", values, least=2)
    return _tied_pairs(checked) / (len(checked) * (len(checked) - 1) // 2)


def checked_columns(
    score: ArrayLike, final: ArrayLike, *, least: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Score and final metric of the same combinations, as vectors.

    Raises:
        ValueError: If the shapes differ, there are fewer than `least`, or a value is NaN.
    """
    checked_score, checked_final = _vector("score", score, least), _vector("final", final, least)
    if len(checked_score) != len(checked_final):
        raise ValueError(
            f"score and final must have one value per combination each; got {len(checked_score)} and "
            f"{len(checked_final)} values"
        )
    return checked_score, checked_final


def _tied_pairs(values: NDArray[np.float64]) -> int:
    _, counts = np.unique(values, return_counts=True)
    return int((counts * (counts - 1) // 2).sum())


def _vector(name: str, values: ArrayLike, least: int) -> NDArray[np.float64]:
    vector = np.asarray(values, dtype=np.float64)
    if vector.ndim != 1:
        raise ValueError(f"{name} must be one-dimensional; got shape {vector.shape}")
    if len(vector) < least:
        raise ValueError(f"{name} must hold at least {least} combination{'s' * (least > 1)}; got {len(vector)}")
    if missing := int(np.isnan(vector).sum()):
        raise ValueError(
            f"{name} must not contain NaN; got {missing} NaN among {len(vector)} values (give a diverged run the "
            "worst value, +inf or -inf, and leave out a missing one)"
        )
    return vector
