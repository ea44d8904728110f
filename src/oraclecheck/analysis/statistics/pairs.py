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


def counterexamples(score: ArrayLike, final: ArrayLike, *, higher_is_better: bool) -> PairCounts:
    """Count the pairs in which the combination with the strictly lower score ends strictly worse (paper 1, Table A5).

    Values are compared as they are: round averages of printed numbers to their printed digits first.

    Raises:
        ValueError: As `checked_columns`.
    """
    score, final = checked_columns(score, final, least=2)
    merit = final if higher_is_better else -final
    rows = max(1, _BLOCK_PAIRS // len(score))
    count = 0
    for start in range(0, len(score), rows):
        block = slice(start, start + rows)
        count += int(np.count_nonzero((score[block, None] < score) & (merit[block, None] < merit)))
    pairs = len(score) * (len(score) - 1) // 2
    return PairCounts(pairs, count, _tied_pairs(score), _tied_pairs(final))


def tie_share(values: ArrayLike) -> float:
    """Share in [0, 1] of all pairs of values, shape (n,), that are equal; tau-b then rests on the others.

    Raises:
        ValueError: If n < 2 or a value is NaN.
    """
    checked = _vector("values", values, least=2)
    return _tied_pairs(checked) / (len(checked) * (len(checked) - 1) // 2)


def checked_columns(
    score: ArrayLike, final: ArrayLike, *, least: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Score and final metric of the same combinations, as vectors of shape (n,).

    Raises:
        ValueError: If the shapes differ, there are fewer than `least`, or a value is NaN.
    """
    a, b = _vector("score", score, least), _vector("final", final, least)
    if len(a) != len(b):
        raise ValueError(f"score and final must have one value per combination each; got {len(a)} and {len(b)} values")
    return a, b


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
