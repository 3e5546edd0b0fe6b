"""Statements that sort or join on disk, because work_mem is too small for what they do."""

from perfops.analysis.advisors.detection import DetectedIssue, about_statement
from perfops.analysis.collectors.difference import Window
from perfops.analysis.collectors.records import Statement
from perfops.conf import Conf
from perfops.formatting import megabytes

ID = "temp_files"
TITLE = "Sorting and joining on disk"
NEEDS = ("pg_stat_statements",)


def run(window: Window, limits: Conf) -> list[DetectedIssue]:
    work_mem = window.after.setting("work_mem")
    known = f"{work_mem.value} {work_mem.unit}" if work_mem else "unknown"
    return [
        _advice(statement, known)
        for statement in window.statements
        if statement.calls >= limits.SLOW_MIN_CALLS
        and statement.temp_bytes >= limits.TEMP_BYTES_PER_CALL * statement.calls
    ]


def _advice(statement: Statement, work_mem: str) -> DetectedIssue:
    per_call = statement.temp_bytes / statement.calls
    return about_statement(
        ID,
        statement,
        severity="warning",
        what=f"writes {megabytes(per_call):,} MB to disk in each call",
        evidence={
            "calls": statement.calls,
            "temporary MB per call": megabytes(per_call),
            "temporary MB": megabytes(statement.temp_bytes),
            "mean ms": round(statement.mean_ms, 2),
            "work_mem": work_mem,
        },
        why="A sort or a hash that does not fit into work_mem is written to disk and read again.",
        remedy=(
            "Sort and join less: LIMIT with an index in that order, fewer columns. Or give this "
            "statement more memory: SET LOCAL work_mem in its transaction, never for everyone "
            "(each sort of each connection may take it)."
        ),
    )
