"""How many times as large is a figure in one run as in another, and how sure is that?"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist, variance

_CONFIDENCE = 0.95
# Fewer stretches of a run say too little of how it varies.
_MIN_BATCHES = 5


@dataclass(frozen=True, slots=True)
class Factor:
    """``value``: after / before. ``low`` and ``high``: its interval, None where nothing tells."""

    value: float
    low: float | None = None
    high: float | None = None

    def is_beyond(self, least: float) -> bool:
        """Say whether the whole interval lies more than ``least`` (a share) away from 1."""
        if self.low is None or self.high is None:
            return False
        return self.low > 1 + least or self.high < 1 / (1 + least)


def factor(
    before: float,
    after: float,
    *,
    logs_before: Sequence[float],
    logs_after: Sequence[float],
    together: int = 1,
) -> Factor:
    """Return ``after`` / ``before`` with the interval that the noise within the two runs allows.

    ``logs_before``, ``logs_after``: logarithms of the figure in successive stretches of each run.
    Their means vary as the whole run's figure does (batch means: Law and Kelton, *Simulation
    Modeling and Analysis*, 9.5.3); the difference of two has Welch's interval (1947). Stretches of
    one run are alike, so noise *between* runs is not in it. ``together``: so many intervals hold
    together with 95% (Bonferroni). Raises ``ValueError`` unless both figures are above 0.
    """
    if before <= 0 or after <= 0:
        raise ValueError("A factor takes two figures above 0.")
    value = after / before
    if min(len(logs_before), len(logs_after)) < _MIN_BATCHES:
        return Factor(value)
    errors = [variance(logs) / len(logs) for logs in (logs_before, logs_after)]
    whole = sum(errors)
    if whole == 0:
        return Factor(value, value, value)
    freedom = whole**2 / sum(
        error**2 / (len(logs) - 1)
        for error, logs in zip(errors, (logs_before, logs_after), strict=True)
    )
    half = t_quantile(1 - (1 - _CONFIDENCE) / 2 / together, freedom) * math.sqrt(whole)
    return Factor(value, value * math.exp(-half), value * math.exp(half))


def t_quantile(p: float, freedom: float) -> float:
    """Return Student's t: Abramowitz and Stegun, 26.7.5; to a few percent from 4 degrees on."""
    z = NormalDist().inv_cdf(p)
    terms = (
        z,
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92_160,
    )
    return sum(term / freedom**n for n, term in enumerate(terms))
