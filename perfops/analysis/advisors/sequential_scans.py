"""Large tables that are read from end to end, again and again."""

from collections.abc import Sequence

from perfops.analysis.advisors.detection import DetectedIssue
from perfops.analysis.collectors.difference import Window
from perfops.analysis.collectors.records import Table
from perfops.conf import Conf
from perfops.formatting import count_text, megabytes

ID = "sequential_scans"
TITLE = "Sequential scans on large tables"
NEEDS = ("pg_stat_user_tables",)

# Scans that stop early (LIMIT) read a small part of the table and do no harm.
_MIN_PART = 0.5
_ERROR_ROWS_PER_S = 1_000_000


def run(window: Window, limits: Conf) -> list[DetectedIssue]:
    return [
        _advice(whole.table, whole.parts, window.seconds_of("pg_stat_user_tables"))
        for whole in window.whole_tables
        if _is_ill(whole.table, whole.parts or (whole.table,), limits)
    ]


def _is_ill(table: Table, parts: Sequence[Table], limits: Conf) -> bool:
    """A scan of a partitioned table is one of each partition, less those that it may leave out."""
    return (
        table.rows >= limits.SEQ_SCAN_MIN_ROWS
        and max(part.sequential_scans for part in parts) >= max(1, limits.SEQ_SCAN_MIN_SCANS)
        and table.sequential_rows
        >= _MIN_PART * sum(part.rows * part.sequential_scans for part in parts)
    )


def _advice(table: Table, parts: Sequence[Table], seconds: float) -> DetectedIssue:
    per_second = table.sequential_rows / seconds if seconds else 0.0
    scans = table.sequential_scans + table.index_scans
    return DetectedIssue(
        advisor=ID,
        object=table.qualified,
        severity="error" if per_second >= _ERROR_ROWS_PER_S else "warning",
        title=(
            f"{table.qualified} ({table.rows:,} rows in {count_text(len(parts), 'partition')}): "
            f"partitions were read whole {table.sequential_scans:,} times"
            if parts
            else f"{table.qualified} ({table.rows:,} rows) was read whole "
            f"{table.sequential_scans:,} times"
        ),
        evidence={
            "rows": table.rows,
            "size in MB": megabytes(table.bytes),
            "sequential scans": table.sequential_scans,
            "share of all scans": f"{table.sequential_scans / scans:.1%}",
            "rows read so": table.sequential_rows,
            "rows read per second": round(per_second, 1),
        },
        why="The time of such a read grows with the table, and it pushes other data out of memory.",
        remedy=(
            "Find the statement among the slow queries, and give its WHERE an index; "
            "counting or sorting a whole table is better not done at all."
        ),
    )
