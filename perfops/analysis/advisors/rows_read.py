"""Statements that read far more than they return."""

from perfops.analysis.advisors.detection import DetectedIssue, about_statement
from perfops.analysis.collectors.difference import Window
from perfops.analysis.collectors.records import Statement
from perfops.conf import Conf
from perfops.formatting import megabytes

ID = "rows_read"
TITLE = "Much read for each row returned"
NEEDS = ("pg_stat_statements",)


def run(window: Window, limits: Conf) -> list[DetectedIssue]:
    return [
        _advice(statement, window.after.server.block_bytes)
        for statement in window.statements
        if statement.calls >= limits.SLOW_MIN_CALLS and _reads_in_vain(statement, limits)
    ]


def _blocks(statement: Statement) -> int:
    return statement.blocks_hit + statement.blocks_read


def _reads_in_vain(statement: Statement, limits: Conf) -> bool:
    blocks = _blocks(statement)
    return (
        blocks >= limits.READS_BLOCKS_PER_CALL * statement.calls
        and blocks >= limits.READS_BLOCKS_PER_ROW * max(statement.rows, statement.calls)
    )


def _advice(statement: Statement, block_bytes: int) -> DetectedIssue:
    per_call = _blocks(statement) / statement.calls
    rows = statement.rows / statement.calls
    return about_statement(
        ID,
        statement,
        severity="warning",
        what=f"reads {per_call:,.0f} blocks for {rows:,.1f} rows",
        evidence={
            "calls": statement.calls,
            "blocks per call": round(per_call),
            "MB per call": megabytes(per_call * block_bytes),
            "rows per call": round(rows, 1),
            "blocks per row": round(_blocks(statement) / max(1, statement.rows)),
            "mean ms": round(statement.mean_ms, 2),
        },
        why="What is read and thrown away costs time now, and more with every row that is added.",
        remedy=(
            "An index on the columns of its WHERE (equality first, then range or order) reads "
            "only what is returned. A count or sum over everything is better kept up to date "
            "than computed."
        ),
    )
