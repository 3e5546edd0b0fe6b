"""Statements whose plan is another one than it was."""

from perfops.analysis.advisors.detection import DetectedIssue
from perfops.analysis.collectors.difference import Window
from perfops.analysis.collectors.origins import PlanChange
from perfops.conf import Conf

ID = "plan_changes"
TITLE = "Plans that changed"
# Our own tables, not the server's statistics.
NEEDS = ("query origins",)

_TEXT_CHARACTERS = 90
# The cause that seldom is on purpose.
_LOST = "is gone"


def run(window: Window, limits: Conf) -> list[DetectedIssue]:
    newest = {change.queryid: change for change in window.plan_changes}
    return [_advice(change) for change in newest.values()]


def _advice(change: PlanChange) -> DetectedIssue:
    text = " ".join(change.text.split()) or f"statement {change.queryid}"
    lost = any(_LOST in cause for cause in change.causes)
    return DetectedIssue(
        advisor=ID,
        object=f"plan of {change.queryid}",
        queryids=(change.queryid,),
        severity="warning" if lost else "info",
        title=f"The plan of {text[:_TEXT_CHARACTERS]} changed: {change.causes[0]}",
        evidence={
            "statement": text[:300],
            "causes": " ".join(change.causes),
        },
        why="A plan that flips is the commonest reason why a statement is suddenly slow, or fast.",
        remedy=(
            "Compare the two plans on the page of the query, and its time before and after. "
            "If it lost: bring the index back, or run ANALYZE on the table."
        ),
    )
