"""A p-value that knows that combinations share filters: relabel the filters, recompute tau."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import rankdata

RELABELLINGS = 1999
"""Random relabellings; with the identity they make p a multiple of 1/2000."""

MOST_RELABELLINGS = 19_999
"""For a large table."""

# Differences of taus that are equal may differ in their last digits; different ones are further apart.
_ROUNDING = 1e-12

# Relabellings compared at a time.
_BLOCK = 250


def permutation_p_of(
    score: ArrayLike,
    final: ArrayLike,
    removed: Sequence[Mapping[str, Sequence[int]]],
    *,
    cells: int,
    seed: int,
    size: int | None = None,
) -> float:
    """`permutation_p` from as many relabellings as a table of so many cells takes.

    Where none is as extreme, p is 1/2000, which Holm's adjustment for 100 cells makes 0.05: more are drawn then.

    Args:
        score: See `permutation_p`.
        final: See `permutation_p`.
        removed: See `relabellings`.
        cells: Hypotheses that are judged together.
        seed: See `relabellings`.
        size: See `relabellings`.

    Raises:
        ValueError: See `relabellings`.
    """
    p = permutation_p(score, final, relabellings(removed, RELABELLINGS, seed, size))
    needed = min(MOST_RELABELLINGS, 40 * cells - 1)  # so that the least p times the cells is 0.025
    if p > 1 / (1 + RELABELLINGS) or needed <= RELABELLINGS:
        return p
    return permutation_p(score, final, relabellings(removed, needed, seed, size))


def relabellings(
    removed: Sequence[Mapping[str, Sequence[int]]], count: int, seed: int, size: int | None = None
) -> NDArray[np.intp]:
    """Where each combination goes when the filters of every layer are relabelled at random.

    Args:
        removed: The removed filters of each combination of a space, each once, in any order; some may be missing.
        count: Relabellings.
        seed: Their seed.
        size: Combinations of the space; None if all are there.

    Returns:
        Shape (count, n): entry [b, i] is the combination that combination i becomes under relabelling b, -1 if that one
        is missing.

    Raises:
        ValueError: If these are not the combinations of a space of that size.
    """
    generator = np.random.default_rng(seed)
    of_filters, before, after = 1, np.zeros(len(removed), np.uint64), np.zeros((count, len(removed)), np.uint64)
    for layer in removed[0]:
        chosen = np.array([combination[layer] for combination in removed])
        filters = int(chosen.max(initial=-1)) + 1
        of_filters *= math.comb(filters, chosen.shape[1])
        # A set of filters is known by the sum of its members' 64-bit keys; that two of 1,000 sets share a sum has a
        # probability below 1e-13, and the check below would find it.
        keys = generator.integers(2**63, size=filters, dtype=np.uint64)
        orders = generator.permuted(np.tile(np.arange(filters), (count, 1)), axis=1)
        for column in chosen.T:
            before += keys[column]
            after += keys[orders[:, column]]
    order = np.argsort(before)
    ranked = before[order]
    size = len(removed) if size is None else size
    if of_filters != size or len(removed) > size or (len(ranked) > 1 and (ranked[1:] == ranked[:-1]).any()):
        raise ValueError(f"relabelling filters needs all {of_filters} combinations, each once; got {len(removed)}")
    found = np.minimum(np.searchsorted(ranked, after), len(ranked) - 1)
    return np.where(ranked[found] == after, order[found], -1)


def permutation_p(score: ArrayLike, final: ArrayLike, targets: NDArray[np.intp]) -> float:
    """Two-sided p of tau-b when the combinations of a census exchange their scores as their filters are relabelled.

    scipy's p takes the combinations as independent. They share filters: with random, unrelated filter effects it is
    below 0.05 in 37 to 71 % of cases. This one is below 0.05 in 5 %: it asks whether the score knows more about this
    network than it would if its filters had other names.

    Args:
        score: Criterion score of each combination, shape (n,), without NaN.
        final: Final metric of the same combinations, shape (n,), without NaN.
        targets: From `relabellings`, shape (count, n). A combination that becomes a missing one takes part in no pair
            of that relabelling, and what is compared is the surplus of concordant pairs a pair.

    Returns:
        (1 + relabellings with a tau at least as large in absolute value) / (1 + count); NaN if tau is not defined.
    """
    ranks, finals = _ranks(score), _ranks(final)
    if max(ranks.max(), finals.max()) < 2 or min(ranks.max(), finals.max()) < 2:
        return math.nan
    # Relabelling keeps the ties of either column, so that |tau| is as large as its numerator.
    observed = abs(int(_surplus(ranks[None, :], finals)[0]))
    pairs = math.comb(len(ranks), 2)
    extreme = 0
    for start in range(0, len(targets), _BLOCK):
        block = targets[start : start + _BLOCK]
        missing = block < 0
        if missing.any():
            known = (~missing).sum(axis=1)
            compared = known * (known - 1) // 2
            surplus = np.abs(_surplus(ranks[block], finals, missing))
            extreme += int((surplus * pairs >= observed * compared).sum())
        else:
            extreme += int((np.abs(_surplus(ranks[block], finals)) >= observed).sum())
    return (1 + extreme) / (1 + len(targets))


def difference_p(score_a: ArrayLike, score_b: ArrayLike, final: ArrayLike, targets: NDArray[np.intp]) -> float:
    """The same for the difference of two criteria's tau-b: both exchange their scores by the same relabellings.

    Args:
        score_a: One criterion's score of each combination, shape (n,), without NaN.
        score_b: The other's.
        final: Final metric of the same combinations, shape (n,), without NaN.
        targets: From `relabellings`, shape (count, n).

    Returns:
        (1 + relabellings with a difference at least as large in absolute value) / (1 + count); NaN if a tau is not
        defined.
    """
    finals = _ranks(final)
    sides = [_ranks(score) for score in (score_a, score_b)]
    if min(ranks.max() for ranks in (*sides, finals)) < 2:
        return math.nan
    roots = [math.sqrt(np.count_nonzero(ranks[:, None] - ranks)) for ranks in sides]

    def differences(places: NDArray[np.intp]) -> NDArray[np.float64]:
        one, other = (_surplus(ranks[places], finals) / root for ranks, root in zip(sides, roots, strict=True))
        return np.abs(one - other)

    observed = differences(np.arange(len(finals))[None, :])[0] - _ROUNDING
    blocks = (targets[start : start + _BLOCK] for start in range(0, len(targets), _BLOCK))
    extreme = sum(int((differences(block) >= observed).sum()) for block in blocks)
    return (1 + extreme) / (1 + len(targets))


def _ranks(values: ArrayLike) -> NDArray[np.int64]:
    return rankdata(np.asarray(values, np.float64), method="dense").astype(np.int64)


def _surplus(
    scores: NDArray[np.int64], final: NDArray[np.int64], missing: NDArray[np.bool_] | None = None
) -> NDArray[np.int64]:
    """Concordant minus discordant pairs of each row of scores with one final metric; missing ones are in no pair."""
    order = np.argsort(final, kind="stable")
    # Draws last, so that a comparison with all later combinations runs along memory; few bytes, so that it is fast.
    small: type = np.int16 if len(order) < 2**15 else np.int32
    sorted_scores: NDArray[np.signedinteger] = np.ascontiguousarray(scores[:, order].T.astype(small))
    ends = np.searchsorted(final[order], final[order], side="right")
    surplus = np.zeros(len(scores), np.int64)
    there = None if missing is None else np.ascontiguousarray(~missing[:, order].T)
    for i, end in enumerate(ends):
        signs = np.sign(sorted_scores[end:] - sorted_scores[i])
        if there is not None:
            signs *= there[end:] & there[i]
        surplus += signs.sum(axis=0, dtype=small)
    return surplus
