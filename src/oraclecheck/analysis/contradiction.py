"""Records of one study that cannot all be right: measurements of one network that differ."""

import numpy as np
import pandas as pd

from oraclecheck.analysis.criterion import ORACLE, Criterion
from oraclecheck.analysis.outcomes import differs_between_repeats
from oraclecheck.analysis.words import combination_name

_DENSE = tuple(f"dense_{part}_{metric}" for part in ("train", "test") for metric in ("loss", "accuracy"))

TOLERANCE = 1e-5
"""Relative difference up to which two measurements of one network are the same, computed in another order."""

_RESOLUTION = float(np.finfo(np.float32).eps)
"""Absolute difference that a loss near 0 may show besides: float32 resolves no less in a log-softmax."""


def contradiction(study: pd.DataFrame, criterion: Criterion = ORACLE) -> str:
    """What contradicts itself in the records of a study, in a sentence; empty if nothing does.

    The loss right after pruning and the criterion's score belong to a combination, the dense metrics to the study: none
    depends on the repeat, so that every record measures them anew. (Pipelines that train before the last pruning are
    another thing.) Records that disagree come from different networks, data or arithmetic, and no average of them means
    anything.

    Args:
        study: The rows of one study from `outcomes.checked`, those of picked combinations included.
        criterion: Whose score they were checked for.
    """
    of_combination = pd.Series(pd.factorize(study["_key"])[0], index=study.index)
    of_study = pd.Series(0, index=study.index)
    of_pruned = () if differs_between_repeats(study) else ("pruned_train_loss", criterion.column)
    measured = dict.fromkeys(of_pruned, of_combination) | dict.fromkeys(_DENSE, of_study)
    for column, network in measured.items():
        if column in study and (differing := _differing(study, column, network)):
            what = "one study" if network is of_study else "one combination"
            alarm = f"records of {what} contradict each other, so that no number of this study can be believed"
            return f"{alarm}: {differing}"
    return ""


def _differing(study: pd.DataFrame, column: str, network: pd.Series) -> str:
    """The first disagreement between measurements of one network, which a number tells for each record."""
    measured = study[study[column].notna()]
    network, values = network[measured.index], measured[column].astype(float)
    low, high = (values.groupby(network).transform(end) for end in ("min", "max"))
    size = np.maximum(low.abs(), high.abs())
    # A finite and an infinite value differ, whatever their quotient; two infinite ones do not.
    apart = ((high - low > np.maximum(TOLERANCE * size, _RESOLUTION)) | np.isinf(size)) & (low != high)
    if not apart.any():
        return ""
    different = (network == network[apart].iloc[0]).to_numpy()
    rows, values = measured[different], values[different]
    ends = (rows.iloc[place] for place in (values.argmin(), values.argmax()))
    least, most = (f"{combination_name(run)}/{run['repeat']}" for run in ends)
    return f"{column} is {values.min():.9g} in {least} and {values.max():.9g} in {most}"
