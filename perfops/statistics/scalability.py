"""How throughput grows with concurrency, and where it stops: the Universal Scalability Law.

X(N) = r N / (1 + s (N - 1) + k N (N - 1)), with N requests at work at once, r the rate of one
alone, s the share that waits for one another (contention) and k what they cost each other
(coherency). With k > 0 there is a knee, the N of the greatest throughput: sqrt((1 - s) / k).
N. J. Gunther, *Guerrilla Capacity Planning* (2007), chapter 4.
"""

import math
import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from statistics import median, quantiles
from typing import Any

_POINTS = 25
# Fewer points, or points that lie closer together than this factor, show no curve.
_MIN_POINTS = 8
_MIN_RANGE = 3.0
_REFITS = 2
_SAMPLES = 200
_CONFIDENCE = 0.95
# A knee further out than this was not measured: the runs would have to go on.
_FURTHEST = 1.5
# A law that half of its points miss by more than this factor (as a log) does not describe them:
# what was measured is a server at one rate that stood still for seconds, not its capacity.
_MAX_ERROR = 0.25


@dataclass(frozen=True, slots=True)
class Point:
    """Mean concurrency of some seconds, and their throughput (requests/s)."""

    concurrency: float
    throughput: float


@dataclass(frozen=True, slots=True)
class Fit:
    """Estimates with the ends of their 95% intervals, (value, low, high).

    ``knee``: concurrency of the greatest throughput, ``peak``: that throughput; None where the
    measured range shows none. ``error``: typical distance of the points, as a share.
    """

    rate: tuple[float, float, float]
    contention: tuple[float, float, float]
    coherency: tuple[float, float, float]
    knee: tuple[float, float, float] | None
    peak: tuple[float, float, float] | None
    error: float

    def throughput(self, concurrency: float) -> float:
        """Return what the law says for ``concurrency``."""
        return _throughput((self.rate[0], self.contention[0], self.coherency[0]), concurrency)


def points(seconds: Sequence[tuple[float, float]]) -> list[Point]:
    """Gather seconds, each (concurrency, requests/s), into points of equal numbers, in order."""
    known = sorted(each for each in seconds if min(each) > 0)
    size = max(1, -(-len(known) // _POINTS))
    groups = [known[n : n + size] for n in range(0, len(known), size)]
    return [
        Point(sum(n for n, _ in group) / len(group), sum(x for _, x in group) / len(group))
        for group in groups
    ]


def fit(measured: Sequence[Point]) -> Fit | None:
    """Fit the law; None where it does not describe the points, or too few of them show no curve.

    N / X is linear in (1/r, s/r, k/r). Least squares of *relative* errors, none of the three below
    0; intervals by drawing points with replacement (Efron, 1979, percentiles). There is a knee only
    where 97.5% of the drawings have one within the measured range and half of it more.
    """
    if len(measured) < _MIN_POINTS:
        return None
    furthest = max(point.concurrency for point in measured)
    if furthest < _MIN_RANGE * min(point.concurrency for point in measured):
        return None
    best = _solve(measured)
    if best is None:
        return None
    error = median(
        abs(math.log(point.throughput / _throughput(best, point.concurrency))) for point in measured
    )
    if error > _MAX_ERROR:
        return None
    draw = random.Random(1)  # noqa: S311 -- the same points give the same answer
    drawn = [_solve(draw.choices(measured, k=len(measured))) for _ in range(_SAMPLES)]
    found = [each for each in drawn if each is not None]
    if len(found) < _SAMPLES / 2:
        return None
    knees = [knee_of(each) for each in found]
    inside = [(each, n) for each, n in zip(found, knees, strict=True) if n <= _FURTHEST * furthest]
    own = knee_of(best)
    has_knee = own <= _FURTHEST * furthest and len(inside) >= (1 + _CONFIDENCE) / 2 * len(found)
    return Fit(
        rate=_interval(best[0], [each[0] for each in found]),
        contention=_interval(best[1], [each[1] for each in found]),
        coherency=_interval(best[2], [each[2] for each in found]),
        knee=_interval(own, [n for _, n in inside]) if has_knee else None,
        peak=_interval(_throughput(best, own), [_throughput(each, n) for each, n in inside])
        if has_knee
        else None,
        error=error,
    )


def as_row(measured: Sequence[Point], found: Fit | None) -> dict[str, Any]:
    """Return what ``LoadRun.summary`` keeps under "scalability"."""
    return {
        "points": [(point.concurrency, point.throughput) for point in measured],
        "fit": None if found is None else asdict(found),
    }


def from_row(row: dict[str, Any]) -> tuple[list[Point], Fit | None]:
    """Return what ``as_row`` was given."""
    kept = row["fit"]
    measured = [Point(*each) for each in row["points"]]
    if kept is None:
        return measured, None
    error = kept["error"]
    ends = {name: each and tuple(each) for name, each in kept.items() if name != "error"}
    return measured, Fit(**ends, error=error)


Law = tuple[float, float, float]


def knee_of(law: Law) -> float:
    """Return the concurrency of the greatest throughput of (r, s, k); infinity where none is."""
    _, contention, coherency = law
    if coherency <= 0 or contention >= 1:
        return math.inf
    return math.sqrt((1 - contention) / coherency)


def _throughput(law: Law, n: float) -> float:
    rate, contention, coherency = law
    return rate * n / (1 + contention * (n - 1) + coherency * n * (n - 1))


def _solve(measured: Sequence[Point]) -> Law | None:
    """Return (r, s, k), fitted again with the weights that the fit before gives."""
    weights = [point.throughput / point.concurrency for point in measured]
    law = None
    for _ in range(_REFITS):
        coefficients = _non_negative(measured, weights)
        if coefficients is None:
            return law
        a, b, c = coefficients
        law = (1 / a, b / a, c / a)
        weights = [1 / (a + b * (p.concurrency - 1) + c * p.concurrency * (p.concurrency - 1))
                   for p in measured]  # fmt: skip
    return law


def _non_negative(
    measured: Sequence[Point], weights: Sequence[float]
) -> tuple[float, float, float] | None:
    """Solve by least squares with none below 0: of all choices of terms the best that obeys."""
    rows = [
        (w, w * (p.concurrency - 1), w * p.concurrency * (p.concurrency - 1))
        for p, w in zip(measured, weights, strict=True)
    ]
    wanted = [w * p.concurrency / p.throughput for p, w in zip(measured, weights, strict=True)]
    best, least = None, math.inf
    for chosen in (kept for size in (3, 2, 1) for kept in combinations(range(3), size)):
        if 0 not in chosen:
            continue
        solved = _least_squares([[row[i] for i in chosen] for row in rows], wanted)
        if solved is None or solved[0] <= 0 or min(solved) < 0:
            continue
        full = dict(zip(chosen, solved, strict=True))
        a, b, c = (full.get(i, 0.0) for i in range(3))
        loss = sum(
            (a * row[0] + b * row[1] + c * row[2] - y) ** 2
            for row, y in zip(rows, wanted, strict=True)
        )
        if loss < least:
            best, least = (a, b, c), loss
        if len(chosen) == len(rows[0]):
            # Nothing obeys better than what needed not to be made to obey.
            break
    return best


def _least_squares(rows: list[list[float]], wanted: Sequence[float]) -> list[float] | None:
    """Solve by the normal equations, columns scaled; None where they tell nothing apart."""
    size = len(rows[0])
    scale = [math.sqrt(sum(row[i] ** 2 for row in rows)) or 1.0 for i in range(size)]
    scaled = [[row[i] / scale[i] for i in range(size)] for row in rows]
    matrix = [
        [sum(row[i] * row[j] for row in scaled) for j in range(size)]
        + [sum(row[i] * y for row, y in zip(scaled, wanted, strict=True))]
        for i in range(size)
    ]
    for i in range(size):
        pivot = max(range(i, size), key=lambda r: abs(matrix[r][i]))
        if abs(matrix[pivot][i]) < 1e-12:
            return None
        matrix[i], matrix[pivot] = matrix[pivot], matrix[i]
        for r in range(size):
            if r != i:
                part = matrix[r][i] / matrix[i][i]
                matrix[r] = [x - part * y for x, y in zip(matrix[r], matrix[i], strict=True)]
    return [matrix[i][size] / matrix[i][i] / scale[i] for i in range(size)]


def _interval(value: float, drawn: Sequence[float]) -> tuple[float, float, float]:
    cuts = quantiles(drawn, n=40, method="inclusive")
    return value, cuts[0], cuts[-1]
