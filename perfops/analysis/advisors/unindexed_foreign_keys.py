"""Foreign keys that no index serves: each delete of a referred row reads the whole table."""

from perfops.analysis.advisors.detection import DetectedIssue
from perfops.analysis.advisors.index_identity import serves
from perfops.analysis.collectors.difference import Window
from perfops.analysis.collectors.records import ForeignKey, Index, Table
from perfops.conf import Conf
from perfops.formatting import by_hand, identifier, megabytes

ID = "unindexed_foreign_keys"
TITLE = "Foreign keys without index"
NEEDS = ("foreign keys", "pg_stat_user_indexes", "pg_stat_user_tables")

_IN_DJANGO = (
    "Build the index. In Django: leave db_index of the ForeignKey on, or add an Index that begins "
    "with it, by AddIndexConcurrently."
)
_ON_PARTITIONS = (
    "Build the index on the partitioned table; no row of it can be written meanwhile. Where that "
    "takes too long, make it with CREATE INDEX ... ON ONLY, build one on each partition "
    "CONCURRENTLY, and attach them with ALTER INDEX ... ATTACH PARTITION."
)


def run(window: Window, limits: Conf) -> list[DetectedIssue]:
    tables = {table.qualified: table for table in window.tables}
    indexes: dict[str, list[Index]] = {}
    for index in window.after.indexes:
        indexes.setdefault(f"{index.schema}.{index.table}", []).append(index)
    found = []
    for key in window.after.foreign_keys:
        table = tables.get(f"{key.schema}.{key.table}")
        if table is None or max(table.rows, table.live, key.rows) < limits.FOREIGN_KEY_MIN_ROWS:
            continue
        if not any(serves(index, key) for index in indexes.get(table.qualified, ())):
            package = window.packages.get(key.table, "")
            found.append(_advice(key, table, tables.get(key.referred), package))
    return found


def _advice(key: ForeignKey, table: Table, referred: Table | None, package: str) -> DetectedIssue:
    columns = ", ".join(identifier(name) for name in key.names)
    how = "" if key.is_partitioned else "CONCURRENTLY "
    remedy = _ON_PARTITIONS if key.is_partitioned else _IN_DJANGO
    deleted = referred.deleted if referred else 0
    return DetectedIssue(
        advisor=ID,
        object=key.qualified,
        severity="warning",
        title=(
            f"No index serves the foreign key {table.qualified} "
            f"({', '.join(key.names)}) to {key.referred}"
        ),
        evidence={
            "constraint": key.name,
            "rows": max(table.rows, table.live),
            "size in MB": megabytes(table.bytes),
            f"rows deleted in {key.referred}": deleted,
            "sequential scans": table.sequential_scans,
        },
        why=(
            f"Deleting a row of {key.referred} looks for rows that refer to it, and so does "
            "every join that way round: without an index the whole table is read."
        ),
        remedy=by_hand(package, "build the index") if package else remedy,
        statement=f"CREATE INDEX {how}ON {identifier(key.schema, key.table)} ({columns});",
    )
