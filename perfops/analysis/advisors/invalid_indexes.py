"""Indexes that a failed CREATE INDEX CONCURRENTLY left behind: written, never read."""

import re

from perfops.analysis.advisors.detection import DetectedIssue
from perfops.analysis.collectors.difference import Window
from perfops.analysis.collectors.records import Index
from perfops.conf import Conf
from perfops.formatting import identifier, megabytes

ID = "invalid_indexes"
TITLE = "Invalid indexes"
NEEDS = ("pg_stat_user_indexes",)

# PostgreSQL names them so while REINDEX CONCURRENTLY works; the index itself is still there.
_LEFT_OVER = re.compile(r"_cc(new|old)\d*$")


def run(window: Window, limits: Conf) -> list[DetectedIssue]:
    # One that is being built looks the same: whoever builds it is at work.
    building = any(
        "INDEX" in session.text.upper() and "CONCURRENTLY" in session.text.upper()
        for session in window.after.sessions
        if session.state == "active"
    )
    if building:
        return []
    return [_advice(index) for index in window.after.indexes if not index.is_valid]


def _remedy(index: Index) -> str:
    if _LEFT_OVER.search(index.name):
        return "A REINDEX CONCURRENTLY that failed left it beside the index itself: drop it."
    cause = "Remove the duplicates first, else it fails again" if index.is_unique else ""
    return f"{cause or 'Fix the cause of the failure'}; then build it again, or drop it."


def _advice(index: Index) -> DetectedIssue:
    name = identifier(index.schema, index.name)
    return DetectedIssue(
        advisor=ID,
        object=index.qualified,
        severity="error",
        title=f"Index {index.qualified} is invalid",
        evidence={
            "table": f"{index.schema}.{index.table}",
            "size in MB": megabytes(index.bytes),
            "definition": index.definition,
        },
        why=(
            "Building it failed half-way (a lock, a duplicate, a cancel). No query uses it, "
            "every write may still pay for it, and a unique one guards nothing."
        ),
        remedy=_remedy(index),
        statement=(
            f"DROP INDEX CONCURRENTLY {name};"
            if _LEFT_OVER.search(index.name)
            else f"REINDEX INDEX CONCURRENTLY {name};"
        ),
    )
