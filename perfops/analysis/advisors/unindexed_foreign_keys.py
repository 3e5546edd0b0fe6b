"""Foreign keys that no index serves: each delete of a referred row reads the whole table."""

from perfops.analysis.advisors.detection import DetectedIssue
from perfops.analysis.advisors.index_identity import serves
from perfops.analysis.collectors.difference import Window
from perfops.analysis.collectors.records import ForeignKey, Index, Table
from perfops.conf import Conf
from perfops.database.index_sql import index_name, on_partitions
from perfops.formatting import by_hand, identifier, megabytes

ID = "unindexed_foreign_keys"
TITLE = "Foreign keys without index"
NEEDS = ("foreign keys", "pg_stat_user_indexes", "pg_stat_user_tables")

_IN_DJANGO = (
    "Build the index. In Django: leave db_index of the ForeignKey on, or add an Index that begins "
    "with it, by AddIndexConcurrently."
)
_ON_PARTITIONS = (
    "Run the SQL, each statement by itself: no row is locked, as each partition's index is built "
    "CONCURRENTLY and then attached. In Django: the same by RunSQL (atomic = False), with an Index "
    "of that name in the model's Meta by SeparateDatabaseAndState."
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
        statement=_on_partitions(key, columns)
        if key.is_partitioned
        else f"CREATE INDEX CONCURRENTLY ON {identifier(key.schema, key.table)} ({columns});",
    )


def _on_partitions(key: ForeignKey, columns: str) -> str:
    def name_of(table: tuple[str, str]) -> str:
        return index_name(table[1], key.names, of=f"{'.'.join(table)} ({columns})")

    def create(table: tuple[str, str], holds_rows: bool) -> str:
        how, only = ("CONCURRENTLY ", "") if holds_rows else ("", "ONLY ")
        return (
            f"CREATE INDEX {how}{identifier(name_of(table))} "
            f"ON {only}{identifier(*table)} ({columns})"
        )

    table = (key.schema, key.table)
    return on_partitions(table, key.partitions, create=create, name_of=name_of)
