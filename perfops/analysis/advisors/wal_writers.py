"""Statements that write much WAL for what they change."""

from perfops.analysis.advisors.detection import DetectedIssue, about_statement
from perfops.analysis.collectors.difference import Window
from perfops.analysis.collectors.records import Statement
from perfops.conf import Conf
from perfops.formatting import megabytes, size_text

ID = "wal_writers"
TITLE = "Much WAL for each row written"
NEEDS = ("pg_stat_statements",)


def run(window: Window, limits: Conf) -> list[DetectedIssue]:
    total = sum(statement.wal_bytes for statement in window.statements)
    return [
        _advice(statement, total)
        for statement in window.statements
        if statement.calls >= limits.SLOW_MIN_CALLS
        and statement.rows > 0
        and statement.wal_bytes >= limits.WAL_MIN_BYTES
        and statement.wal_bytes >= limits.WAL_BYTES_PER_ROW * statement.rows
    ]


def _advice(statement: Statement, total: int) -> DetectedIssue:
    per_row = statement.wal_bytes / statement.rows
    return about_statement(
        ID,
        statement,
        severity="warning",
        what=f"writes {size_text(per_row)} of WAL for each row",
        evidence={
            "calls": statement.calls,
            "rows": statement.rows,
            "WAL in MB": megabytes(statement.wal_bytes),
            "WAL bytes per row": round(per_row),
            "share of all WAL": f"{statement.wal_bytes / total:.1%}",
        },
        why="WAL is written to disk before the commit answers, sent to replicas and archived.",
        remedy=(
            "A wide value that is rewritten to change a part of it belongs into rows or columns "
            "of its own; every index on a changed column adds to it, and lost HOT updates do. "
            "Full pages after each checkpoint grow fewer with a larger max_wal_size."
        ),
    )
