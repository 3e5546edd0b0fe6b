"""How much of what is read comes from PostgreSQL's memory."""

from perfops.analysis.advisors.detection import DetectedIssue, SeverityName
from perfops.analysis.collectors.difference import Window
from perfops.analysis.collectors.records import share
from perfops.conf import Conf

ID = "cache_hit_ratio"
TITLE = "Cache hit ratio"
NEEDS = ("pg_stat_database", "pg_stat_user_tables", "pg_stat_user_indexes")

_WHY = "A block that is not in shared_buffers costs a call to the system, at worst a disk read."


def run(window: Window, limits: Conf) -> list[DetectedIssue]:
    found = []
    if window.database is not None:
        name = f"database {window.after.server.database}"
        remedy = (
            "See which tables below miss most and what reads them. If the working set is "
            "larger than shared_buffers, raise it (a quarter of the memory is a good start)."
        )
        found.append(
            _advice(name, window.database.blocks_hit, window.database.blocks_read, remedy, limits)
        )
    table_remedy = (
        "Look for statements that read much of it: a missing index, old rows that nobody "
        "asks for (partition them), or columns that an index could answer alone."
    )
    index_remedy = "Make it smaller (partial, fewer columns, REINDEX if bloated) or raise memory."
    found += [
        _advice(table.qualified, table.blocks_hit, table.blocks_read, table_remedy, limits)
        for table in (whole.table for whole in window.whole_tables)
    ]
    found += [
        _advice(index.qualified, index.blocks_hit, index.blocks_read, index_remedy, limits)
        for index in window.indexes
    ]
    return [advice for advice in found if advice is not None]


def _severity(rate: float, limits: Conf) -> SeverityName | None:
    if rate < limits.CACHE_HIT_ERROR:
        return "error"
    return "warning" if rate < limits.CACHE_HIT_WARNING else None


def _advice(name: str, hit: int, read: int, remedy: str, limits: Conf) -> DetectedIssue | None:
    rate = share(hit, read)
    if rate is None or hit + read < limits.CACHE_HIT_MIN_BLOCKS:
        return None
    severity = _severity(rate, limits)
    if severity is None:
        return None
    return DetectedIssue(
        advisor=ID,
        object=name,
        severity=severity,
        title=f"Only {rate:.1%} of the reads of {name} came from memory",
        evidence={"hit rate": f"{rate:.2%}", "blocks from memory": hit, "blocks read": read},
        why=_WHY,
        remedy=remedy,
    )
