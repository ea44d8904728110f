"""The floor of every comparison: a criterion that ranks filters at random."""

import numpy as np
import pandas as pd

from oraclecheck.analysis.criterion import Criterion, named
from oraclecheck.records.combination_key import combination_keys, knows_filters

RANDOM = "random"
"""What it is called, here and in `criteria.chance`."""


def with_random(runs: pd.DataFrame, *, seed: int = 0) -> tuple[pd.DataFrame, Criterion | None]:
    """The runs with a score of the `random` criterion, drawn here where no stored one is at hand.

    Like the stored one it is additive: a permutation of 1 to the number of filters for each layer, the same for all
    dense networks; divided by its mean where a combination lacks filters of several layers.

    Args:
        runs: One row per record.
        seed: Of the permutations.

    Returns:
        The runs and the criterion; no criterion where a record does not say which filters are removed, as in files of
        points, or of single weights, or where all combinations would get the same score.
    """
    criterion = named(RANDOM)
    if criterion.column in runs:
        return runs, criterion
    removed = list(runs["removed"])
    if not all(isinstance(each, dict) and each for each in removed):
        return runs, None
    if not all(map(knows_filters, combination_keys(runs))):
        return runs, None
    counts: dict[str, int] = {}
    for each in removed:
        for layer, filters in each.items():
            counts[layer] = max(counts.get(layer, 0), *(index + 1 for index in filters))
    generator = np.random.default_rng(seed)
    values = {layer: 2 * (1 + generator.permutation(count)) / (count + 1) for layer, count in sorted(counts.items())}
    scores = [float(sum(values[layer][list(filters)].sum() for layer, filters in each.items())) for each in removed]
    return (runs, None) if len(set(scores)) < 2 else (runs.assign(**{criterion.column: scores}), criterion)
