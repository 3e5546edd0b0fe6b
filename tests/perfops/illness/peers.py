"""What two well-known tools would say of the same snapshot: their thresholds, not their code.

PgHero: lib/pghero/methods/ (indexes, query_stats, sequences, constraints, maintenance,
connections, replication) with its default configuration. pg-extras: what
lib/ruby_pg_extras/diagnose_data.rb holds its queries against.
"""

from perfops.collectors.records import share

# (advisor of ours that asks the same, object)
PGHERO_ASKS = {
    "slow_queries", "sequential_scans", "unused_indexes", "duplicate_indexes", "invalid_indexes",
    "unvalidated_constraints", "integer_overflow", "wraparound", "long_queries", "connections",
    "cache_hit_ratio", "replication_lag",
}  # fmt: skip
PG_EXTRAS_ASKS = {
    "slow_queries", "unused_indexes", "duplicate_indexes", "unindexed_foreign_keys", "bloat",
    "cache_hit_ratio", "server_settings",
}  # fmt: skip
_LONG_S = 0.5  # a minute in both; here as short as ours


def pghero(snapshot):
    for statement in snapshot.statements:
        if (
            statement.calls >= 100
            and (statement.total_ms + statement.plan_ms) / statement.calls >= 20
        ):
            yield "slow_queries", statement.text
    for table in snapshot.tables:
        scans = table.index_scans + table.sequential_scans
        if table.index_scans and 100 * table.index_scans // scans < 95 and table.live >= 10_000:
            yield "sequential_scans", table.qualified
    for index in snapshot.indexes:
        if not index.is_unique and index.scans <= 50:
            yield "unused_indexes", index.qualified
        if not index.is_valid:
            yield "invalid_indexes", index.qualified
        if not index.is_unique and _plain(index) and any(
            _plain(other) and other != index and other.table == index.table
            and other.method == index.method
            and other.keys[: len(index.keys)] == index.keys
            and (other.keys != index.keys or index.name > other.name)
            for other in snapshot.indexes
        ):  # fmt: skip
            yield "duplicate_indexes", index.qualified
    for constraint in snapshot.unvalidated:
        yield "unvalidated_constraints", f"{constraint.schema}.{constraint.table}.{constraint.name}"
    for each in snapshot.numberings:
        if each.sequence and each.last / each.limit > 0.9:
            yield "integer_overflow", each.qualified
    for table in snapshot.tables:
        if 2_146_483_648 - table.xid_age < 10_000_000:
            yield "wraparound", table.qualified
    for session in snapshot.sessions:
        if session.state != "idle" and (session.query_s or session.state_s or 0) > _LONG_S:
            yield "long_queries", session.text or session.application
    if len(snapshot.sessions) > 500:
        yield "connections", "connections in use"
    yield from _cache(snapshot, 0.99)
    for slot in snapshot.slots:
        if not slot.active:
            yield "replication_lag", f"slot {slot.name}"


def pg_extras(snapshot):
    total = sum(statement.total_ms for statement in snapshot.statements)
    for statement in snapshot.statements:
        if statement.total_ms >= 0.33 * total:
            yield "slow_queries", statement.text
    for index in snapshot.indexes:
        if not index.is_unique and index.scans <= 20 and index.bytes >= 1_000_000:
            yield "unused_indexes", index.qualified
        if any(
            other != index and other.table == index.table and other.keys == index.keys
            and other.predicate == index.predicate and index.name > other.name
            for other in snapshot.indexes
        ):  # fmt: skip
            yield "duplicate_indexes", index.qualified
    for key in snapshot.foreign_keys:
        if not any(
            (index.schema, index.table) == (key.schema, key.table)
            and index.columns[:1] == key.columns[:1]
            for index in snapshot.indexes
        ):
            yield "unindexed_foreign_keys", key.qualified
    for bloat in snapshot.bloat:
        if bloat.bytes >= 10 * max(1, bloat.bytes - bloat.wasted):
            yield "bloat", bloat.qualified
    yield from _cache(snapshot, 0.985)
    for name, default in (("work_mem", "4096"), ("random_page_cost", "4")):
        if snapshot.setting(name).value == default:
            yield "server_settings", name


def _plain(index):
    return index.is_valid and not index.is_partial and 0 not in index.columns


def _cache(snapshot, least):
    for records in (snapshot.tables, snapshot.indexes):
        rate = share(sum(r.blocks_hit for r in records), sum(r.blocks_read for r in records))
        if rate is not None and rate < least:
            yield "cache_hit_ratio", "database (whole)"
