"""Did a route get slower? Pass, fail or inconclusive, from the figures of runs.

Two situations: new runs against the history of one machine, and two builds run in turn.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from statistics import median
from typing import NamedTuple

from perfops.statistics.host_drift import lasting
from perfops.statistics.score_test import score_test
from perfops.statistics.shifts import ALPHA, MIN_EFFECT, Shift, holm, pairs_for, shift

NEW_RUNS, HISTORY_RUNS = 5, 30
# A shift as large as this must be seen, or the verdict is no pass.
MUST_SEE = 0.10
# Two builds in turn: looked at after so many pairs, then after every second one, and from the
# twelfth on after every fourth one. Where runs are of two kinds (one in three takes 15% longer),
# twelve pairs see 10% in half of the cases, and twenty in four of five.
MIN_PAIRS, MAX_PAIRS = 6, 20
_OFTEN_UNTIL = 12
# Of the chance of a false alarm: what the last look has.
_LAST_SHARE = 0.4
# New runs against history: ranks, and scores. Each has the chance ``ALPHA`` of a false alarm.
_TESTS = 2


class Outcome(StrEnum):
    PASS = "pass"  # noqa: S105 -- a verdict
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"


class Series(NamedTuple):
    """A figure of a route (``p95``, in ms): one value for each run, oldest first; more is worse."""

    route: str
    figure: str
    before: tuple[float, ...]
    after: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Judged:
    """``p``: adjusted for the number of figures judged together (Holm)."""

    series: Series
    shift: Shift
    p: float
    outcome: Outcome
    reason: str

    @property
    def before(self) -> float:
        return median(self.series.before)

    @property
    def after(self) -> float:
        return median(self.series.after)


@dataclass(frozen=True, slots=True)
class Decision:
    """``needed``: runs of each build with which the noise seen here would let it tell; or None."""

    outcome: Outcome
    reasons: tuple[str, ...]
    judged: tuple[Judged, ...]
    needed: int | None = None


def against_history(series: Sequence[Series]) -> Decision:
    """Compare the newest runs (five) with those before them (thirty), in order of time.

    A figure fails by the rank test or by that of scores (p < 0.01 each after Holm, together at
    most 0.02; shift >= 5%), unless the host's drift explains the shift. ``p`` is that of both
    tests, twice the smaller one (Bonferroni).
    """
    alpha = ALPHA / max(1, len(series))
    return _decide([_in_time(each, alpha) for each in series], ALPHA, is_last=True, tests=_TESTS)


def in_turn(
    series: Sequence[Series], *, most: int = MAX_PAIRS, is_last: bool = False
) -> Decision | None:
    """Compare two builds that were run A B B A ...; None: not decided, run two pairs more.

    ``most``: the pairs at which it ends; ``is_last``: it ends now. All the looks at the figures
    share the chance of a false alarm, so that looking often raises none.
    """
    pairs = max((len(each.after) for each in series), default=0)
    is_last = is_last or pairs >= most
    if not is_last and not is_look(pairs, most):
        return None
    alpha = level(pairs, most, is_last=is_last)
    judged = [_judged(each, alpha / len(series)) for each in series]
    decision = _decide(judged, alpha, is_last=is_last)
    undecided = decision.outcome is Outcome.INCONCLUSIVE and not is_last
    return None if undecided else decision


def is_look(pairs: int, most: int) -> bool:
    """Say whether the figures are looked at after so many pairs."""
    step = 2 if pairs <= _OFTEN_UNTIL else 4
    return pairs == most or (MIN_PAIRS <= pairs < most and pairs % step == 0)


def level(pairs: int, most: int, *, is_last: bool) -> float:
    """Return the chance of a false alarm that the look after so many pairs may take.

    The sum of all looks is ``ALPHA`` at most (Bonferroni, 1936), however they depend on each other;
    the last one takes what those before it have left.
    """
    before = [number for number in range(1, most) if is_look(number, most)]
    if not before:
        return ALPHA
    each = (1 - _LAST_SHARE) * ALPHA / len(before)
    return ALPHA - each * sum(number < pairs for number in before) if is_last else each


def _judged(series: Series, alpha: float) -> Judged:
    if not all(map(math.isfinite, (*series.before, *series.after))):
        runs = len(series.before), len(series.after)
        unknown = Shift(1.0, 1.0, 0.0, -math.inf, math.inf, math.inf, runs)
        return Judged(series, unknown, 1.0, Outcome.INCONCLUSIVE, "")
    found = shift(series.before, series.after, lower_is_better=True, alpha=alpha)
    return Judged(series, found, found.p, Outcome.INCONCLUSIVE, "")


def _in_time(series: Series, alpha: float) -> Judged:
    """Judge runs one after the other: the host may have drifted between them."""
    judged = _judged(series, alpha)
    found = judged.shift
    if math.isinf(found.high):
        return judged
    effect = min(found.effect, lasting(series.before, series.after))
    p = found.p
    # The test of scores takes 10 ms: it is made where it may decide.
    if effect >= MIN_EFFECT and p >= alpha:
        p = min(p, score_test(series.before, series.after))
    return replace(
        judged,
        shift=replace(found, effect=effect, low=min(found.low, effect)),
        p=min(1.0, _TESTS * p),
    )


def _decide(found: list[Judged], alpha: float, *, is_last: bool, tests: int = 1) -> Decision:
    """Decide by ``alpha`` for each of so many ``tests`` that a figure is judged by."""
    adjusted = holm({str(place): each.p for place, each in enumerate(found)})
    judged = [
        _told(replace(each, p=adjusted[str(place)]), tests * alpha, is_last=is_last)
        for place, each in enumerate(found)
    ]
    outcomes = {each.outcome for each in judged}
    needed = None
    if Outcome.FAIL in outcomes:
        outcome = Outcome.FAIL
        reasons = _of(judged, Outcome.FAIL)
    elif Outcome.INCONCLUSIVE in outcomes or not judged:
        outcome = Outcome.INCONCLUSIVE
        each_alpha = alpha / max(1, len(judged))
        needs = [
            pairs_for(each.series.before, MUST_SEE, each_alpha)
            for each in judged
            if math.isfinite(each.shift.high)
        ]
        needed = max(needs, default=None)
        reasons = _of(judged, outcome) or ["There is no figure of both to compare."]
    else:
        outcome = Outcome.PASS
        worst = max(max(each.shift.detectable, MIN_EFFECT) for each in judged)
        seen = f"{min(worst, MUST_SEE):.0%} would have been seen in four of five cases."
        reasons = [f"No figure is slower by {MIN_EFFECT:.0%}; a shift of {seen}"]
    order = {Outcome.FAIL: 0, Outcome.INCONCLUSIVE: 1, Outcome.PASS: 2}
    judged.sort(key=lambda each: (order[each.outcome], -each.shift.effect))
    return Decision(outcome, tuple(reasons), tuple(judged), needed)


def _of(judged: Iterable[Judged], outcome: Outcome) -> list[str]:
    return [
        f"{each.series.figure} of {each.series.route}: {each.reason}"
        for each in judged
        if each.outcome is outcome
    ]


def _told(each: Judged, alpha: float, *, is_last: bool) -> Judged:
    found = each.shift
    if math.isinf(found.high):
        return replace(each, reason="a run has no finite value of it.")
    span = f"{found.low:+.0%} to {found.high:+.0%}"
    if each.p < alpha and found.effect >= MIN_EFFECT:
        reason = (
            f"{found.effect:+.0%} ({span}), {each.before:,.1f} to {each.after:,.1f} ms, "
            f"p {_chance(each.p)}."
        )
        return replace(each, outcome=Outcome.FAIL, reason=reason)
    # One run of each has no noise to know of, and its interval no width.
    is_tight = found.high < MUST_SEE and math.isfinite(found.detectable)
    is_sure = found.detectable <= MUST_SEE and found.effect < MIN_EFFECT
    if is_tight or (is_last and is_sure):
        return replace(each, outcome=Outcome.PASS, reason=f"{found.effect:+.0%} ({span}).")
    few = f"{found.runs[0]} and {found.runs[1]} runs"
    if found.detectable <= MUST_SEE:
        sees = f"it may be {MUST_SEE:.0%} or more"
    elif math.isfinite(found.detectable):
        sees = f"with {few} only {found.detectable:.0%} would be seen"
    else:
        sees = f"{few} are too few for any shift"
    return replace(each, reason=f"{found.effect:+.0%} ({span}), but {sees}.")


def _chance(p: float) -> str:
    return f"= {p:.4f}" if p >= 0.0001 else "< 0.0001"
