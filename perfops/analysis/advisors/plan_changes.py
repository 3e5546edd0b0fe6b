"""Statements whose plan is another one than it was, and whose time changed with it."""

from perfops.analysis.advisors.detection import DetectedIssue
from perfops.analysis.collectors.difference import Window
from perfops.analysis.collectors.origins import PlanChange
from perfops.conf import Conf
from perfops.formatting import ms_text

ID = "plan_changes"
TITLE = "Plans that changed"
# Our own tables, not the server's statistics.
NEEDS = ("query origins",)

_TEXT_CHARACTERS = 90
# Less than this is the noise of an hour's mean; fewer calls have none worth the name.
_CHANGED = 1.5


def run(window: Window, limits: Conf) -> list[DetectedIssue]:
    """A plan may flip each day between two that are as good: what counts is the time."""
    found = (_advice(change, limits) for change in window.plan_changes)
    return [issue for issue in found if issue is not None]


def _advice(change: PlanChange, limits: Conf) -> DetectedIssue | None:
    before, after = change.before_ms, change.after_ms
    few = min(change.calls_before, change.calls_after) < limits.SLOW_MIN_CALLS
    if few or not before or not after or 1 / _CHANGED < after / before < _CHANGED:
        return None
    text = " ".join(change.text.split()) or f"statement {change.queryid}"
    slower = after > before
    factor = after / before if slower else before / after
    times = f"{factor:,.1f} times {'as long' if slower else 'less'}"
    return DetectedIssue(
        advisor=ID,
        object=f"plan of {change.queryid}",
        queryids=(change.queryid,),
        severity="warning" if slower else "info",
        title=(
            f"{text[:_TEXT_CHARACTERS]} takes {times} since its plan changed: {change.causes[0]}"
        ),
        evidence={
            "statement": text[:300],
            "causes": " ".join(change.causes),
            "mean before": ms_text(before),
            "mean since": ms_text(after),
            "calls before": change.calls_before,
            "calls since": change.calls_after,
        },
        why="A plan that flips is the commonest reason why a statement is suddenly slow, or fast.",
        remedy=(
            "Compare the two plans on the page of the query. Bring the index back that is gone, "
            "or run ANALYZE on the table."
            if slower
            else "Nothing to do: the new plan is the better one."
        ),
    )
