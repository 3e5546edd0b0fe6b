"""How often does the gate fail a build that is the same, and miss one that is slower?

From recorded runs of one build. Under the same build the two runs of a pair are exchangeable: each
way of saying which of them is the new one is as likely (Fisher's randomization test, 1935). So many
verdicts come from one record: pairs drawn *without* replacement (Politis and Romano, 1994: drawn
with it, a pair would be there twice, and look steadier than it is), each turned round by a coin,
all routes of a run together. They share the recorded pairs and are not independent; their interval
is therefore that of as many verdicts as the pairs are enough for (Wilson, 1927), which is wide.
"""

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from perfops.statistics import gate
from perfops.statistics.gate import MAX_PAIRS, MIN_PAIRS, Outcome, Series

Figures = Mapping[tuple[str, str], float]
Pair = tuple[Figures, Figures]
EFFECTS = (0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0)
_SEEN = 0.8
_Z = 1.96
_VERDICTS, _VERDICTS_OF_AN_EFFECT = 100, 30


@dataclass(frozen=True, slots=True)
class Rate:
    """``count`` of ``verdicts``; ``low``, ``high``: the interval (95%) of their share."""

    count: int
    verdicts: int
    low: float
    high: float


def series(pairs: Sequence[Pair]) -> list[Series]:
    """Return the figures that every run has."""
    if not pairs:
        return []
    known = set.intersection(*(set(run) for pair in pairs for run in pair))
    return [
        Series(*key, tuple(old[key] for old, _ in pairs), tuple(new[key] for _, new in pairs))
        for key in sorted(known)
    ]


def verdict(pairs: Sequence[Pair]) -> Outcome:
    """Return what the gate says of the pairs, looked at as it does: it may end before the last."""
    for number in range(1, len(pairs) + 1):
        if gate.is_look(number, len(pairs)):
            decision = gate.in_turn(series(pairs[:number]), most=len(pairs))
            if decision is not None:
                return decision.outcome
    return Outcome.INCONCLUSIVE


def wilson(count: float, of: float) -> tuple[float, float]:
    """Return the interval (95%) of the share of ``count`` in ``of``, both may be broken."""
    if of <= 0:
        return 0.0, 1.0
    share, square = count / of, _Z * _Z
    middle = (share + square / (2 * of)) / (1 + square / of)
    width = _Z / (1 + square / of) * math.sqrt(share * (1 - share) / of + square / (4 * of * of))
    return max(0.0, middle - width), min(1.0, middle + width)


def false_alarms(pairs: Sequence[Pair], *, verdicts: int = _VERDICTS) -> Rate:
    """Return how often the gate fails the same build; ``pairs``: of runs of it."""
    said = _said(pairs, verdicts, is_same=True)
    return _rate(said.count(Outcome.FAIL), verdicts, len(pairs))


def misses(pairs: Sequence[Pair], *, verdicts: int = _VERDICTS) -> Rate:
    """Return how often the gate does not fail the second of each pair, which is slower."""
    said = _said(pairs, verdicts, is_same=False)
    return _rate(verdicts - said.count(Outcome.FAIL), verdicts, len(pairs))


def smallest_effect(pairs: Sequence[Pair]) -> float | None:
    """Return the share by which all figures must grow to be seen in four of five verdicts.

    The growth is calculated into one run of each pair of the same build; None: not even twice the
    time is seen.
    """
    for effect in EFFECTS:
        said = _said(pairs, _VERDICTS_OF_AN_EFFECT, is_same=True, effect=effect)
        if said.count(Outcome.FAIL) >= _SEEN * len(said):
            return effect
    return None


def _said(
    pairs: Sequence[Pair], verdicts: int, *, is_same: bool, effect: float = 0.0
) -> list[Outcome]:
    draw = random.Random(len(pairs))  # noqa: S311 -- the same record gives the same answer
    size = min(len(pairs), MAX_PAIRS)
    if size < MIN_PAIRS:
        return []
    found = []
    for _ in range(verdicts):
        drawn = draw.sample(list(pairs), size)
        if is_same:
            drawn = [pair if draw.random() < 0.5 else (pair[1], pair[0]) for pair in drawn]
        if effect:
            drawn = [(o, {key: v * (1 + effect) for key, v in n.items()}) for o, n in drawn]
        found.append(verdict(drawn))
    return found


def _rate(count: int, verdicts: int, pairs: int) -> Rate:
    if pairs < MIN_PAIRS:
        return Rate(0, 0, 0.0, 1.0)
    independent = max(1.0, pairs / MAX_PAIRS)
    return Rate(count, verdicts, *wilson(count / verdicts * independent, independent))
