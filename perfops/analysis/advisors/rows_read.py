"""Statements that read far more than they return."""

import re

from perfops.analysis.advisors.detection import (
    DetectedIssue,
    about_statement,
    utility_remedy,
)
from perfops.analysis.collectors.difference import Window
from perfops.analysis.collectors.records import Statement
from perfops.conf import Conf
from perfops.formatting import megabytes

ID = "rows_read"
TITLE = "Much read for each row returned"
NEEDS = ("pg_stat_statements",)
# All rows of one table, without a WHERE: no index reads fewer.
_WHOLE_COUNT = re.compile(
    r'\s*SELECT\s+COUNT\(\*\)(?:\s+AS\s+\S+)?\s+FROM\s+(?:"?\w+"?\.)?"?(\w+)"?\s*;?\s*',
    re.IGNORECASE,
)
_SENDERS = 3


def whole_count_remedy(statement: Statement, window: Window) -> str:
    """Return what to do where ``statement`` counts a whole table; "" where it does not."""
    found = _WHOLE_COUNT.fullmatch(statement.text)
    if found is None:
        return ""
    its = [each for each in window.origins if statement.queryid in each.queryids]
    names = list(dict.fromkeys(f"{each.name} ({each.function})" for each in its if each.function))
    sent = f" It is sent by {', '.join(names[:_SENDERS])}." if names else ""
    return (
        f"It counts all rows of {found[1]}, and no index makes that less.{sent} In the admin: "
        "show_full_result_count = False, and a paginator whose count is an estimate "
        "(reltuples of pg_class). In a list: page without a total, or keep the number up to date "
        "where rows are added."
    )


def run(window: Window, limits: Conf) -> list[DetectedIssue]:
    return [
        _advice(statement, window)
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


def _advice(statement: Statement, window: Window) -> DetectedIssue:
    block_bytes = window.after.server.block_bytes
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
        remedy=whole_count_remedy(statement, window)
        or utility_remedy(statement.text)
        or (
            "An index on the columns of its WHERE (equality first, then range or order) reads "
            "only what is returned. A count or sum over everything is better kept up to date "
            "than computed."
        ),
    )
