"""Did a route get slower? Pass, fail or inconclusive, from the figures of runs.

Two situations: new runs against the history of one machine, and two builds run in turn.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from statistics import median
from typing import NamedTuple

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
_RECENT = 5


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

    A figure fails by the rank test (p < 0.01 after Holm, shift >= 5%) that also stands against
    the newest runs of the history, and after the history's own trend (Theil, 1950; Sen, 1968) is
    taken off: a host that drifts slowly is no regression.
    """
    alpha = ALPHA / max(1, len(series))
    return _decide([_judged(each, alpha, steady=True) for each in series], ALPHA, is_last=True)


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
    judged = [_judged(each, alpha / len(series), steady=False) for each in series]
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


def _judged(series: Series, alpha: float, *, steady: bool) -> Judged:
    found = shift(series.before, series.after, lower_is_better=True, alpha=alpha)
    if steady:
        recent = shift(series.before[-_RECENT:], series.after, lower_is_better=True).effect
        effect = min(found.effect, recent, _without_trend(series))
        found = replace(found, effect=effect, low=min(found.low, effect))
    return Judged(series, found, found.p, Outcome.INCONCLUSIVE, "")


def _without_trend(series: Series) -> float:
    """Return the shift that is left after the line through the history was taken off all runs."""
    old, new = series.before, series.after
    slopes = [(old[j] - old[i]) / (j - i) for i in range(len(old)) for j in range(i + 1, len(old))]
    slope = median(slopes) if slopes else 0.0
    flat = [value + slope * (len(old) - place) for place, value in enumerate(old)]
    lifted = [value - slope * place for place, value in enumerate(new)]
    return median(b - a for a in flat for b in lifted) / (abs(median(flat)) or 1.0)


def _decide(found: list[Judged], alpha: float, *, is_last: bool) -> Decision:
    adjusted = holm({str(place): each.p for place, each in enumerate(found)})
    judged = [
        _told(replace(each, p=adjusted[str(place)]), alpha, is_last=is_last)
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
        needs = [pairs_for(each.series.before, MUST_SEE, each_alpha) for each in judged]
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
