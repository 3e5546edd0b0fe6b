"""Tables that the planner knows nothing of, or nothing of today."""

from perfops.analysis.advisors.detection import DetectedIssue, SeverityName
from perfops.analysis.collectors.difference import Window
from perfops.analysis.collectors.records import Table
from perfops.conf import Conf
from perfops.formatting import identifier, time_text

ID = "missing_statistics"
TITLE = "Statistics never gathered, or out of date"
NEEDS = ("pg_stat_user_tables", "pg_stats")


def run(window: Window, limits: Conf) -> list[DetectedIssue]:
    if window.after.server.in_recovery:
        # Statistics are gathered on the primary; who gathered them is not known here.
        return []
    now = window.after.taken_at
    found = []
    for table in window.tables:
        if table.live < limits.STATISTICS_MIN_ROWS or not _may_tell(table):
            continue
        if table.analyzed_at is None:
            if table.known_columns == 0:
                found.append(_advice(table, "was never analysed", "warning", "never"))
        elif _is_stale(table, now - table.analyzed_at, limits):
            ago = f"{time_text(max(0.0, now - table.analyzed_at))} ago"
            found.append(_advice(table, "has changed much since", "info", ago))
    return found


def _may_tell(table: Table) -> bool:
    """Of a table that we may not read the statistics are hidden as well."""
    return table.known_columns >= 0


def _is_stale(table: Table, age_s: float, limits: Conf) -> bool:
    least = max(limits.DEAD_MIN_ROWS, limits.STATISTICS_STALE_SHARE * table.live)
    return table.changed_since_analyze >= least and age_s >= limits.STATISTICS_STALE_S


def _advice(table: Table, what: str, severity: SeverityName, when: str) -> DetectedIssue:
    return DetectedIssue(
        advisor=ID,
        object=table.qualified,
        severity=severity,
        title=f"{table.qualified} ({table.live:,} rows) {what}"
        + ("" if when == "never" else f" it was analysed {when}"),
        evidence={
            "rows": table.live,
            "changed since": table.changed_since_analyze,
            "last analysed": when,
            "autovacuum": "on" if table.vacuums_itself else "off for this table",
        },
        why="Without statistics the planner guesses: wrong joins, wrong order, no index.",
        remedy=(
            "Analyse it, and after each bulk load. If autovacuum is on, ask why it did not: "
            "too few workers, or the table is new."
        ),
        statement=f"ANALYZE {identifier(table.schema, table.name)};",
    )
