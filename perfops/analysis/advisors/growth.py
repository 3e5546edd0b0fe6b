"""Tables that grow fast."""

from perfops.analysis.advisors.detection import DetectedIssue
from perfops.analysis.collectors.difference import Window
from perfops.analysis.collectors.records import Table
from perfops.analysis.collectors.tables import wholes
from perfops.conf import Conf
from perfops.formatting import megabytes

ID = "growth"
TITLE = "Growth"
NEEDS = ("pg_stat_user_tables",)

_DAY_S = 86_400


def run(window: Window, limits: Conf) -> list[DetectedIssue]:
    if window.before is None:
        return []
    earlier = {whole.table.qualified: whole.table for whole in wholes(window.before.tables)}
    found = []
    for table in (whole.table for whole in wholes(window.after.tables)):
        before = earlier.get(table.qualified)
        grown = table.bytes - before.bytes if before else 0
        if (
            before is not None
            and grown >= limits.GROWTH_MIN_BYTES
            and grown >= limits.GROWTH_SHARE * before.bytes
        ):
            found.append(_advice(table, before, window))
    return found


def _advice(table: Table, before: Table, window: Window) -> DetectedIssue:
    grown = table.bytes - before.bytes
    days = max(window.seconds, 1.0) / _DAY_S
    database = window.after.database
    evidence: dict[str, float | int | str] = {
        "size in MB": megabytes(table.bytes),
        "grown by MB": megabytes(grown),
        "grown by": f"{grown / before.bytes:.0%}" if before.bytes else "from nothing",
        "MB per day": megabytes(grown / days),
        "rows": table.rows,
        "dead rows": table.dead,
    }
    if database is not None and database.bytes:
        evidence["share of the database"] = f"{table.bytes / database.bytes:.0%}"
    return DetectedIssue(
        advisor=ID,
        object=table.qualified,
        severity="info",
        title=f"{table.qualified} grew by {megabytes(grown):,} MB to {megabytes(table.bytes):,}",
        evidence=evidence,
        why="At this pace the disk, the backups and every scan of it grow along.",
        remedy=(
            "Decide how long its rows are needed: delete the old ones, in batches, or partition "
            "by time and drop partitions. If rows did not grow in number, it is bloat."
        ),
    )
