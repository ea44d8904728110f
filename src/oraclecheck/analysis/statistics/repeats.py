"""The mean over the repeats of a combination."""

import numpy as np
from numpy.typing import NDArray

# Means of the same accuracies can differ in the 16th digit, which would break ties. Distinct ones differ by at least
# one test image in one repeat, far above this.
_MEAN_DECIMALS = 12


def mean_of_repeats(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean of each row over the values that are not NaN, rounded far below one test image; NaN if there is none."""
    there = ~np.isnan(values)
    with np.errstate(invalid="ignore"):
        return np.round(np.where(there, values, 0).sum(axis=1) / there.sum(axis=1), _MEAN_DECIMALS)
